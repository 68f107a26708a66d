"""Running a user's module without leaving a trace in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, SpikeproofError, UnsupportedError
from .. import masked
from ..parts.state import at_reset, reset_state
from .leaves import Listener, listening
from .place import last_place

Given: TypeAlias = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""What a module is given: its argument, or a tuple of its arguments, the first axis of each samples."""


def arguments(x: Any) -> Given:
    """Return what a module is given as NumPy arrays; a tuple holds several arguments. Raises as `plain` does."""
    if not isinstance(x, tuple):
        return plain(x)
    found = tuple(map(plain, x))
    counts = sorted({len(each) if each.ndim else 0 for each in found})
    if len(counts) != 1:
        raise InputError(f"The arguments have {' and '.join(map(str, counts))} samples. Give each as many.")
    return found if len(found) > 1 else found[0]


def each(x: Given) -> tuple[npt.NDArray[Any], ...]:
    """Return a module's arguments."""
    return x if isinstance(x, tuple) else (x,)


def samples_of(x: Any, which: Any) -> Any:
    """Return some samples of what a module is given, arrays or tensors."""
    return tuple(one[which] for one in x) if isinstance(x, tuple) else x[which]


def plain(x: Any) -> npt.NDArray[Any]:
    """Return an input as a NumPy array: of a torch tensor its values, whatever its layout, device or gradient.

    Raises
    ------
    InputError
        It holds no numbers.
    """
    if isinstance(x, torch.utils.data.Dataset):
        raise InputError(
            f"Input is a {type(x).__name__}, which is a data set. Give a torch DataLoader of it, or an array."
        )
    masked.refuse(x)
    try:
        if isinstance(x, torch.Tensor):
            x = x.detach().to_dense() if x.layout != torch.strided else x.detach()
            x = x.cpu().resolve_conj().resolve_neg()
            x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
        array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"Input is no array of numbers: {str(error).splitlines()[0][:200]}") from None
    if array.dtype.kind not in "iufb":
        raise InputError(f"Input has dtype {array.dtype}; expected numbers.")
    return array


def types_of(x: Given) -> list[tuple[npt.DTypeLike, ...]]:
    """Return the types in which a module may take its arguments: first as they are, and last float32 for all.

    A front end computes otherwise with other types: whole numbers of 8 bits wrap around, and tokens are no fractions.
    But blocks take float32 alone, and arrays are float64 by default.
    """
    single = np.dtype(np.float32)
    own = [one.dtype.newbyteorder("=") for one in each(x)]
    own = [kind if _is_torchs(kind) else single for kind in own]
    numbers = [single if kind.kind == "f" else kind for kind in own]
    return list(dict.fromkeys((tuple(own), tuple(numbers), (single,) * len(own))))


