"""What single operations do to the numbers of elements, see `spikeproof.export.capture.shadow`: one rule a family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from .provenance import Event, Value, swapped, tensors_in, values_in

MOST_TERMS, MOST_ENTRIES = 1024, 2**24
"""Sums of more elements than this, or that take more memory than so many entries, are not followed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the elements of a tensor are made of."""

    numbers: tuple[torch.Tensor, ...]
    """One float64 tensor of the tensor's shape a term."""
    factors: tuple[torch.Tensor, ...]


MOVES = {
    *("__getitem__", "select", "narrow", "index_select", "take", "gather", "take_along_dim", "masked_select"),
    *("view", "reshape", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "view_as", "reshape_as"),
    *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "T", "mT", "H", "mH", "adjoint"),
    *("expand", "expand_as", "broadcast_to", "repeat", "repeat_interleave", "tile", "diagonal", "unfold"),
    *("flip", "fliplr", "flipud", "roll", "rot90", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"),
    *("chunk", "split", "split_with_sizes", "tensor_split", "unbind", "hsplit", "vsplit", "dsplit"),
    *("as_strided", "atleast_1d", "atleast_2d", "atleast_3d", "native_channel_shuffle"),
}
"""Functions that move data and compute nothing."""
_DELAYS = {"_delayFunctionNoGradient", "_delayFunction"}
"""SLAYER's own, which move whole steps: the delay is rounded down."""
_SAME = {
    *("contiguous", "clone", "detach", "detach_", "data", "requires_grad_", "alias", "positive", "real"),
    *("to", "float", "double", "int", "long", "short", "char", "half", "bfloat16", "type", "type_as"),
    *("cpu", "cuda", "resolve_conj", "resolve_neg", "conj"),
}
"""Functions that change how numbers are kept, if at all."""
_NARROW = 127
"""What every type of numbers holds, those of 8 bits among them."""
_JOINS = {"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"}
_ALIASES = {"__add__": "add", "__radd__": "add", "__iadd__": "add", "__sub__": "sub", "__isub__": "sub"} | {
    **{"subtract": "sub", "__rsub__": "rsub", "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul"},
    **{"multiply": "mul", "__truediv__": "div", "__itruediv__": "div", "divide": "div", "true_divide": "div"},
    **{"__neg__": "neg", "negative": "neg", "set_item": "__setitem__", "absolute": "abs"},
}


_ELEMENTWISE = {
    *("relu", "relu6", "clamp", "clip", "clamp_min", "clamp_max", "hardtanh", "leaky_relu", "prelu", "threshold"),
    *("ceil", "floor", "round", "trunc", "abs", "sign", "sgn", "square", "sqrt", "pow", "__pow__", "nan_to_num"),
    *("gt", "ge", "ne", "eq", "lt", "le", "__gt__", "__ge__", "__ne__", "__eq__", "__lt__", "__le__", "greater"),
    *("greater_equal", "not_equal", "bool", "to", "type", "logical_and", "logical_or", "minimum", "maximum"),
}
"""Functions of single elements: on spikes some are the identity, which [0, 1] shows."""


class ConstantError(ValueError):
    """Spikes are joined with a constant that is not 0."""


class Elements(NamedTuple):
    """The elements that terms are about."""

    values: torch.Tensor
    """What each was in the recorded run; 0 for number 0."""
    unary: torch.Tensor
    """Whether each only ever is 0 or 1."""


class Operation:
    """An event, with the shadows of its arguments."""

    def __init__(self, event: Event, arguments: Mapping[Value, Any], elements: Elements) -> None:
        name = _ALIASES.get(event.name, event.name)
        if name.endswith("_") and not name.endswith("__"):
            name = name[:-1]
        self.name = _ALIASES.get(name, name)
        self.event, self.elements = event, elements
        self.args = swapped(event.arguments, arguments.__getitem__, Value)
        self.keywords = swapped(dict(event.keywords), arguments.__getitem__, Value)
        self.terms: list[Terms] = list(arguments.values())
        self.donors = list(arguments)

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """Return an argument that may be given by its position or its name."""
        return self.args[position] if len(self.args) > position else self.keywords.get(name, default)

    def run_on(self, function: Any, terms: Terms) -> list[Terms] | None:
        """Run a function that takes one tracked tensor on the numbers and on the factors of each term."""
        if len(self.terms) != 1:
            return None
        found = []
        for numbers, factors in zip(terms.numbers, terms.factors, strict=True):
            found.append([self._run_with(function, of) for of in (numbers, factors)])
        outputs = len(found[0][0])
        return [Terms(tuple(n[i] for n, _ in found), tuple(f[i] for _, f in found)) for i in range(outputs)]

    def _run_with(self, function: Any, tensor: torch.Tensor) -> list[torch.Tensor]:
        args, keywords = swapped((self.args, self.keywords), lambda _: tensor, Terms)
        args, keywords = swapped((args, keywords), lambda each: each.cpu(), torch.Tensor)
        return list(tensors_in(function(*args, **keywords)))


