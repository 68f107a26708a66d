"""Known faults in what a layer holds: weights, decays, biases, thresholds, the kind of arithmetic.

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
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ...contract.net import Net
from ...contract.neurons.celif import CELIF
from ...contract.neurons.cuba import CUBA
from ...contract.record import differences
from ...contract.synapses.dense import Dense
from .. import reference
from ..trace import SPIKES
from .case import Case, Cause, Variables

_MOST = 16
"""So many of the values that fit one sample are tried on the others."""


def altered_record(case: Case, other: Net) -> Iterator[Cause]:
    """Test whether the layer follows another record, and name what differs in it."""
    wrong = replace(case, net=other)
    if not case.reproduced_by(wrong.expected):
        return
    prefix = f"layers[{case.index}]."
    found = [
        (path.removeprefix(prefix), ours, theirs)
        for path, theirs, ours in differences(other, case.net)
        if path.startswith((prefix, "te", "input"))
    ]
    if not found:
        return
    path, ours, theirs = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    kinds = {
        "weight": "changed weight",
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


def clipped_weight(case: Case) -> Iterator[Cause]:
    """Test weights that were set to a limit: two of them at least, or one at an end of a range of 7 or 8 bits."""
    _, _, neuron = case.where
    if not isinstance(case.layer.synapse, Dense) or case.layer.neuron.sums != 1:
        return
    weight, params = case.layer.synapse.weight.astype(np.int64), case.layer.neuron
    limits = np.arange(1, -WEIGHT_MIN)
    seen: list[Any] = []
    for low, high, words in (
        (-limits, limits, "weights beyond -{0}..{0} were clipped"),
        (np.full_like(limits, WEIGHT_MIN), limits, "weights above {0} were clipped"),
        (-limits, np.full_like(limits, WEIGHT_MAX), "weights below -{0} were clipped"),
    ):
        rows = np.clip(weight[neuron], low[:, None], high[:, None])
        changing = np.flatnonzero((rows != weight[neuron]).any(1))
        if not len(changing):
            continue
        copies, te = case.copies(weight=rows[changing])
        sums = np.einsum("mj,jt->tm", rows[changing], case.inputs[case.where[0]])[:, None]
        for fits in case.matching(reference.scan(copies, sums, te))[:_MOST]:
            limit = int(limits[changing[fits]])
            clipped = np.clip(weight, low[limit - 1], high[limit - 1])
            count = int((clipped != weight).sum())
            at_an_end = limit in (2**7 - 2, 2**7 - 1, 2**7, 2**8 - 2, 2**8 - 1)
            sums = np.einsum("ij,sjt->tsi", clipped, case.inputs, optimize=True)
            if any(np.array_equal(clipped, one) for one in seen):
                continue
            seen.append(clipped)
            if (count > 1 or at_an_end) and case.reproduced_by(reference.scan(params, sums, case.te)):
                yield Cause("clipped weight", f"{words.format(limit)}, which changes {count} of the layer's weights")


def changed_weight(case: Case) -> Iterator[Cause]:
    """Test another value of one weight, which the register's difference in the first wrong step tells."""
    sample, step, neuron = case.where
    register, shift = case.layer.neuron.charged, getattr(case.layer.neuron, "a_shift", ACCUMULATOR_SHIFT)
    if not register or shift < 0 or not isinstance(case.layer.synapse, Dense):
        return
    wrong, right = (int(of[register][sample, neuron, step]) for of in (case.found, case.expected))
    more, rest = divmod(wrong - right, 1 << shift)
    arrived, row = case.inputs[sample].astype(np.int64), case.layer.synapse.weight[neuron].astype(np.int64)
    active = np.flatnonzero(arrived[:, step])
    active = active[more % arrived[active, step] == 0]
    change = more // arrived[active, step]
    value = row[active] + change
    fine = (value % WEIGHT_STEP == 0) & (value >= WEIGHT_MIN) & (value <= WEIGHT_MAX) & (change != 0)
    active, change, value = active[fine], change[fine], value[fine]
    if rest or not len(active):
        return
    copies, te = case.copies(weight=value)
    sums = case.sums[:, sample, neuron, None] + (change[:, None] * arrived[active]).T
    for fits in case.matching(reference.scan(copies, sums[:, None], te))[:_MOST]:
        source = active[fits]
        sums = case.sums.copy()
        sums[..., neuron] += change[fits] * case.inputs[:, source].T
        if case.reproduced_by(reference.scan(case.layer.neuron, sums, case.te)):
            words = f"synapse.weight[{neuron}, {source}] (from input {source}) is {row[source]} in the record"
            yield Cause("changed weight", f"{words} and {value[fits]} there")


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
