"""The calls of blocks, synapses and neurons in a forward pass, seen by patching ``forward`` on their classes.

Classes are patched, and neither objects nor hooks: so ``block.forward(x)``, a subclass that calls ``super().forward``,
an object's own ``forward``, hooks, and blocks in lists that no module registers all show as what they are, a call of
the class's forward with something around it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import Any, Literal, Protocol

from torch import nn

from ..parts.kinds import passes_on
from ..parts.protocol import is_own_block, leaf_role

Role = Literal["block", "synapse", "neuron"]

_SLAYER = "lava.lib.dl.slayer."
_TRAIN = __package__.partition(".")[0] + ".train."
_PLAIN = {"AbstractFlatten"}
"""Blocks that are nothing but a reshape, which any operation may be."""
_NEURONS = {"adrf", "adrf_iz", "alif", "cuba", "rf", "rf_iz", "sigma_delta"}


class Listener(Protocol):
    """What is told of every call of a leaf, and does the call or stands in for it."""

    def call(self, part: nn.Module, role: Role, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return what a leaf's forward pass returns for `args`; ``run(*args)`` computes it."""


_inside = threading.local()


def inside() -> bool:
    """Whether a leaf is running in this thread."""
    return getattr(_inside, "depth", 0) > 0


@contextmanager
def quietly() -> Iterator[None]:
    """Let nobody hear of the leaves that a ``with`` block calls in this thread."""
    before = getattr(_inside, "depth", 0)
    _inside.depth = before + 1
    try:
        yield
    finally:
        _inside.depth = before


@contextmanager
def listening(listener: Listener, module: nn.Module) -> Iterator[None]:
    """Tell `listener` of every call of a leaf that no leaf makes, as long as a ``with`` block runs.

    Parameters
    ----------
    listener : Listener
        Is asked to do the calls.
    module : Module
        The user's module; classes of its blocks that are neither SLAYER's nor this package's are leaves too.
    """
    originals: list[tuple[type[nn.Module], Any]] = []
    thread, parts = threading.get_ident(), {id(part) for part in module.modules()}

    def heard(part: nn.Module) -> bool:
        # Another thread may run another network at the same time; what it runs of this module is the module's.
        return threading.get_ident() == thread or id(part) in parts

    try:
        for kind, role in {**slayer_classes(), **_own_classes(module.modules())}.items():
            originals.append((kind, kind.__dict__["forward"]))
            kind.forward = _told(kind.__dict__["forward"], role, listener, heard)  # type: ignore[method-assign]
        yield
    finally:
        for kind, original in originals:
            kind.forward = original  # type: ignore[method-assign]


def _told(
    original: Callable[..., Any], role: Role, listener: Listener, heard: Callable[[nn.Module], bool]
) -> Callable[..., Any]:
    @wraps(original)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if inside() or passes_on(self) or not heard(self):
            return original(self, *args, **kwargs)

        def run(*given: Any) -> Any:
            keywords = dict(zip(kwargs, given[len(args) :], strict=False))
            with quietly():
                return original(self, *given[: len(args) if kwargs else None], **keywords)

        return listener.call(self, role, run, (*args, *kwargs.values()))

    return forward


def slayer_classes() -> dict[type[nn.Module], Role]:
    """Return SLAYER's classes of blocks, synapses and neurons that have a ``forward`` of their own."""
    return _slayer_classes(len(sys.modules))


@lru_cache(maxsize=1)
def _slayer_classes(loaded_modules: int) -> dict[type[nn.Module], Role]:
    """Look for them, once as long as no further module is loaded."""
    found: dict[type[nn.Module], Role] = {}
    for name, loaded in list(sys.modules.items()):
        part, _, rest = name.removeprefix(_SLAYER).partition(".")
        if not name.startswith(_SLAYER) or part not in ("block", "synapse", "neuron"):
            continue
        if part == "neuron" and rest not in _NEURONS:
            continue
        role: Role = "block" if part == "block" else "synapse" if part == "synapse" else "neuron"
        for kind in vars(loaded).values():
            mine = isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == name
            if mine and "forward" in kind.__dict__ and kind.__name__ not in _PLAIN:
                found[kind] = role
    return found


@lru_cache(maxsize=1)
def _train_classes(loaded_modules: int) -> dict[type[nn.Module], Role]:
    found: dict[type[nn.Module], Role] = {}
    for name, loaded in list(sys.modules.items()):
        if name.startswith(_TRAIN):
            for kind in vars(loaded).values():
                if isinstance(kind, type) and kind.__module__ == name and "forward" in vars(kind) and leaf_role(kind):
                    found[kind] = leaf_role(kind)  # type: ignore[assignment]
    return found


def _own_classes(modules: Iterable[nn.Module]) -> dict[type[nn.Module], Role]:
    """Return this package's classes that are leaves, and those of the user's blocks with a record of their own."""
    found = dict(_train_classes(len(sys.modules)))
    known = {**slayer_classes(), **found}
    for module in modules:
        if is_own_block(module) and not any(kind in known for kind in type(module).__mro__):
            found[next(kind for kind in type(module).__mro__ if "forward" in kind.__dict__)] = "block"
    return found
