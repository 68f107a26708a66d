"""Where every tensor of a forward pass comes from: a record of the operations between the leaves.

Outside the leaves a `torch.overrides.TorchFunctionMode` sees every torch function, with the line of the user's code
that calls it. What it keeps is a graph of events; what an event does to single elements, `shadow` finds out later, and
only for what reaches a leaf.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ...contract.errors import UnsupportedError
from .guard import refuse_autocast
from .leaves import Role, inside
from .place import Place, here

WRITE = "a write into a view"
"""Name of what stands for the effect of a write on other views; it computes nothing itself."""
INPUT = 1
"""Bit of the module's input among roots; call i of a leaf has bit ``2 << i``."""

_READS = {"item", "tolist", "numpy", "__array__", "__bool__", "__float__", "__int__", "__index__", "__dlpack__"}
"""Functions that take values of a tensor out of torch, whatever they return."""
_ABOUT = {
    *(
        "dim",
        "ndimension",
        "numel",
        "nelement",
        "size",
        "stride",
        "storage_offset",
        "element_size",
        "type",
        "get_device",
    ),
    *("data_ptr", "const_data_ptr", "dense_dim", "sparse_dim", "q_zero_point", "_is_view"),
    *("__len__", "__hash__", "__dir__"),
}
"""Functions that return a number which no values decide; so do properties and all ``is_...`` but ``is_nonzero``."""
_FRESH = {
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    "rand_like",
    "randn_like",
    "randint_like",
    "new_zeros",
    "new_ones",
    "new_empty",
    "new_full",
    "new_tensor",
}
"""Functions that take a tensor's shape and none of its values."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a tensor is: an output of an event, at one moment."""

    event: Event
    index: int
    """Which of the event's outputs; -1 for an argument that the event wrote into."""
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def roots(self) -> int:
        """Bits of what it is made of."""
        return self.event.roots


@dataclass(slots=True, eq=False)
class Event:
    """An operation, or the input of the module or the output of a leaf, which are roots."""

    serial: int
    name: str
    place: Place
    roots: int
    function: Callable[..., Any] | None = None
    arguments: tuple[Any, ...] = ()
    """Positional arguments, with a `Value` for every tensor that is tracked."""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    written: int | None = None
    """Position among the tensors in the arguments of the one that was written into."""
    call: int | None = None
    """For a root: the call whose output it is; None for the module's input."""
    dtype: torch.dtype | None = None
    """Type of what it made."""

    @property
    def is_root(self) -> bool:
        """Whether no operation made it."""
        return self.function is None

    def parents(self) -> Iterator[Event]:
        """Yield the events that made its arguments."""
        for value in values_in((self.arguments, self.keywords)):
            yield value.event


@dataclass(slots=True)
class LeafCall:
    """A call of a leaf in the forward pass."""

    part: nn.Module
    role: Role
    place: Place
    arrived: tuple[Value | None, ...]
    """What the input tensors are, None where one comes from outside torch or is a constant."""
    received: tuple[torch.Tensor, ...]
    output: Any
    """What it returned, tensors cloned."""
    reads_before: int
    """How many times values had left torch before."""
    run: Callable[..., Any]
    """Does what the leaf does, with other arguments too."""


@dataclass(frozen=True, slots=True)
class Read:
    """Values that were taken out of torch."""

    name: str
    place: Place
    roots: int
    events: tuple[Event, ...]
    """What made the values."""


def values_in(tree: Any) -> Iterator[Value]:
    """Yield the values in nested arguments."""
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, tuple | list):
        for each in tree:
            yield from values_in(each)
    elif isinstance(tree, Mapping):
        for each in tree.values():
            yield from values_in(each)


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested tuples, lists and dictionaries, and in the fields of plain objects."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif hasattr(tree, "__dataclass_fields__"):  # first, for some are dictionaries as well
        for name in tree.__dataclass_fields__:
            yield from tensors_in(getattr(tree, name, None))
    elif isinstance(tree, tuple | list):
        for each in tree:
            yield from tensors_in(each)
    elif isinstance(tree, Mapping):
        for each in tree.values():
            yield from tensors_in(each)


