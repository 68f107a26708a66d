"""Two traces and two networks compared on the command line: what differs first, counts, exit codes."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.record_diff import diff
from spikeproof.sim import arrays, simulate


def chain(widths=(3, 4, 2)):
    neuron = {"u_decay": 2048, "v_decay": 300, "v_th_mant": 60}
    random = np.random.default_rng(1)
    return Net(
        inputs=(Input(num_channels=widths[0]),),
        layers=tuple(
            Layer(
                name=f"cuba{i}",
                synapse=Dense(weight=2 * random.integers(-20, 60, (n, m))),
                neuron=CUBA(num_neurons=n, **neuron),
            )
            for i, (m, n) in enumerate(itertools.pairwise(widths), 1)
        ),
        steps=12,
    )


@pytest.fixture
def files(tmp_path):
    """A trace in a file, and a function that writes another with some changes."""
    net = chain()
    x = np.random.default_rng(0).integers(0, 2, (5, 3, 12))
    found = arrays.arrays(simulate.simulate(net, x, backend="engine"))
    assert found["cuba2.s"].any()
    np.savez(tmp_path / "a.npz", **found)

    def other(**changes):
        np.savez(tmp_path / "b.npz", **{name: array.copy() for name, array in found.items()} | changes)
        return tmp_path / "a.npz", tmp_path / "b.npz"

    return found, other


def test_equal_traces(run, files):
    _, other = files
    code, out, _ = run("compare", *other())
    assert code == 0 and out.startswith("equal: ") and "spikes)" in out and "nothing fired" not in out
    assert json.loads(run("compare", *other(), "--json")[1])["same"] is True


@pytest.mark.parametrize("variable", ["cuba1.s", "cuba1.v", "cuba2.u", "cuba2.s"])
@pytest.mark.parametrize("place", [(0, 0, 0), (4, 1, 11), (2, 1, 5)])
def test_one_changed_entry_is_found_where_it_is(run, files, variable, place):
    found, other = files
    changed = found[variable].copy()
    changed[place] += 1
    sample, neuron, step = place

    code, out, _ = run("compare", *other(**{variable: changed}))

    layer, _, name = variable.partition(".")
    a, b = found[variable][place], changed[place]
    assert code == 1
    assert f"DIFFER, first in layer '{layer}', {name}, sample {sample}, step {step}, neuron {neuron}: {a} in " in out
    assert f", {b} in " in out
    plain = json.loads(run("compare", *other(**{variable: changed}), "--json")[1])
    (one,) = plain["unequal"]
    assert (one["differ"], one["compared"], one["a"], one["b"]) == (1, changed.size, a, b)


def test_the_first_of_several_is_the_earliest_of_the_first_layer(run, files):
    found, other = files
    changes = {name: found[name].copy() for name in ("cuba1.s", "cuba1.v", "cuba2.v")}
    changes["cuba2.v"][0, 0, 0] += 1
    changes["cuba1.s"][1, 2, 3] += 1
    changes["cuba1.v"][1, 2, 2] += 1
    code, out, _ = run("compare", *other(**changes))
    assert code == 1 and "first in layer 'cuba1', v, sample 1, step 2, neuron 2" in out.replace("\n", " ")


@pytest.mark.parametrize("seed", range(20))
def test_the_first_is_the_earliest_by_an_oracle(seed):
    """Of the first layer that differs: the earliest sample, in it the earliest step, in that the first neuron."""
    random = np.random.default_rng(seed)
    found = {f"{layer}.{v}": random.integers(0, 2, (3, 4, 5)) for layer in "ab" for v in "sv"}
    other = {name: np.where(random.random(array.shape) < 0.05, 1 - array, array) for name, array in found.items()}
    traces = [arrays.trace_of(of, name) for name, of in (("one", found), ("two", other))]

    first = arrays.differences(*traces).first

    places = [
        (layer, sample, step, neuron)
        for layer in "ab" for sample in range(3) for step in range(5) for neuron in range(4)
        if any(found[f"{layer}.{v}"][sample, neuron, step] != other[f"{layer}.{v}"][sample, neuron, step] for v in "sv")
    ]  # fmt: skip
    assert (None if first is None else (first.layer, first.sample, first.step, first.neuron)) == next(
        iter(places), None
    )


def test_traces_with_other_variables_differ_and_those_of_other_samples_are_refused(run, files, tmp_path):
    found, other = files
    a, b = other()
    np.savez(b, **{name: array for name, array in found.items() if name != "cuba2.v"})
    code, out, _ = run("compare", a, b)
    assert code == 1 and f"only in {a}: cuba2.v" in out and "equal: " in out
    for arrays_, words in (
        ({name: array[:2] for name, array in found.items()}, "Compare traces of the same network and samples"),
        ({"x": np.zeros((1, 2, 3))}, "x is no variable of a trace"),
        ({"cuba1.s": np.zeros((2, 3))}, "expected (samples, neurons, steps)"),
        ({"other.s": np.zeros((5, 4, 12))}, "have no variable in common"),
        ({"cuba1.s": np.zeros((5, 4, 12)), "cuba1.v": np.zeros((4, 4, 12))}, "different numbers of samples"),
        ({}, "it holds no arrays"),
    ):
        np.savez(b, **arrays_)
        code, out, err = run("compare", a, b)
        assert (code, out) == (2, "") and words in err.replace("\n", " "), err


def test_a_trace_in_which_nothing_fired_says_so(run, tmp_path):
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", **{"one.s": np.zeros((1, 2, 3), np.int32)})
    code, out, _ = run("compare", tmp_path / "a.npz", tmp_path / "b.npz")
    assert code == 0 and "nothing fired" in out


def test_networks_differ_by_layer_and_field(run, tmp_path):
    net = chain()
    weight = net.layers[1].synapse.weight.copy()
    weight[1, 2] += 2
    weight[0, 3] -= 4
    neuron = dataclasses.replace(net.layers[0].neuron, v_th_mant=61)
    layers = (
        dataclasses.replace(net.layers[0], neuron=neuron),
        dataclasses.replace(net.layers[1], synapse=Dense(weight=weight)),
    )
    netx.write(net, tmp_path / "a.net")
    netx.write(dataclasses.replace(net, layers=layers), tmp_path / "b.net")

    code, out, _ = run("diff", tmp_path / "a.net", tmp_path / "b.net")
    assert code == 1
    rows = {
        cells[0]: cells[1:]
        for cells in ([c.strip() for c in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│"))
    }
    assert rows["layer cuba1, neuron.v_th_mant"][:2] == ["1", "1"]
    assert rows["layer cuba1, neuron.v_th_mant"][-2:] == ["60", "61"]
    old = net.layers[1].synapse.weight[0, 3]
    assert rows["layer cuba2, synapse.weight"] == ["2", "8", "0, 3", str(old), str(old - 4)]
    assert run("diff", tmp_path / "a.net", tmp_path / "a.net")[:2] == (0, "the same network: no field differs\n")
    assert json.loads(run("diff", tmp_path / "a.net", tmp_path / "b.net", "--json")[1])["same"] is False


def test_networks_of_other_layers_are_told_by_their_names(run, tmp_path):
    netx.write(chain(), tmp_path / "a.net")
    netx.write(chain((3, 4, 2, 2)), tmp_path / "b.net")
    code, out, _ = run("diff", tmp_path / "a.net", tmp_path / "b.net")
    assert code == 1 and "layer cuba3" in out.splitlines()[0] and out.startswith("only in")


@pytest.mark.parametrize("seed", range(500, 520))
def test_a_diff_is_empty_exactly_for_equal_records(seed):
    a, b = graph(seed)[0], graph(seed + 1)[0]
    assert diff(a, graph(seed)[0]).same and diff(a, b).same == (a == b)
    if a.edges:
        weight = a.edges[-1].synapse.weight.copy()
        weight.flat[0] = 2 - weight.flat[0] if abs(weight.flat[0]) < 100 else 0
        synapse = dataclasses.replace(a.edges[-1].synapse, weight=weight)
        changed = dataclasses.replace(a, edges=(*a.edges[:-1], dataclasses.replace(a.edges[-1], synapse=synapse)))
        (field,) = diff(a, changed).fields
        assert field.where == f"edge {a.edges[-1].label}" and field.field == "synapse.weight" and field.differ == 1
    renamed = dataclasses.replace(a, steps=a.steps + 1)
    assert [(field.where, field.field) for field in diff(a, renamed).fields] == [("network", "steps")]


def test_inspect_has_totals_and_the_shapes_of_images(run, tmp_path):
    neuron = {"u_decay": 2048, "v_decay": 300, "v_th_mant": 60}
    conv = Conv(
        weight=np.full((2, 3, 2, 3), 4), in_shape=(3, 6, 6), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1
    )
    dense = Dense(weight=np.full((4, 40), 2))
    net = Net(
        inputs=(Input(num_channels=3 * 6 * 6),),
        layers=(
            Layer(name="image", synapse=conv, neuron=CUBA(num_neurons=2 * 5 * 4, **neuron)),
            Layer(name="class", synapse=dense, neuron=CUBA(num_neurons=4, **neuron)),
        ),
        steps=8,
    )
    netx.write(net, tmp_path / "a.net")

    code, out, err = run("inspect", tmp_path / "a.net")

    assert code == 0, err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert (
        rows[0][:2] == ["image", "CUBA"]
        and "2x5x4" in rows[0]
        and rows[-1] == ["in all", "", "", "44", "", "196", "", ""]
    )
    assert "input: 108 channels as 3x6x6, unary spikes" in out
    assert json.loads(run("inspect", tmp_path / "a.net", "--json")[1])["input"]["shape"] == [3, 6, 6]


def test_parallel_edges_are_told_one_by_one():
    net = chain()
    one = Edge(source="cuba1", target="cuba2", synapse=Dense(weight=np.full((2, 4), 2)), delay=1)
    other = dataclasses.replace(one, delay=2)
    twice, once = (dataclasses.replace(net, edges=edges) for edges in ((one, other), (one,)))

    found = diff(twice, once)

    assert not found.same and found.only_a == ("edge cuba1 -> cuba2",) and found.only_b == ()
    assert not diff(once, twice).same and diff(twice, twice).same
