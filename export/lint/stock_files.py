"""Rules about files that stock lava-dl wrote: what only the file shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.net import Net
from ..members import numbers, text
from .finding import Found, Row, Rules

RULES = Rules("stock file")


class StockFile(NamedTuple):
    """A file that can be read."""

    groups: list[tuple[str, h5py.Group]]
    """The groups of its layers, by their names."""
    net: Net
    """What was read of it."""


@RULES.add("cut-off", "warning", "numbers that are whole but for float32's rounding, which stock NetX cuts off")
def cut_off(file: StockFile) -> Iterator[Found]:
    """Find weights just beside a whole number."""
    for name, handle in file.groups:
        for field in ("weight", "weight/real", "weight/imag", "weight_rec", "bias"):
            values = _floats(handle, field)
            below = int((np.trunc(values) != np.round(values)).sum())
            if below:
                yield Found(
                    f"layer/{name}",
                    f"{below} of {values.size} values of {field} lie just below a whole number",
                    "a scale that is no power of two leaves 1.9999 of 2, and stock NetX cuts the fraction off",
                    "Train with a scale of 64 or another power of two, or round what is in the file",
                )


RULES.table(
    lambda file: [(f"layer/{name}", handle) for name, handle in file.groups],
    [
        Row(
            "ignored-field",
            "warning",
            "a field that stock NetX does not read, set to what matters",
            lambda handle: _first("neuron/wgtExp is {:g}", _floats(handle, "neuron/wgtExp"), 0),
            "all weights are to be multiplied by this power of two, and stock NetX does not read it",
            "Run the file with spikeproof, whose record holds it",
        ),
        Row(
            "no-neurons",
            "warning",
            "weighted sums without neurons, which stock NetX runs as an integrator",
            lambda handle: "it has synapses and no neurons" * (_kind(handle) == ("dense", False)),
            "SLAYER's Affine(dynamics=False) puts out sums of every step, and stock NetX builds integrators "
            "without leak there",
            "Run the file with spikeproof, or take the differences of the integrators' membranes from step to step",
        ),
        Row(
            "input-transform",
            "info",
            "an input layer with neurons, which stock NetX leaves to the user to drive",
            lambda handle: "its neurons take analog values" * (_kind(handle) == ("input", True)),
            "stock NetX connects no input to them, and applies no transform",
            "Feed multiples of 1/64: what transform.current(x) of stock.read(path) gives, or an encoder's values",
        ),
        Row(
            "input-decay",
            "warning",
            "an input layer whose current decays, past which stock NetX leads the input",
            lambda handle: (
                _first("its neurons' iDecay is {:g}, not 4096", _floats(handle, "neuron/iDecay"), 4096)
                if _kind(handle)[0] == "input"
                else ""
            ),
            "SLAYER feeds the input into the current; the bias that drives it in stock NetX goes into the membrane",
            "Train the input block with current_decay=1, or run the file with spikeproof",
        ),
    ],
)


@RULES.add("flatten-first", "warning", "a flattening before all layers, which stock NetX leaves out")
def flatten_first(file: StockFile) -> Iterator[Found]:
    """Find flattenings of the network's input."""
    for (_, before), (name, handle) in zip(file.groups, file.groups[1:], strict=False):
        first = text(before, "type") == "input" and "neuron" not in before.keys()
        if text(handle, "type") == "flatten" and first and "shape" in before.keys():
            shape = _floats(before, "shape")
            if (shape > 1).sum() > 1:
                yield Found(
                    f"layer/{name}",
                    f"images of {tuple(shape.astype(int).tolist())} are flattened before the first layer",
                    "stock NetX leaves that out, and images in Lava's order, (column, row, channel), arrive scrambled",
                    "Feed vectors in torch's order, (channel, row, column)",
                )


@RULES.add("start-of-bias", "warning", "a bias behind the first layer, whose first step the file does not say")
def start_of_bias(file: StockFile) -> Iterator[Found]:
    """Find biases that act at another time with ``delay_shift`` than without."""
    biased = [
        layer.name
        for layer in file.net.layers[1:]
        if np.any(getattr(layer.neuron, "bias_mant", getattr(layer.neuron, "bias", 0)))
    ]
    if biased:
        yield Found(
            biased[0],
            f"a bias on {len(biased)} layers behind the first",
            "with SLAYER's delay_shift, its default, it acts before the first spikes can arrive, else with them, and a "
            "file does not say which",
            "It is read as without: convert it with spikeproof export --delay-shift if the blocks had it",
        )


def _kind(handle: h5py.Group) -> tuple[str, bool]:
    """Return a layer's type, and whether it has neurons."""
    return text(handle, "type"), "neuron" in handle.keys()


def _first(words: str, values: npt.NDArray[Any], harmless: float) -> str:
    """Return words with the first of some values in them, unless all of them are harmless or there are none."""
    return words.format(values.flat[0]) if values.size and (values != harmless).any() else ""


def _floats(handle: h5py.Group, name: str) -> npt.NDArray[Any]:
    """Return a dataset of a readable file, or nothing where there is none."""
    group, _, field = name.rpartition("/")
    inside = handle.get(group) if group else handle
    if not isinstance(inside, h5py.Group) or not isinstance(inside.get(field), h5py.Dataset):
        return np.zeros(0)
    return np.atleast_1d(numbers(inside, field))
