"""What of a module runs on the host: operations in front of the network and behind it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from .place import Place
from .provenance import Event, values_in

_WORDS = {
    "sub": "subtract",
    "rsub": "subtract",
    "__sub__": "subtract",
    "mul": "multiply",
    "__mul__": "multiply",
    "div": "divide",
    "true_divide": "divide",
    "neg": "negate",
    "cat": "concatenate",
    "__getitem__": "index",
    "__setitem__": "write into a tensor",
}
"""Name of a torch function -> the word for it, where that is another one."""

_SILENT = {
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "clone", "detach", "to", "data"),
    *("float", "cpu", "cuda", "requires_grad_", "expand", "expand_as", "view_as", "reshape_as", "type", "type_as"),
}
"""Functions that only say how the same numbers are laid out."""


class Operation(NamedTuple):
    """Something that the host does."""

    words: str
    place: Place | None

    def __str__(self) -> str:
        return self.words if self.place is None or not self.place.file else f"{self.words} ({self.place})"


class Host(NamedTuple):
    """What runs on the host, and neither in the file nor on a chip."""

    before: tuple[Operation, ...] = ()
    """In front of the network, in the order in which it runs."""
    after: tuple[Operation, ...] = ()
    """Behind the network."""

    def __str__(self) -> str:
        if not self.before and not self.after:
            return "on the host: nothing; the network is all of module(x)"
        behind = "after it" if self.before else "after the network"
        sides = (("before the network", self.before), (behind, self.after))
        told = "; ".join(f"{where}: {listed(side)}" for where, side in sides if side)
        return f"on the host, not on the chip: {told}"

    def as_dict(self) -> dict[str, list[str]]:
        """Return plain values for JSON."""
        return {"before": [str(one) for one in self.before], "after": [str(one) for one in self.after]}


def listed(operations: Iterable[Operation]) -> str:
    """Return operations in one line."""
    return ", ".join(str(one) for one in operations)


def operations(events: Iterable[Event], modules: Mapping[str, nn.Module]) -> tuple[Operation, ...]:
    """Return what events do, each once a line of the user's code.

    Parameters
    ----------
    events : iterable of Event
        In the order in which they ran.
    modules : mapping of name to module
        The parts of the user's module.
    """
    found: dict[Operation, None] = {}
    for event in events:
        if event.is_root or (event.name in _SILENT and not _rounds(event)):
            continue
        found[Operation(word(event, modules), event.place._replace(module="", kind=""))] = None
    return tuple(found)


def _rounds(event: Event) -> bool:
    """Whether numbers are kept in a type that does not hold all that they were."""
    before = next((value.dtype for value in values_in((event.arguments, event.keywords))), None)
    return event.dtype != before and event.dtype not in (torch.float32, torch.float64)


def word(event: Event, modules: Mapping[str, nn.Module]) -> str:
    """Return what an event does, in a word or two."""
    module = modules.get(event.place.module)
    if event.place.kind and module is not None:
        return _of_module(module)
    return plain_word(event)


def plain_word(event: Event) -> str:
    """Return the word for an event's function."""
    name = event.name
    inplace = name[:-1] if name.endswith("_") and not name.endswith("__") else name
    bare = _WORDS.get(inplace, inplace).strip("_")
    over = event.keywords.get("dim", event.arguments[1] if len(event.arguments) > 1 else None)
    if bare in ("mean", "sum", "cumsum") and isinstance(over, int) and over == -1:
        return f"{bare} over time"
    if event.name in _SILENT and _rounds(event):
        return f"to {str(event.dtype).removeprefix('torch.')}"
    return bare


def _of_module(module: Any) -> str:
    name = type(module).__name__
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        return f"{name} {module.in_features} → {module.out_features}"
    return name
