"""Keep the archived lava-nc 0.10.0 and lava-dl 0.6.0 running on CPython 3.10 to 3.13 and NumPy 1.26 to 2.x.

`apply` runs before the first Lava import of a process, by `on_import` in a program that imports spikeproof, and is
harmless when called again. It changes no installed file and nothing outside Lava: a finder on ``sys.meta_path`` answers
for exactly the modules in `_PATCHES`, so that each is patched while it is imported, and only where the interpreter or
NumPy needs it. Lava starts its processes by ``fork``, so they inherit what was patched.

Importing this module loads neither Lava nor torch.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..contract.errors import BackendError, MissingDependencyError

INSTALL_LAVA = (
    "python -m pip install lava-nc==0.10.0 lava-dl==0.6.0"
    if sys.version_info < (3, 11)
    else "python -m pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0"
)
"""What installs Lava on this interpreter; requirements-lava.txt holds the same and says why."""

_IMPORTED_BY_LAVA = ("asteval", "networkx", "scipy")
_OBJECT_DETECTION = "lava.lib.dl.slayer.object_detection"
_NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2])


class _Patch(NamedTuple):
    """One fault of one Lava module: `edit` rewrites its source, `fix` acts on the imported module."""

    module: str
    why: str
    needed: Callable[[], bool]
    edit: Callable[[str], str] | None = None
    fix: Callable[[ModuleType], None] | None = None


class Facts(NamedTuple):
    """What `available` found; the words are for ``spikeproof doctor``.

    Parameters
    ----------
    lava_nc, lava_dl : str or None
        Installed versions; None where not installed.
    needed : tuple of str
        The patches that this interpreter and its NumPy need, one sentence each.
    applied : tuple of str
        Those in force in this process; empty before `apply`.
    missing : tuple of str
        Modules that Lava imports and that are not installed.
    """

    lava_nc: str | None
    lava_dl: str | None
    needed: tuple[str, ...]
    applied: tuple[str, ...]
    missing: tuple[str, ...]


def apply() -> None:
    """Make Lava importable and correct in this process. Call it before anything imports Lava.

    Raises
    ------
    MissingDependencyError
        lava-nc, or a module that it imports, is not installed.

    Notes
    -----
    A module that was imported before is patched in place where that is possible. Where it is not, the fault
    is one of importing, which then did not occur.
    """
    if not _is_installed("lava.magma"):
        raise MissingDependencyError(f"Lava is not installed. Install it with: {INSTALL_LAVA}")
    missing = _missing()
    if missing:
        raise MissingDependencyError(
            f"Lava imports {', '.join(missing)}, not installed here. "
            f"Install with: python -m pip install {' '.join(missing)}"
        )
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
        for patch in _PATCHES:
            loaded = sys.modules.get(patch.module)
            if loaded is not None and patch.fix is not None and patch.needed():
                patch.fix(loaded)
    if _lacks_object_detection():
        sys.modules.setdefault(_OBJECT_DETECTION, _StandIn(_OBJECT_DETECTION))


def available() -> Facts:
    """Tell what is installed and what this interpreter needs, without importing Lava.

    Returns
    -------
    Facts
    """
    needed = [f"{patch.module}: {patch.why}" for patch in _PATCHES if patch.needed()]
    if _lacks_object_detection():
        needed.append(f"{_OBJECT_DETECTION}: needs torchvision and OpenCV, so a stand-in takes its place")
    return Facts(
        lava_nc=_version("lava-nc"),
        lava_dl=_version("lava-dl"),
        needed=tuple(needed),
        applied=tuple(needed) if _Finder in sys.meta_path else (),
        missing=_missing(),
    )


def _is_installed(name: str) -> bool:
    # find_spec imports parent packages: of Lava only `lava`, a namespace without code, is ever a parent here.
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _missing() -> tuple[str, ...]:
    return tuple(name for name in _IMPORTED_BY_LAVA if not _is_installed(name))


def _lacks_object_detection() -> bool:
    return _version("lava-dl") is not None and not (_is_installed("torchvision") and _is_installed("cv2"))


def _replace_once(source: str, old: str, new: str) -> str:
    if source.count(old) != 1:
        raise MissingDependencyError(
            f"Lava's source differs from that of release 0.10.0 ({old!r} occurs {source.count(old)} times). "
            f"Install that release with: {INSTALL_LAVA}"
        )
    return source.replace(old, new)


def _hashable_encoder(source: str) -> str:
    # Python >= 3.11 takes an unhashable default of a dataclass for a mutable one and refuses it. A hash
    # lets the shared defaults stand as they do on 3.10. In the source, because to replace
    # dataclasses.dataclass, even for a moment, would reach whatever else is imported in that moment.
    return _replace_once(source, "@dataclass\nclass ByteEncoder", "@dataclass(unsafe_hash=True)\nclass ByteEncoder")


def _tolerant_start_method(source: str) -> str:
    # Lava sets the start method on import, which raises once anything used multiprocessing: a DataLoader
    # with workers, or the parent of a spawned child. Setting again what is set already changes nothing.
    method = multiprocessing.get_start_method(allow_none=True)
    if method not in (None, "fork"):
        raise BackendError(
            f"Lava needs multiprocessing's start method 'fork', but this program has set {method!r}. "
            "Run Lava in a process of its own, or set 'fork' before Lava is imported."
        )
    return source if method is None else _replace_once(source, "('fork')", "('fork', force=True)")


def _fix_reshape(ports: ModuleType) -> None:
    # The port that flattens passes np.reshape its shape as `newshape`: deprecated in NumPy 2.1, gone in 2.4.
    # It fails inside a process model, where Lava keeps the traceback to itself.
    def forward(port: Any) -> functools.partial[Any]:
        return functools.partial(np.reshape, shape=port.shape)

    def backward(port: Any) -> functools.partial[Any]:
        return functools.partial(np.reshape, shape=port.old_shape)

    ports.ReshapePort.get_transform_func_fwd = forward
    ports.ReshapePort.get_transform_func_bwd = backward


def _fix_conv(utils: ModuleType) -> None:
    # Conv's model holds its geometry as int8, which NumPy 2 no longer widens where it meets an image side
    # or a channel count of 128 or more: OverflowError, inside a process model again. Of 128 and more groups the
    # eight bits hold the wrong number, with a wrong sum or an endless run; the shapes say how many there are.
    stock: Callable[..., Any] = utils.conv

    @functools.wraps(stock)
    def conv(image: Any, weight: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Any:
        pairs = (tuple(int(n) for n in pair) for pair in (kernel_size, stride, padding, dilation))
        return stock(image, weight, *pairs, image.shape[-1] // weight.shape[-1])

    vars(utils)["conv"] = conv


def _fix_adrf_iz(module: ModuleType) -> None:
    # It adds the refractory to the threshold, and passes the sum where its own `spike` takes the two: TypeError.
    def forward(neuron: Any, dendrites: Any) -> Any:
        """Return the spikes of a pair of real and imaginary sums."""
        return neuron.spike(*neuron.dynamics(dendrites))

    forward.__module__ = module.__name__  # it is SLAYER's own, as it was meant
    module.Neuron.forward = forward


_PATCHES = (
    _Patch(
        "lava.magma.compiler.var_model",
        "Python 3.11 and later refuse its dataclass defaults",
        needed=lambda: sys.version_info >= (3, 11),
        edit=_hashable_encoder,
    ),
    _Patch(
        "lava.magma.runtime.message_infrastructure.multiprocessing",
        "cannot be imported once the program has used multiprocessing",
        needed=lambda: (
            multiprocessing.get_start_method(allow_none=True) is not None
            and "lava.magma.runtime.message_infrastructure.multiprocessing" not in sys.modules
        ),
        edit=_tolerant_start_method,
    ),
    _Patch(
        "lava.magma.core.process.ports.ports",
        "reshaping and flattening a port uses an argument that NumPy 2.1 deprecated and 2.4 removed",
        needed=lambda: _NUMPY >= (2, 1),
        fix=_fix_reshape,
    ),
    _Patch(
        "lava.proc.conv.utils",
        "a convolution fails from 128 groups on, and on NumPy 2 from 128 pixels a side or 128 channels",
        needed=lambda: True,
        fix=_fix_conv,
    ),
    _Patch(
        "lava.lib.dl.slayer.neuron.adrf_iz",
        "its neuron's forward pass calls its own spike() with one argument too few",
        needed=lambda: _version("lava-dl") is not None,
        fix=_fix_adrf_iz,
    ),
)


class _Loader(importlib.machinery.SourceFileLoader):
    """Load one Lava module, patched."""

    def __init__(self, fullname: str, path: str, patch: _Patch) -> None:
        super().__init__(fullname, path)
        self._patch = patch

    def get_code(self, fullname: str) -> Any:
        """Compile the edited source; the bytecode cache holds the stock one and is left alone."""
        if self._patch.edit is None:
            return super().get_code(fullname)
        source = self._patch.edit(str(self.get_source(fullname)))
        return self.source_to_code(source.encode(), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then patch what it defined."""
        super().exec_module(module)
        if self._patch.fix is not None:
            self._patch.fix(module)


class _Finder:
    """Answer for the modules of `_PATCHES` that need their patch; every other import passes by."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = next((patch for patch in _PATCHES if patch.module == fullname), None)
        if patch is None or not patch.needed():
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, patch)
        return spec


class _StandIn(ModuleType):
    """Take the place of a module whose own imports are not installed; using it says what to install."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # import machinery and introspection probe these on every module
            raise AttributeError(name)
        raise MissingDependencyError(
            f"{self.__name__}.{name} needs torchvision and OpenCV. "
            "Install with: python -m pip install torchvision opencv-python-headless"
        )