def _moved(operation: Operation) -> list[Terms] | None:
    function = operation.event.function
    if operation.name == "view" and not isinstance(operation.argument(1, "dtype"), torch.dtype):
        function = torch.Tensor.reshape  # numbers need not lie in memory as the tensor does
    return operation.run_on(function, operation.terms[0])


def _shaped_as(operation: Operation) -> list[Terms] | None:
    terms, shape = operation.args[0], operation.donors[-1].shape
    if not isinstance(terms, Terms):
        return None
    change = torch.Tensor.expand if operation.name == "expand_as" else torch.Tensor.reshape
    return [Terms(*(tuple(change(each, shape) for each in part) for part in (terms.numbers, terms.factors)))]


def _same(operation: Operation) -> list[Terms] | None:
    """Return what is kept as it is: whole in float32 and float64, and in other types if it is few spikes."""
    kept, before = operation.event.dtype, operation.donors[0].dtype
    if kept == torch.bool:
        return elementwise(operation)
    terms = operation.terms[0]
    if kept in (torch.float32, torch.float64) or kept == before:
        return [terms]
    most = sum(factor.abs() * (numbers > 0) for numbers, factor in zip(terms.numbers, terms.factors, strict=True))
    whole = all(bool((factor == factor.round()).all()) for factor in terms.factors)
    unary = all(bool(operation.elements.unary[numbers.long()].all()) for numbers in terms.numbers)
    negative = any(bool((factor < 0).any()) for factor in terms.factors) and kept == torch.uint8
    fits = isinstance(most, torch.Tensor) and bool((most <= _NARROW).all())
    return [terms] if whole and unary and fits and not negative else None


def _padded(operation: Operation) -> list[Terms] | None:
    mode, value = operation.argument(2, "mode", "constant"), operation.argument(3, "value")
    return None if mode == "constant" and value else operation.run_on(operation.event.function, operation.terms[0])


def _interpolated(operation: Operation) -> list[Terms] | None:
    nearest = str(operation.argument(3, "mode", "nearest")).startswith("nearest")
    return operation.run_on(operation.event.function, operation.terms[0]) if nearest else None


def _left_alone(operation: Operation) -> list[Terms] | None:
    """Dropout in evaluation."""
    training = operation.argument(2, "training", operation.argument(2, "train", True))
    return None if training else [operation.terms[0]]


def _joined(operation: Operation) -> list[Terms] | None:
    members = operation.argument(0, "tensors")
    if not isinstance(members, tuple | list):
        return None
    counts = [len(member.numbers) if isinstance(member, Terms) else 0 for member in members]
    made: list[list[torch.Tensor]] = [[], []]
    rest = operation.args[1:]
    keywords = {key: value for key, value in operation.keywords.items() if key != "tensors"}
    for i in range(max(counts)):
        for part in (0, 1):
            pieces = []
            for member in members:
                known = isinstance(member, Terms) and i < len(member.numbers)
                pieces.append((member.numbers, member.factors)[part][i] if known else _nothing(member))
            made[part].append(operation.event.function(pieces, *rest, **keywords))  # type: ignore[misc]
    return [Terms(tuple(made[0]), tuple(made[1]))]


def _nothing(constant: Any) -> torch.Tensor:
    """Return the numbers of a tensor that holds only zeros; another is refused."""
    if isinstance(constant, Terms):
        return torch.zeros_like(constant.numbers[0])
    if torch.count_nonzero(constant):
        raise ConstantError("a constant that is not 0")
    return torch.zeros(constant.shape, dtype=torch.float64)


