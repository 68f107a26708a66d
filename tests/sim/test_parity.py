"""Comparing traces: exact, different somewhere, or proof of nothing."""

import dataclasses

import numpy as np
import pytest
from graphs import graph

from spikeproof.sim import reference
from spikeproof.sim.compare import compare, merge
from spikeproof.sim.trace import Trace


def trace(backend, **changes):
    """Two layers and a read-out over 2 samples of 4 steps; `changes` set layer_variable=((sample, neuron, step), value)."""
    random = np.random.default_rng(0)
    layers = {
        name: {key: random.integers(0, 2, (2, 3, 4)).astype(np.int32) for key in keys}
        for name, keys in (("a", "sv"), ("b", "sv"), ("out", "v"))
    }
    for place, (index, value) in changes.items():
        layer, variable = place.split("_")
        layers[layer][variable][index] = value
    return Trace(backend=backend, layers=layers)


def test_equal_traces_are_exact_and_counted():
    comparison = compare(trace("torch"), trace("lava"))

    assert comparison.exact and comparison.verdict == "exact"
    assert (comparison.spikes_compared, comparison.registers_compared) == (48, 72)
    assert comparison.outputs_compared == 6
    assert comparison.spikes_fired == sum(int(trace("x").layers[name]["s"].sum()) for name in "ab")
    assert "torch and lava are exact: 48 raster entries" in str(comparison)


@pytest.mark.parametrize("place", ["a_s", "a_v", "b_s", "b_v", "out_v"])
@pytest.mark.parametrize("index", [(0, 0, 0), (1, 2, 3), (0, 2, 3)])
def test_one_changed_entry_anywhere_is_found_and_named(place, index):
    comparison = compare(trace("torch"), trace("lava", **{place: (index, 9)}))

    layer, variable = place.split("_")
    first = comparison.first
    assert not comparison.exact and comparison.verdict == "mismatch"
    assert (first.layer, first.sample, first.neuron, first.step) == (layer, *index)
    assert first.variables == (variable,)
    assert first.registers["lava"][variable] == 9 != first.registers["torch"][variable]
    sample, neuron, step = index
    assert f"first in layer {layer!r}, sample {sample}, step {step}, neuron {neuron}: torch: " in str(comparison)


def test_the_first_layer_comes_before_the_first_step():
    comparison = compare(trace("torch"), trace("lava", a_v=((1, 0, 3), 9), b_v=((0, 0, 0), 9)))

    assert (comparison.first.layer, comparison.first.sample, comparison.first.step) == ("a", 1, 3)


def test_within_a_layer_the_first_step_of_the_first_sample_comes_first():
    comparison = compare(trace("torch"), trace("lava", a_v=((0, 0, 3), 9), a_s=((0, 2, 1), 9)))

    assert (comparison.first.step, comparison.first.neuron) == (1, 2)


CIRCLE = ((0,), (2, 1))
"""The read-out runs before the second layer, and both feed each other."""


@pytest.mark.parametrize(
    ("b", "out", "layer"),
    [
        ((1, 0, 3), (0, 0, 3), "out"),  # the earlier sample
        ((0, 0, 1), (0, 0, 2), "b"),  # the earlier step
        ((0, 0, 2), (0, 2, 2), "out"),  # what runs first
    ],
)
def test_in_a_circle_the_earliest_step_comes_first(b, out, layer):
    traces = trace("torch"), trace("lava", b_v=(b, 9), out_v=(out, 9))

    assert compare(*traces, CIRCLE).first.layer == layer
    assert compare(*traces).first.layer == "b"
    assert compare(*traces, ((0,), (2,), (1,))).first.layer == "out"
    assert compare(trace("torch"), trace("lava", a_v=((1, 2, 3), 9), b_v=(b, 9)), CIRCLE).first.layer == "a"


def test_parts_are_joined_in_the_order_in_which_layers_run():
    early = compare(trace("torch"), trace("lava", out_v=((1, 0, 3), 9)), CIRCLE)
    late = compare(trace("torch"), trace("lava", b_v=((0, 0, 0), 9)), CIRCLE)
    names = [np.array([0, 1]), np.array([2, 3])]

    first = merge([early, late], names, CIRCLE).first
    assert (first.layer, first.sample) == ("out", 1)
    assert merge([early, late], names).first.layer == "b"


def test_the_layer_that_went_wrong_in_a_circle_comes_first():
    """An edge of a circle delivers another weight: its target differs first, whichever layer that is."""
    seen = 0
    for seed in range(60):
        net, payload = graph(seed)
        good = reference.run(net, payload)
        for k, edge in enumerate(net.edges):
            at = net.index(edge.target)
            group = next(group for group in net.groups if at in group)
            if len(group) > 1:
                weight = np.where(edge.synapse.weight == 0, 2, -edge.synapse.weight)
                other = dataclasses.replace(edge, synapse=dataclasses.replace(edge.synapse, weight=weight))
                edges = (*net.edges[:k], other, *net.edges[k + 1 :])
                found = reference.run(dataclasses.replace(net, edges=edges), payload)
                first = compare(good, dataclasses.replace(found, backend="b"), net.groups).first
                assert first is None or first.layer == edge.target
                seen += first is not None and min(group) != at
    assert seen > 10


def test_silence_is_no_proof():
    silent = [trace(name) for name in ("torch", "lava")]
    for one in silent:
        for name in "ab":
            one.layers[name]["s"][:] = 0

    comparison = compare(*silent)

    assert not comparison.exact and comparison.verdict == "nothing fired"
    assert "NOTHING FIRED, so this proves nothing" in str(comparison)


def test_one_silent_layer_is_named():
    quiet = [trace(name) for name in ("torch", "lava")]
    for one in quiet:
        one.layers["b"]["s"][:] = 0

    assert compare(*quiet).exact and compare(*quiet).silent == ("b",)
    assert "no spike in b" in str(compare(*quiet))


def test_traces_that_do_not_match_are_not_compared():
    other = trace("lava")
    fewer = Trace(backend="lava", layers={name: other.layers[name] for name in ("a", "b")})
    short = Trace(backend="lava", layers={name: {k: v[:1] for k, v in of.items()} for name, of in other.layers.items()})
    partial = Trace(backend="lava", layers={**other.layers, "a": {"s": other.layers["a"]["s"]}})

    with pytest.raises(ValueError, match="different layers"):
        compare(trace("torch"), fewer)
    for wrong in (short, partial):
        with pytest.raises(ValueError, match="different variables or shapes"):
            compare(trace("torch"), wrong)
