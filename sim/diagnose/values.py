"""Known faults in what a layer holds: its record, decays, biases, thresholds, the kind of arithmetic.

To find the value that a fault put in place of another, a layer of copies of the neuron that differs is run, one copy
for each possible value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ...contract import real
from ...contract.errors import RecordError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ...contract.net import Net
from ...contract.neurons.celif import CELIF
from ...contract.neurons.cuba import CUBA
from ...contract.record import differences
from .. import reference
from ..trace import SPIKES
from .case import Case, Cause, Variables

_MOST = 16
"""So many of the values that fit one sample are tried on the others."""


def altered_record(case: Case, other: Net) -> Iterator[Cause]:
    """Test whether the layer follows another record, and name what differs in it."""
    wrong = replace(case, net=other)
    known = all(each.source in case.sent for each in other.incoming(case.index))
    if not known or not case.reproduced_by(wrong.expected):
        return
    prefix = f"layers[{case.index}]."
    edges = {f"edges[{k}].": edge for k, edge in enumerate(case.net.edges) if edge.target == case.layer.name}
    found = []
    for path, theirs, ours in differences(other, case.net):
        edge, _, rest = path.partition("].")
        if f"{edge}]." in edges:
            found.append((f"{rest} of edge {edges[f'{edge}].'].label}", ours, theirs))
        elif path.startswith((prefix, "te", "input")) or path == "edges":
            found.append((path.removeprefix(prefix), ours, theirs))
    if not found:
        return
    path, ours, theirs = found[0]
    if path == "edges":
        labels = [", ".join(edge.label for edge in edges) or "none" for edges in (ours, theirs)]
        yield Cause("changed edges", f"the edges are {labels[0]} in the file and {labels[1]} in the trained network")
        return
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    kinds = {
        "weight": "changed weight",
        "delay": "changed delay",
        "decay": "changed decay",
        "bias": "changed bias",
        "th_mant": "changed threshold",
    }
    name = next((name for word, name in kinds.items() if word in path), "changed record")
    name = "changed encoding" if path.startswith("te") else name
    yield Cause(name, f"{path} is {ours} in the file and {theirs} in the trained network{more}")


def floating_point(case: Case) -> Iterator[Cause]:
    """Test a run without the tag fixed_pt, for which Lava takes its floating-point neuron."""
    params = case.layer.neuron
    with np.errstate(all="ignore"):
        if params.unrounded:
            trace: Variables = reference.scan(params, case.sums, case.te, rules=real)
        elif isinstance(params, CUBA):
            trace = _lava_float_lif(case, params)
        else:
            return
        if case.reproduced_by(trace):
            yield Cause(
                "wrong run tag",
                "the neurons ran on Lava's floating-point model; select_tag='fixed_pt' was not in force",
            )


def _lava_float_lif(case: Case, params: CUBA) -> Variables:
    """Run Lava's floating-point LIF with the integers that the fixed-point one is given (lava.proc.lif.models)."""
    x = case.sums.astype(np.float64)
    trace = {key: np.empty_like(array) for key, array in case.found.items()}
    u, v = np.zeros_like(x[0]), np.zeros_like(x[0])
    for t in range(case.steps):
        u = u * (1.0 - (params.u_decay - 1)) + x[t]
        v = v * (1.0 - params.v_decay) + u + params.bias_mant
        spikes = v > params.v_th_mant
        v = np.where(spikes, 0.0, v)
        for key, values in ((SPIKES, spikes), ("u", u), ("v", v)):
            trace[key][..., t] = values.astype(np.int32)
    return trace


def changed_decay(case: Case) -> Iterator[Cause]:
    """Test another value of a decay, in one neuron or in the whole layer."""
    sample, _, neuron = case.where
    params = case.layer.neuron
    own = case.sums[:, sample, None, neuron :: params.num_neurons]  # complex neurons have two sums
    sums = np.repeat(own, DECAY_ONE + 1, axis=2)
    for name in (field.name for field in fields(params) if field.name.endswith("decay")):
        recorded = np.asarray(getattr(params, name), dtype=np.int64)
        if recorded.shape != (params.num_neurons,):
            continue
        values = np.arange(DECAY_ONE + 1)
        try:
            copies, te = case.copies(**{name: values})
        except RecordError:  # not all values go with the others
            continue
        fitting = case.matching(reference.scan(copies, sums, te))
        yield from _spread(case, name, recorded, fitting, "changed decay")


def changed_bias(case: Case) -> Iterator[Cause]:
    """Test another value of a bias, in one neuron or in the whole layer."""
    sample, step, neuron = case.where
    params: Any = case.layer.neuron
    if not params.charged or not hasattr(params, "bias_mant"):
        return
    register = "v"
    more = int(case.found[register][sample, neuron, step]) - int(case.expected[register][sample, neuron, step])
    exponent = getattr(params, "bias_exp", ACCUMULATOR_SHIFT)
    recorded = params.bias_mant.astype(np.int64)
    if step == 0 and more % (1 << exponent) == 0:
        yield from _spread(case, "bias_mant", recorded, [recorded[neuron] + (more >> exponent)], "changed bias")


def changed_threshold(case: Case) -> Iterator[Cause]:
    """Test another resting threshold, which the register of an adapting threshold tells."""
    params = case.layer.neuron
    if not isinstance(params, CELIF):
        return
    sample, step, neuron = case.where
    more = int(case.found["theta"][sample, neuron, step]) - int(case.expected["theta"][sample, neuron, step])
    value = params.v_th_mant + (more >> ACCUMULATOR_SHIFT)
    try:
        wrong = replace(params, v_th_mant=value)
    except RecordError:
        return
    if value != params.v_th_mant and case.reproduced_by(reference.scan(wrong, case.sums, case.te)):
        yield Cause("changed threshold", f"v_th_mant is {params.v_th_mant} in the record and {value} there")


def _spread(case: Case, name: str, recorded: Any, values: Any, cause: str) -> Iterator[Cause]:
    """Yield the values of one neuron's parameter that explain the layer: its own, the layer's, or a common change."""
    neuron = case.where[2]
    ways: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        (f"of neuron {neuron}", lambda value: np.where(np.arange(len(recorded)) == neuron, value, recorded)),
        ("of all neurons", lambda value: np.full_like(recorded, value)),
        (
            "of each neuron, changed by as much",
            lambda value: np.clip(recorded + value - recorded[neuron], 0, DECAY_ONE),
        ),
    )
    for words, spread in ways:
        fitting = []
        for value in values[:_MOST]:
            try:
                wrong = replace(case.layer.neuron, **{name: spread(value)})
            except RecordError:
                continue
            if value != recorded[neuron] and case.reproduced_by(reference.scan(wrong, case.sums, case.te)):
                fitting.append(int(value))
        if fitting:
            one = " or ".join(map(str, fitting)) if len(fitting) < 4 else f"{fitting[0]} or another of many values"
            yield Cause(cause, f"{name} {words}: neuron {neuron} has {recorded[neuron]} in the record and {one} there")
            return