def _sum_of_two(operation: Operation) -> list[Terms] | None:
    left, right = operation.argument(0, "input"), operation.argument(1, "other")
    alpha = operation.argument(2, "alpha", 1)
    signs = {"add": (1, alpha), "sub": (1, -alpha), "rsub": (-alpha, 1)}[operation.name]
    numbers: list[torch.Tensor] = []
    factors: list[torch.Tensor] = []
    shape = _common_shape(left, right)
    for side, sign in ((left, signs[0]), (right, signs[1])):
        if isinstance(side, Terms):
            numbers += [each.expand(shape) for each in side.numbers]
            factors += [(each * sign).expand(shape) for each in side.factors]
        else:
            _nothing(torch.as_tensor(side))
    return [Terms(tuple(numbers), tuple(factors))]


def _common_shape(*sides: Any) -> torch.Size:
    shapes = (side.numbers[0].shape if isinstance(side, Terms) else torch.as_tensor(side).shape for side in sides)
    return torch.Size(np.broadcast_shapes(*(tuple(shape) for shape in shapes)))


def _negated(operation: Operation) -> list[Terms] | None:
    terms = operation.terms[0]
    return [Terms(terms.numbers, tuple(-factor for factor in terms.factors))]


def _scaled(operation: Operation) -> list[Terms] | None:
    left, right = operation.argument(0, "input"), operation.argument(1, "other")
    if operation.keywords.get("rounding_mode") is not None:
        return None
    terms, constant = (left, right) if isinstance(left, Terms) else (right, left)
    if isinstance(constant, Terms) or (operation.name == "div" and terms is right):
        return None
    number = torch.as_tensor(constant).detach().cpu().to(torch.float64)
    number = 1 / number if operation.name == "div" else number
    shape = _common_shape(terms, number)
    factors = tuple((factor * number).expand(shape) for factor in terms.factors)
    return [Terms(tuple(each.expand(shape) for each in terms.numbers), factors)]


def _summed(operation: Operation) -> list[Terms] | None:
    terms = operation.terms[0]
    ndim = terms.numbers[0].ndim
    dims = operation.argument(1, "dim", operation.argument(1, "axis"))
    dims = range(ndim) if dims is None else (dims,) if isinstance(dims, int) else dims
    keep = bool(operation.argument(2, "keepdim", operation.keywords.get("keepdims", False)))
    over = sorted({dim % ndim for dim in dims})
    count = 1
    for dim in over:
        count *= terms.numbers[0].shape[dim]
    entries = len(terms.numbers) * terms.numbers[0].numel()
    if not 0 < count * len(terms.numbers) <= MOST_TERMS or entries > MOST_ENTRIES:
        return None
    made: list[list[torch.Tensor]] = [[], []]
    for out, parts in zip(made, (terms.numbers, terms.factors), strict=True):
        for part in parts:
            front = part.movedim(over, list(range(len(over)))).flatten(0, len(over) - 1)
            for each in front.unbind(0):
                for dim in over if keep else ():
                    each = each.unsqueeze(dim)
                out.append(each / count if operation.name == "mean" and out is made[1] else each)
    return [Terms(tuple(made[0]), tuple(made[1]))]


def _averaged(operation: Operation) -> list[Terms] | None:
    """Average pooling without padding: each window's elements, over how many they are."""
    terms, axes = operation.terms[0], int(operation.name[-2])
    ndim = terms.numbers[0].ndim

    def along(value: Any) -> tuple[int, ...]:
        return (value,) * axes if isinstance(value, int) else tuple(value)

    sizes = along(operation.argument(1, "kernel_size"))
    strides = along(operation.argument(2, "stride") or sizes)
    padded = any(along(operation.argument(3, "padding", 0)))
    rounded_up = bool(operation.argument(4, "ceil_mode", False))
    count = math.prod(sizes)
    if padded or rounded_up or ndim < axes or operation.argument(6, "divisor_override") not in (None, count):
        return None
    if count * len(terms.numbers) > MOST_TERMS:
        return None
    made: list[list[torch.Tensor]] = [[], []]
    for out, parts, divisor in zip(made, (terms.numbers, terms.factors), (1, count), strict=True):
        for part in parts:
            for axis, size, stride in zip(range(ndim - axes, ndim), sizes, strides, strict=True):
                part = part.unfold(axis, size, stride)
            out += [each / divisor for each in part.flatten(ndim).unbind(-1)]
    return [Terms(tuple(made[0]), tuple(made[1]))]


