"""Lets `import spikeproof` be enough: Lava is made importable when a program first imports something of it.

Importing this module, and `watch`, load the standard library alone. Nothing happens until a module ``lava.…`` is looked
for in a folder that holds Lava; then `compat.apply` runs, once.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

_LAVA, _HAS_LAVA = "lava.", "lava.magma"
_LOADED = ("lava.magma", "lava.proc", "lava.lib")
"""Of which one is loaded if any of Lava is."""


class _Watch:
    """A finder that finds nothing by itself.

    It stays where it is in ``sys.meta_path``: Python walks along that list while it asks, so whoever takes himself out
    of it makes Python skip the next one.
    """

    def __init__(self) -> None:
        self.done = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if self.done or not fullname.startswith(_LAVA):
            return None
        if fullname.count(".") == 1 and importlib.machinery.PathFinder.find_spec(_HAS_LAVA, path) is None:
            return None  # another package of this name
        from . import compat

        self.done = True
        try:
            compat.apply()
        except BaseException:
            self.done = False  # the next import says it again
            raise
        return None  # nothing that `apply` patches is ever looked for first: its parents are


def watch() -> None:
    """Apply `compat.apply` before anything of Lava is imported from now on; calling it again changes nothing.

    What is loaded already is patched at once, as far as that can be done.
    """
    if any(isinstance(finder, _Watch) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Watch())
    if not sys.modules.keys().isdisjoint(_LOADED):
        from ..contract.errors import MissingDependencyError
        from . import compat

        with contextlib.suppress(MissingDependencyError):  # whoever then runs Lava is told
            compat.apply()