def _is_torchs(kind: np.dtype[Any]) -> bool:
    try:
        torch.as_tensor(np.zeros(1, kind))
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def tensors(module: nn.Module, x: Given, types: Sequence[npt.DTypeLike]) -> tuple[torch.Tensor, ...]:
    """Return arguments as the module takes them: of these types, on its device."""
    parameter = next(module.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    return tuple(
        torch.as_tensor(np.array(one, dtype=kind), device=device) for one, kind in zip(each(x), types, strict=True)
    )


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[Callable[[], list[str]]]:
    """Put a module in evaluation mode at reset in a ``with`` block, and everything back afterwards.

    What it gives returns the names of the parameters and buffers that have changed since.

    That is the mode of every submodule, parameters and buffers, what SLAYER's neurons keep, and the state of the random
    generators. What a first forward pass of SLAYER's parts sets up for good, such as the shapes of neurons and delays
    that are drawn, stays; and so does what forward changes in attributes that are no buffers.

    Raises
    ------
    InputError
        It has parameters without values.
    """
    _refuse_lazy(module)
    modes = [(part, part.training) for part in module.modules()]
    generators = _generators()
    with left_alone(module) as kept:
        try:
            with at_reset(module):
                _evaluate(module)
                with torch.no_grad():
                    yield lambda: [name for each in kept for name in each.changed()]
        finally:
            for part, mode in modes:
                part.training = mode
            for each in kept:
                each.restore()
            _set_generators(generators)


_OWN = __package__.partition(".")[0] + "."
_SET_UP = ("shape", "num_neurons", "init")
"""What SLAYER's neurons and delays note of the first input that they see."""


@contextmanager
def left_alone(module: Any) -> Iterator[list[_Kept]]:
    """Put back all that SLAYER sets up in a first forward pass if a ``with`` block ends with an error.

    It gives what it keeps of the module's parts.
    """
    parts = list(module.named_modules()) if isinstance(module, nn.Module) else []
    lazy = any(isinstance(value, nn.UninitializedParameter) for _, part in parts for value in part.parameters(False))
    kept = [] if lazy else [_Kept(*named) for named in parts if not isinstance(named[1], torch.jit.ScriptModule)]
    try:
        yield kept
    except Exception:
        for each in kept:
            each.forget()
        raise


class _Kept:
    """The parameters and buffers of one part of a module, with their values."""

    def __init__(self, name: str, part: nn.Module) -> None:
        self._name, self._part = name, part
        self._held = {kind: dict(getattr(part, kind)) for kind in ("_parameters", "_buffers")}
        modules = [f"{kind.__module__}." for kind in type(part).__mro__]
        self._stays = any(name.startswith("lava.lib.dl.slayer.") for name in modules)
        self._caches = self._stays or any(name.startswith(_OWN) for name in modules)
        self._set_up = {name: vars(part)[name] for name in _SET_UP if self._stays and name in vars(part)}
        self._undrawn = getattr(part, "init", None) is False and hasattr(part, "delay")
        tensors = [value for held in self._held.values() for value in held.values() if value is not None]
        self._values = [(value, value.detach().clone()) for value in tensors]

    def changed(self) -> Iterator[str]:
        """Yield the names of what has other values now, but for what SLAYER's and our own parts keep for later."""
        before = {id(value): copied for value, copied in self._values}
        for kind, held in () if self._caches else self._held.items():
            now = getattr(self._part, kind)
            for name in dict.fromkeys((*held, *now)):
                old, new = held.get(name), now.get(name)
                if (old is None) != (new is None) or (
                    old is not None and new is not None and not same(before[id(old)], new.detach())
                ):
                    yield f"{self._name}.{name}" if self._name else name

    def forget(self) -> None:
        """Put back what SLAYER set up too: the input of a pass that failed may have had the wrong shape."""
        vars(self._part).update(self._set_up)
        self._stays = self._undrawn = False
        self.restore()

    def restore(self) -> None:
        """Put everything back, but for what SLAYER set up in a first forward pass."""
        if self._undrawn:  # delays that are drawn now
            return
        for kind, held in self._held.items():
            now = getattr(self._part, kind)
            for name, value in held.items():
                grown = self._stays and value is not None and name in now and _shape(now[name]) != value.shape
                if not grown:
                    now[name] = value
            for name in [name for name in now if name not in held and not self._stays]:
                del now[name]
        for value, before in self._values:
            if value.shape == before.shape and not torch.equal(value.detach(), before):
                value.data.copy_(before)
            elif not self._stays and value.shape != before.shape:
                value.data = before


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are of one shape and type and hold the same values, nan among them."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    try:
        return torch.equal(a, b) or torch.equal(a.nan_to_num(), b.nan_to_num())
    except (RuntimeError, NotImplementedError):  # sparse tensors, and types of few bits
        return False


def _shape(value: torch.Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape


def _refuse_lazy(module: nn.Module) -> None:
    lazy = [name for name, value in module.named_parameters() if isinstance(value, nn.UninitializedParameter)]
    if lazy:
        raise InputError(f"{type(module).__name__}: {lazy[0]} has no values yet. Run the module once before.")


def _evaluate(module: nn.Module) -> None:
    try:
        module.eval()
    except Exception as error:
        raise InputError(f"{type(module).__name__}.eval() raised {type(error).__name__}: {error}") from error


def _generators() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()  # noqa: NPY002 - the user may use it


def _set_generators(state: tuple[Any, ...]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state_all(state[1])
    np.random.set_state(state[2])  # noqa: NPY002 - the user may use it
    random.setstate(state[3])


def run(module: nn.Module, x: tuple[torch.Tensor, ...], listener: Listener, *, seed: int = 0) -> Any:
    """Return what a module returns, while `listener` does or stands in for the calls of its leaves.

    Parameters
    ----------
    module : Module
        The network; `undisturbed`.
    x : tuple of Tensor
        Its arguments.
    listener : Listener
        See `spikeproof.export.capture.leaves`.
    seed : int
        Seed of the random generators.

    Raises
    ------
    InputError
        The module does not take this input.
    """
    reset_state(module)
    _seed(seed)
    try:
        with listening(listener, module):
            return module(*x)
    except SpikeproofError:
        raise
    except Exception as error:
        raise _refused(module, x, error) from error


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the user may use it
    random.seed(seed)


def drawn(seed: int) -> tuple[Any, ...]:
    """Return where each generator is after a run that began with a seed; None for one that drew no random numbers."""
    after = _comparable()
    _seed(seed)
    return tuple(None if one == before else one for one, before in zip(after, _comparable(), strict=True))


def _comparable() -> tuple[Any, ...]:
    of_torch, of_cuda, of_numpy, of_python = _generators()
    cuda = tuple(state.numpy().tobytes() for state in of_cuda or ())
    return of_torch.numpy().tobytes(), cuda, (of_numpy[1].tobytes(), of_numpy[2:]), of_python


def _refused(module: nn.Module, x: tuple[torch.Tensor, ...], error: Exception) -> InputError:
    """Return what is said of a forward pass that raised."""
    name, shape = type(module).__name__, " and ".join(str(tuple(each.shape)) for each in x)
    where = last_place(error)
    at = "" if where is None else f" ({where})"
    if isinstance(error, TypeError) and "required positional argument" in str(error):
        return InputError(
            f"{name} takes more than its input: {error}. Give a tuple of all inputs, or wrap it in a module whose "
            "forward pass takes the input alone and holds the rest."
        )
    if isinstance(error, RuntimeError | AssertionError):
        return InputError(f"The module does not take input of shape {shape}: {error}{at}")
    return InputError(f"{name}'s forward pass raised {type(error).__name__}: {error}{at}, for input of shape {shape}.")


def refuse_autocast() -> None:
    """Refuse to go on while ``torch.autocast`` is on."""
    try:
        on = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    except TypeError:  # torch before 2.4 asks for each device by another name
        on = torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled()
    if on:
        raise UnsupportedError(
            "torch.autocast is on: in half precision SLAYER's sums round, and those of a chip do not. Leave autocast "
            "for what is to be proven."
        )


def compiled(module: nn.Module) -> bool:
    """Return whether a module is compiled, or a part of it."""
    return any(
        type(part).__name__ == "OptimizedModule" or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )


def notes(module: nn.Module) -> list[str]:
    """Return what to say of how a module is run."""
    if not compiled(module):
        return []
    return [
        "torch.compile made parts of the module. They ran as they are written: compiled code may round sums of real "
        "numbers otherwise."
    ]


@contextmanager
def eagerly(module: nn.Module) -> Iterator[None]:
    """Run compiled modules as they are written, where there are any: what is compiled shows no operations."""
    if not compiled(module):
        yield
        return
    if not hasattr(torch.compiler, "set_stance"):
        raise UnsupportedError("The module holds compiled parts. Give the module as it was before torch.compile.")
    with torch.compiler.set_stance("force_eager"):
        yield