def _written(operation: Operation) -> list[Terms] | None:
    """Elements of a tensor replaced by those of another: ``out[index] = source`` and ``out.copy_(source)``."""
    target, source = operation.args[0], operation.args[-1]
    index = operation.args[1] if operation.name == "__setitem__" else ...
    base = target if isinstance(target, Terms) else Terms((_zeros(target),), (_zeros(target),))
    new = source
    if not isinstance(new, Terms):
        zero = _nothing(torch.as_tensor(source))
        new = Terms((zero,), (zero,))
    if list(values_in(index)) or any(isinstance(each, Terms) for each in _flat(index)):
        return None
    count = max(len(base.numbers), len(new.numbers))
    made = []
    for old, fresh in ((base.numbers, new.numbers), (base.factors, new.factors)):
        parts = []
        for i in range(count):
            part = old[i].clone() if i < len(old) else torch.zeros_like(old[0])
            part[index] = fresh[i] if i < len(fresh) else 0.0
            parts.append(part)
        made.append(tuple(parts))
    return [Terms(made[0], made[1])]


def _zeros(target: torch.Tensor) -> torch.Tensor:
    # What it held before is not known any more; a run with other spikes shows whether that was something.
    return torch.zeros(target.shape, dtype=torch.float64)


def _flat(tree: Any) -> list[Any]:
    return [leaf for each in tree for leaf in _flat(each)] if isinstance(tree, tuple | list) else [tree]


def _chosen(operation: Operation) -> list[Terms] | None:
    """``torch.where`` and ``masked_fill`` by a condition that is a constant."""
    if operation.name == "where" and isinstance(operation.args[0], Terms):  # as a method of what is chosen from
        left, condition, right = operation.args
    elif operation.name == "where":
        condition, left, right = operation.args
    else:
        (right, condition, left) = (operation.args[0], operation.argument(1, "mask"), operation.argument(2, "value"))
    if isinstance(condition, Terms):
        return None
    shape = _common_shape(condition, left, right)
    count = max(len(side.numbers) for side in (left, right) if isinstance(side, Terms))
    made = []
    for part in ("numbers", "factors"):
        sides = []
        for side in (left, right):
            zero = _nothing(side if isinstance(side, Terms) else torch.as_tensor(side))
            terms = getattr(side, part) if isinstance(side, Terms) else ()
            sides.append([each.expand(shape) for each in (*terms, *[zero] * (count - len(terms)))])
        made.append(tuple(torch.where(condition.cpu().expand(shape), a, b) for a, b in zip(*sides, strict=True)))
    return [Terms(made[0], made[1])]


def elementwise(operation: Operation) -> list[Terms] | None:
    """Return the terms of what is the identity on spikes: it makes 0 of 0 and 1 of 1, and there is nothing else."""
    terms = operation.terms[0]
    if operation.name not in _ELEMENTWISE or len(operation.terms) != 1 or len(terms.numbers) != 1:
        return None
    numbers, factors = terms.numbers[0].long(), terms.factors[0]
    if not bool(operation.elements.unary[numbers].all()) or not bool(((factors == 1) | (numbers == 0)).all()):
        return None
    truth = torch.tensor([0.0, 1.0])
    others = swapped((operation.args, operation.keywords), lambda _: None, Terms)
    if any(tensor.numel() != 1 for tensor in tensors_in(others)):
        return None
    args, keywords = swapped((operation.args, operation.keywords), lambda _: truth.clone(), Terms)
    made = operation.event.function(*args, **keywords)  # type: ignore[misc]
    same = isinstance(made, torch.Tensor) and made.shape == (2,) and torch.equal(made.to(torch.float32), truth)
    return [terms] if same else None


RULES: dict[str, Callable[[Operation], list[Terms] | None]] = {
    **dict.fromkeys((*MOVES, *_DELAYS), _moved),
    **dict.fromkeys(("view_as", "reshape_as", "expand_as"), _shaped_as),
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_JOINS, _joined),
    **dict.fromkeys(("add", "sub", "rsub"), _sum_of_two),
    **dict.fromkeys(("mul", "div"), _scaled),
    **dict.fromkeys(("sum", "mean"), _summed),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _averaged),
    **dict.fromkeys(
        ("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout"), _left_alone
    ),
    **dict.fromkeys(("interpolate", "upsample", "upsample_nearest"), _interpolated),
    **dict.fromkeys(("__setitem__", "copy"), _written),
    **dict.fromkeys(("where", "masked_fill"), _chosen),
    "neg": _negated,
    "pad": _padded,
}
"""Name of a function -> what it makes of terms; None if it is not linear, or not followed."""