def swapped(tree: Any, swap: Callable[[Any], Any], kind: type[Any]) -> Any:
    """Return nested arguments with everything of a kind replaced."""
    if isinstance(tree, kind):
        return swap(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(swapped(each, swap, kind) for each in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(swapped(each, swap, kind) for each in tree)
    if isinstance(tree, dict):
        return {key: swapped(each, swap, kind) for key, each in tree.items()}
    return tree


def snapshot(tree: Any) -> Any:
    """Return a copy of what a module returned, which later runs cannot change, whatever it is made of."""
    known: dict[int, Any] = {id(tensor): tensor.detach().clone() for tensor in tensors_in(tree)}
    try:
        return copy.deepcopy(tree, known)
    except Exception:  # an object that cannot be copied; what is beside it can
        return _plain_copy(tree)


def _plain_copy(tree: Any) -> Any:
    """Return a copy of nested containers and of the tensors and arrays in them, and all else as it is."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().clone()
    if isinstance(tree, np.ndarray):
        return tree.copy()
    if hasattr(tree, "__dataclass_fields__"):
        return {name: _plain_copy(getattr(tree, name, None)) for name in tree.__dataclass_fields__}
    if isinstance(tree, tuple | list):
        return [_plain_copy(each) for each in tree]
    if isinstance(tree, Mapping):
        return {key: _plain_copy(each) for key, each in tree.items()}
    return tree


def version(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written into; an inference tensor does not count."""
    try:
        return tensor._version
    except RuntimeError:
        return -1


class Recorder(TorchFunctionMode):
    """Notes every operation outside the leaves, and every call of a leaf.

    Parameters
    ----------
    names : mapping of id of a module to its name
        What the modules are called.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.events: list[Event] = []
        self.calls: list[LeafCall] = []
        self.reads: list[Read] = []
        self.failed: tuple[Any, tuple[int, ...]] | None = None
        """A leaf that raised, and the shape of what it received."""
        self.roots: dict[Event, list[torch.Tensor]] = {}
        self.within: set[int] = set()
        """Serials of what ran inside an operation that is noted as a whole: a function with a gradient of its own."""
        self._known: dict[int, tuple[torch.Tensor, Value]] = {}
        self._by_storage: dict[int, list[int]] = {}

    def enter(self, tensor: torch.Tensor) -> None:
        """Note the module's input."""
        event = self._event(name="input", place=Place("", 0), roots=INPUT)
        self.roots[event] = [tensor.detach().clone()]
        self._track(tensor, event, 0)

    def value(self, tensor: torch.Tensor) -> Value | None:
        """Return what a tensor is; None if it is made of neither the input nor a leaf's output."""
        found = self._known.get(id(tensor))
        return None if found is None else found[1]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if inside():
            return func(*args, **kwargs)
        return self.operate(func, _name(func), args, kwargs)

    @contextmanager
    def functions(self) -> Iterator[None]:
        """Note calls of ``autograd.Function.apply`` too, which no function mode sees, as a ``with`` block runs."""
        original = torch.autograd.Function.__dict__["apply"]

        def apply(function: Any, *args: Any, **kwargs: Any) -> Any:
            if inside():
                return original.__func__(function, *args, **kwargs)
            return self.operate(partial(original.__func__, function), function.__name__, args, kwargs)

        torch.autograd.Function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            torch.autograd.Function.apply = original  # type: ignore[method-assign]

    def operate(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation and note it, if it takes a tensor that is tracked."""
        tensors = list(tensors_in((args, kwargs)))
        tracked = [value for value in map(self.value, tensors) if value is not None]
        if not tracked or name in _FRESH:
            return func(*args, **kwargs)
        before = [version(tensor) for tensor in tensors]
        # A value is taken now: the operation may write into its argument.
        arguments = swapped((args, kwargs), lambda tensor: self.value(tensor) or tensor, torch.Tensor)
        calls_before, events_before = len(self.calls), len(self.events)
        result = func(*args, **kwargs)
        roots = 0
        for value in tracked:
            roots |= value.roots
        if name in _READS or (isinstance(result, bool | int | float | complex | str) and _tells(func, name)):
            self.reads.append(Read(name, here(self.names), roots, tuple(value.event for value in tracked)))
            return result
        if len(self.calls) > calls_before and any(self.value(tensor) for tensor in tensors_in(result)):
            return result  # a function around leaves, a checkpoint say: what ran in it is noted already
        self.within.update(range(events_before, len(self.events)))
        made = list(tensors_in(result))
        written = [i for i, tensor in enumerate(tensors) if version(tensor) != before[i]]
        if not written and tensors and before[0] < 0 and _writes(name):  # an inference tensor does not count
            written = [0]
        if not made and not written:
            return result
        event = self._event(
            name=name,
            place=here(self.names),
            roots=roots,
            function=func,
            arguments=arguments[0],
            keywords=arguments[1],
            written=written[0] if written else None,
        )
        for i in written:
            self._spoil(tensors[i], event)
            self._track(tensors[i], event, -1)
        for i, tensor in enumerate(made):
            if not any(tensor is tensors[j] for j in written):
                self._track(tensor, event, i)
        event.dtype = made[0].dtype if made else tensors[written[0]].dtype
        return result

    def leave(self, call: LeafCall, result: Any) -> None:
        """Note what a leaf returned."""
        number = len(self.calls)
        self.calls.append(call)
        event = self._event(name="leaf", place=call.place, roots=2 << number, call=number)
        self.roots[event] = list(tensors_in(call.output))
        for i, tensor in enumerate(tensors_in(result)):
            self._track(tensor, event, i)

    def call(self, part: nn.Module, role: Role, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run a leaf and note the call."""
        received = tuple(tensors_in(args))
        arrived = tuple(self.value(tensor) for tensor in received)
        kept = tuple(tensor.detach().clone() for tensor in received)
        reads = len(self.reads)
        refuse_autocast()
        if id(part) not in self.names and getattr(getattr(part, "neuron", part), "persistent_state", False):
            raise UnsupportedError(
                f"{here(self.names, but=part)}: a {type(part).__name__} that keeps its state is called, and no module "
                "holds it, so its state cannot be reset. Keep blocks in an nn.ModuleList."
            )
        try:
            result = run(*args)
        except Exception:
            self.failed = part, tuple(received[0].shape[1:-1]) if received else ()
            raise
        output = swapped(result, lambda tensor: tensor.detach().clone(), torch.Tensor)
        self.leave(LeafCall(part, role, here(self.names, but=part), arrived, kept, output, reads, run), result)
        return result

    def _event(self, **fields: Any) -> Event:
        event = Event(serial=len(self.events), **fields)
        self.events.append(event)
        return event

    def _track(self, tensor: torch.Tensor, event: Event, index: int) -> None:
        self._known[id(tensor)] = (tensor, Value(event, index, tuple(tensor.shape), tensor.dtype))
        self._by_storage.setdefault(_storage(tensor), []).append(id(tensor))

    def _spoil(self, tensor: torch.Tensor, event: Event) -> None:
        """Forget what other views of a tensor are that was written into, and what it is a view of."""
        base = tensor._base
        if base is not None and id(base) not in self._known:
            made = self._event(name=WRITE, place=event.place, roots=event.roots, function=_unknown, arguments=())
            made.arguments = (Value(event, -1, tuple(tensor.shape), tensor.dtype),)
            self._track(base, made, 0)
        for other in self._by_storage.get(_storage(tensor), ()):
            if other != id(tensor):
                view, value = self._known[other]
                roots = value.roots | event.roots
                spoilt = self._event(name=WRITE, place=event.place, roots=roots, function=_unknown, arguments=(value,))
                self._known[other] = (view, Value(spoilt, 0, value.shape, value.dtype))


def _tells(func: Any, name: str) -> bool:
    """Whether what a function returns, which is no tensor, is made of values."""
    about = name in _ABOUT or (name.startswith("is_") and name != "is_nonzero")
    return not about and getattr(func, "__name__", "") != "__get__"


def _writes(name: str) -> bool:
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


def _unknown(*_: Any) -> None:
    """Stand in for an operation whose effect nobody can follow."""


def _storage(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().data_ptr() or -id(tensor)
    except (RuntimeError, NotImplementedError):
        return -id(tensor)


def _name(func: Any) -> str:
    name: str = getattr(func, "__name__", type(func).__name__)
    return getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name
