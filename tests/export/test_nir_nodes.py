"""Every node of NIR 1.0.8 as other tools write it: the graph over the real numbers is what its equations say."""

import itertools

import nir
import numpy as np
import pytest
from nir_float import Graph

from spikeproof.contract.errors import FileFormatError, InputError, UnsupportedError
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.readout import Readout
from spikeproof.export import formats
from spikeproof.export.nir import file as nir_file
from spikeproof.export.nir.nodes import FIELDS, KINDS
from spikeproof.sim.verify.nir_gap import real_spikes
from spikeproof.sim.verify.verify import verify

DT = 1e-4
RANDOM = np.random.default_rng


def write(path, nodes, edges=None, metadata=None):
    """Write a graph; without edges, its nodes are in a row."""
    edges = edges or list(itertools.pairwise(nodes))
    nir.write(path, nir.NIRGraph(nodes=nodes, edges=edges, type_check=False, metadata=metadata or {}))
    return path


def entry(*shape):
    return nir.Input(input_type={"input": np.array(shape)})


def out(*shape):
    return nir.Output(output_type={"output": np.array(shape)})


def lif(*shape, random=None, **changes):
    """Neurons with a time constant and a gain each, if `random` draws them."""
    ones = np.ones(shape)
    fields = {"tau": 4e-4 * ones, "r": 4 * ones, "v_leak": 0 * ones, "v_threshold": ones, "v_reset": 0 * ones}
    if random is not None:
        fields |= {"tau": random.uniform(2e-4, 2e-3, shape), "r": random.uniform(2, 9, shape),
                   "v_leak": random.uniform(-0.1, 0.2, shape), "v_threshold": random.uniform(0.5, 1.5, shape)}  # fmt: skip
    return nir.LIF(**(fields | changes))


def cuba(*shape, random=None, **changes):
    ones = np.ones(shape)
    fields = {"tau_syn": 2e-4 * ones, "tau_mem": 4e-4 * ones, "r": 4 * ones, "v_leak": 0 * ones, "v_threshold": ones,
              "w_in": 2 * ones, "v_reset": 0 * ones}  # fmt: skip
    if random is not None:
        fields |= {"tau_syn": random.uniform(1e-4, 5e-4, shape), "v_leak": random.uniform(-0.1, 0.2, shape)}
    return nir.CubaLIF(**(fields | changes))


def linear(n_out, n_in, seed=0, gain=1.0):
    return nir.Linear(weight=gain * RANDOM(seed).normal(0.2, 0.8, (n_out, n_in)))


def affine(n_out, n_in, seed=0):
    return nir.Affine(weight=linear(n_out, n_in, seed).weight, bias=RANDOM(seed).normal(0.1, 0.3, n_out))


def conv(shape, seed=0, axes=2, **changes):
    fields = {"input_shape": None, "weight": RANDOM(seed).normal(0.1, 0.6, shape), "stride": 1, "padding": 0,
              "dilation": 1, "groups": 1, "bias": RANDOM(seed + 1).normal(0, 0.3, shape[0])} | changes  # fmt: skip
    if axes == 2:
        fields |= {key: (fields[key],) * 2 for key in ("stride", "padding", "dilation") if np.ndim(fields[key]) == 0
                   and not isinstance(fields[key], str)}  # fmt: skip
    made = (nir.Conv2d if axes == 2 else nir.Conv1d)(**(fields | {"input_shape": (9, 9) if axes == 2 else 9}))
    made.input_shape = np.array([], int) if axes == 2 else made.input_shape
    return made


def pool(kind, size, stride, padding=0):
    return kind(kernel_size=np.array([size] * 2), stride=np.array([stride] * 2), padding=np.array([padding] * 2))


def flat(*shape):
    return nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)


def delay(*steps):
    return nir.Delay(delay=np.array(steps) * DT)


def check(path, loops=None, *, steps=40, density=0.4, samples=2, dt=None):
    """Compare a file's equations, its real layers and its backends; return what was imported, and the verdict."""
    found = nir_file.read(path, steps=steps, dt=dt)
    x = (RANDOM(5).random((samples, found.net.num_channels, steps)) < density).astype(float)
    with nir_file.opened(path) as file:
        shapes = {name: node["shape"][()] for name, node in file["node/nodes"].items() if node["type"][()] == b"Input"}
    parts, begin = {}, 0
    for name, shape in shapes.items():
        n = int(np.prod(shape))
        parts[name] = x[:, begin : begin + n].reshape(samples, *shape, steps)
        begin += n
    outs, membranes = Graph(path, found.dt, loops).run(parts)
    real, output = real_spikes(found, x)
    spikes = 0
    for record, layer in zip(found.net.layers, found.layers, strict=True):
        if layer.fires and layer.name in outs:
            np.testing.assert_array_equal(real[record.name], outs[layer.name].reshape(samples, -1, steps), record.name)
            spikes += int(real[record.name].sum())
        elif record.name == found.net.answers[0]:
            total = membranes[layer.name][..., -1] if layer.name in membranes else outs[layer.name].sum(axis=-1)
            np.testing.assert_allclose(output, total.reshape(samples, -1), atol=1e-9)
    assert spikes, "nothing fired"
    verdict = verify(found, x, backends=("reference", "engine"))
    assert verdict.exact, verdict
    gap = verdict.float_gap.layers
    assert sum(layer.differ for layer in gap) <= 0.06 * sum(layer.entries for layer in gap), gap
    return found


IMAGE = (2, 9, 9)
CHAINS = {
    "scale": [entry(6), nir.Scale(scale=RANDOM(1).uniform(0.5, 2, 6)), linear(5, 6), lif(5)],
    "scale of images": [entry(*IMAGE), nir.Scale(scale=RANDOM(1).uniform(0.5, 2, IMAGE)), conv((3, 2, 3, 3)), lif(3, 7, 7)],
    "scale of channels": [entry(*IMAGE), nir.Scale(scale=np.array([0.5, 2.0]).reshape(2, 1, 1)), conv((4, 1, 3, 3), groups=2), lif(4, 7, 7)],
    "three linear in a row": [entry(6), linear(7, 6, gain=0.5), affine(4, 7), linear(5, 4, 2), lif(5, random=RANDOM(3))],
    "no linear at all": [entry(4), lif(4, r=8 * np.ones(4)), lif(4, r=9 * np.ones(4))],
    "affine into a current": [entry(6), affine(5, 6), cuba(5, random=RANDOM(2)), linear(3, 5), cuba(3)],
    "conv": [entry(*IMAGE), conv((4, 1, 3, 2), stride=(2, 1), padding=(1, 0), groups=2), lif(4, 5, 8)],
    "conv, dilated": [entry(*IMAGE), conv((3, 2, 3, 3), dilation=(2, 1), padding=(2, 1)), lif(3, 9, 9)],
    "same, odd": [entry(*IMAGE), conv((3, 2, 3, 5), padding="same"), lif(3, 9, 9)],
    "same, even": [entry(*IMAGE), conv((3, 2, 2, 4), padding="same"), lif(3, 9, 9)],
    "same, even and dilated": [entry(*IMAGE), conv((4, 1, 2, 4), padding="same", dilation=(3, 1), groups=2), lif(4, 9, 9)],
    "valid": [entry(*IMAGE), conv((3, 2, 3, 3), padding="valid"), lif(3, 7, 7)],
    "row": [entry(3, 9), conv((4, 3, 3), axes=1, stride=2, padding=1), lif(4, 5), flat(4, 5), linear(3, 20), lif(3)],
    "row, same, even": [entry(3, 9), conv((4, 3, 4), axes=1, padding="same"), lif(4, 9)],
    "sum pool": [entry(*IMAGE), pool(nir.SumPool2d, 3, 3), flat(2, 3, 3), linear(4, 18), lif(4)],
    "average, padded": [entry(*IMAGE), pool(nir.AvgPool2d, 3, 2, 1), flat(2, 5, 5), linear(4, 50), lif(4)],
    "average of averages": [entry(*IMAGE), pool(nir.AvgPool2d, 2, 1), pool(nir.AvgPool2d, 2, 2), conv((2, 2, 2, 2)), lif(2, 3, 3)],
    "pool before a padded conv": [entry(*IMAGE), pool(nir.SumPool2d, 3, 3), conv((3, 2, 3, 3), padding=1), lif(3, 3, 3)],
    "pool with a rest before a padded conv": [entry(*IMAGE), pool(nir.SumPool2d, 2, 2), conv((3, 2, 3, 3), padding=1), lif(3, 4, 4)],
    "overlapping pool before a padded conv": [entry(*IMAGE), pool(nir.SumPool2d, 3, 2), conv((3, 2, 3, 3), padding=1), lif(3, 4, 4)],
    "conv after conv": [entry(*IMAGE), conv((3, 2, 3, 3), stride=2), conv((2, 3, 2, 2), 4, dilation=2), lif(2, 2, 2)],
    "conv after a padded conv": [entry(*IMAGE), conv((2, 1, 3, 3), stride=2, padding=1, groups=2), conv((2, 2, 2, 2), 4), lif(2, 4, 4)],
    "conv, pool, conv": [entry(*IMAGE), conv((3, 2, 2, 2)), pool(nir.AvgPool2d, 2, 2), conv((2, 3, 2, 2), 4, stride=2), lif(2, 2, 2)],
    "a conv into a linear": [entry(*IMAGE), conv((3, 2, 3, 3)), flat(3, 7, 7), linear(4, 147, gain=0.2), lif(4)],
    "one parameter for all": [entry(*IMAGE), conv((3, 2, 3, 3)), lif(3, 7, 7, **{key: np.float64(value) for key, value in (("tau", 4e-4), ("r", 4.0), ("v_leak", 0.1), ("v_threshold", 1.0), ("v_reset", 0.0))})],
    "one a channel": [entry(*IMAGE), conv((3, 2, 3, 3)), lif(3, 1, 1, random=RANDOM(1))],
    "reset to rest": [entry(6), linear(5, 6), lif(5, v_reset=0.3 * np.ones(5), v_leak=0.3 * np.ones(5))],
    "reset below rest": [entry(6), linear(5, 6), cuba(5, v_reset=np.linspace(-0.5, 0.5, 5), v_leak=0.2 * np.ones(5))],
    "IF, reset": [entry(6), linear(5, 6), nir.IF(r=np.full(5, 3000.0), v_threshold=np.linspace(1, 3, 5), v_reset=np.full(5, 0.4))],
    "thresholds": [entry(6), linear(5, 6), nir.Threshold(threshold=np.full(5, 0.4)), linear(4, 5), nir.Threshold(threshold=np.array([-0.5, 0.0, 0.4, 0.9]))],
    "delays in a row": [entry(6), delay(1, 2, 3, 4, 5, 6), delay(2, 0, 2, 0, 2, 0), linear(5, 6), lif(5), delay(*[2] * 5), delay(0, 1, 2, 3, 4), linear(3, 5), lif(3)],
    "a delay before neurons": [entry(6), linear(5, 6), delay(0, 1, 2, 3, 9), lif(5), linear(3, 5), delay(4, 4, 4), lif(3)],
    "a delay between linears": [entry(6), linear(5, 6), delay(0, 1, 1, 3, 9), linear(4, 5), delay(1, 2, 3, 4), lif(4)],
    "a delay of pixels": [entry(*IMAGE), conv((2, 2, 3, 3), bias=np.zeros(2)), nir.Delay(delay=RANDOM(2).integers(0, 4, (2, 7, 7)) * DT), lif(2, 7, 7)],
    "LI at the end": [entry(6), linear(5, 6), lif(5), affine(3, 5), nir.LI(tau=RANDOM(1).uniform(2e-4, 2e-3, 3), r=np.full(3, 2.0), v_leak=np.full(3, 0.1))],
    "CubaLI at the end": [entry(6), linear(5, 6), lif(5), affine(3, 5), nir.CubaLI(tau_syn=np.full(3, 3e-4), tau_mem=np.full(3, 2e-3), r=np.full(3, 2.0), v_leak=np.full(3, 0.1), w_in=np.full(3, 1.5))],
    "I at the end": [entry(6), linear(5, 6), lif(5), affine(3, 5), nir.I(r=np.full(3, 2000.0))],
    "samples counted": [entry(1, 6), linear(5, 6), lif(5)],
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_a_row_of_nodes_is_what_its_equations_say(name, tmp_path):
    nodes = {f"n{i:02}": node for i, node in enumerate(CHAINS[name])} | {"output": out(1)}
    last = CHAINS[name][-1]
    shape = (3, 7, 7) if name in ("one parameter for all", "one a channel") else getattr(last, "r", np.ones(4)).shape
    nodes["output"] = out(*shape)
    check(write(tmp_path / "a.nir", nodes), density=0.2 if "pool" in name else 0.4)


def test_what_each_kind_of_node_becomes(tmp_path):
    for name, kind in (("LI at the end", LeakyIntegrator), ("CubaLI at the end", LeakyIntegrator), ("I at the end", Readout),
                       ("thresholds", CUBA)):  # fmt: skip
        nodes = {f"n{i:02}": node for i, node in enumerate(CHAINS[name])} | {"output": out(4 if kind is CUBA else 3)}
        assert type(nir_file.read(write(tmp_path / "a.nir", nodes)).net.layers[-1].neuron) is kind
    shapes = {"one pooled conv": "pool before a padded conv", "a matrix": "pool with a rest before a padded conv"}
    for what, name in shapes.items():
        nodes = {f"n{i:02}": node for i, node in enumerate(CHAINS[name])}
        net = nir_file.read(write(tmp_path / "a.nir", nodes | {"o": out(*nodes["n03"].r.shape)})).net
        assert net.layers[0].synapse.weight.ndim == (4 if what == "one pooled conv" else 2)
    known = {
        name
        for name in vars(nir.ir)
        if isinstance(getattr(nir.ir, name), type) and issubclass(getattr(nir.ir, name), nir.NIRNode)
    }
    assert known - {"NIRNode", "NIRGraph"} == set(KINDS) == set(FIELDS)  # no node of nir 1.0.8 is left out


def test_branches_skips_sums_and_several_heads(tmp_path):
    nodes = {
        "in": entry(6), "a1": linear(5, 6, 1), "a": lif(5), "b1": affine(4, 6, 2), "bd": delay(0, 0, 0, 0), "b": cuba(4), "c1": linear(3, 5, 3),
        "c2": linear(3, 4, 4), "cd": delay(3, 1, 2), "skip": linear(3, 6, 5), "c": lif(3), "o1": out(3), "d": linear(2, 4, 6),
        "li": nir.LI(np.full(2, 1e-3), np.ones(2), np.zeros(2)), "o2": out(2),
    }  # fmt: skip
    edges = [("in", "a1"), ("a1", "a"), ("in", "b1"), ("b1", "b"), ("a", "c1"), ("b", "c2"), ("c2", "cd"), ("cd", "c"),
             ("c1", "c"), ("in", "skip"), ("skip", "c"), ("c", "o1"), ("b", "d"), ("d", "li"), ("li", "o2")]  # fmt: skip
    del nodes["bd"]
    found = check(write(tmp_path / "a.nir", nodes, edges))
    assert found.net.answers == ("c", "li") and len(found.net.edges) == 3  # and one of the bias
    assert {layer.name for layer in found.net.layers} == {"a", "b.bias", "b", "c", "li"}


def test_two_inputs_and_two_ways_from_one(tmp_path):
    nodes = {"left": entry(4), "right": entry(3), "l": linear(5, 4), "r": linear(5, 3), "r2": linear(5, 3, 7), "l2": linear(5, 4, 8),
             "d": delay(2, 2, 2), "n": lif(5), "o": out(5)}  # fmt: skip
    edges = [("left", "l"), ("left", "l2"), ("right", "r"), ("right", "d"), ("d", "r2"), ("l", "n"), ("l2", "n"), ("r", "n"), ("r2", "n"), ("n", "o")]  # fmt: skip
    found = check(write(tmp_path / "a.nir", nodes, edges))
    assert [source.name for source in found.net.inputs] == ["left", "right"]
    assert len(found.net.edges) == 2  # the two of one source and one delay are one matrix


def recurrent(kind):
    """A recurrent layer in a graph of its own."""
    nodes = {"input": entry(5), "lif": kind(5), "rec": linear(5, 5, 3, 0.4), "output": out(5)}
    edges = [("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")]
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)


@pytest.mark.parametrize("kind", [lif, cuba])
def test_recurrence_nested_and_flat_are_one_network(kind, tmp_path):
    nodes = {
        "input": entry(6),
        "fc": linear(5, 6),
        "sub": recurrent(kind),
        "out": linear(2, 5, 4),
        "lo": lif(2),
        "output": out(2),
    }
    nested = check(write(tmp_path / "a.nir", nodes), {("sub.lif", "sub.rec"): 1})
    nodes = {
        "input": entry(6),
        "fc": linear(5, 6),
        "lif": kind(5),
        "out": linear(2, 5, 4),
        "lo": lif(2),
        "output": out(2),
        "rec": linear(5, 5, 3, 0.4),
    }
    edges = [*itertools.pairwise([name for name in nodes if name != "rec"]), ("lif", "rec"), ("rec", "lif")]
    plain = check(write(tmp_path / "b.nir", nodes, edges), {("lif", "rec"): 1})
    assert nested.net.layers[0].feedback is not None and nested.net.edges == ()
    assert [layer.synapse for layer in nested.net.layers] == [layer.synapse for layer in plain.net.layers]
    assert any("back to 'lif': it takes a step, as in every tool" in note for note in plain.notes)


def test_a_loop_over_two_layers_takes_as_many_steps_as_it_has_synapses(tmp_path):
    nodes = {
        "input": entry(6),
        "fc": linear(5, 6),
        "a": lif(5),
        "ab": linear(4, 5, 2),
        "b": lif(4),
        "ba": linear(5, 4, 3),
        "output": out(4),
    }
    edges = [*itertools.pairwise(["input", "fc", "a", "ab", "b", "output"]), ("b", "ba"), ("ba", "a")]
    found = check(write(tmp_path / "a.nir", nodes, edges), {("b", "ba"): 2})
    (edge,) = found.net.edges
    assert (edge.source, edge.target, int(edge.delay)) == ("b", "a", 2)
    assert any("it takes 2 steps more than it says; on Loihi every synapse" in note for note in found.notes)
    # What the graph delays itself is kept, and needs nothing more.
    edges = [edge for edge in edges if edge != ("b", "ba")] + [("b", "late"), ("late", "ba")]
    found = check(write(tmp_path / "b.nir", nodes | {"late": delay(3, 3, 3, 3)}, edges))
    assert int(found.net.edges[0].delay) == 3 and not any("steps more" in note for note in found.notes)
    # So is a delay on the way there, which leaves a step for the way back.
    there = [*itertools.pairwise(["input", "fc", "a", "early", "ab", "b", "output"]), ("b", "ba"), ("ba", "a")]
    found = check(write(tmp_path / "c.nir", nodes | {"early": delay(2, 2, 2, 2, 2)}, there), {("b", "ba"): 1})
    assert int(found.net.edges[0].delay) == 1


ONES = np.ones(5)
REFUSED = {
    "no delay too long": ([entry(6), delay(*[600] * 6), delay(*[600] * 6), linear(5, 6), lif(5)], "node 'n3': delays of 1200 steps in all on the way from 'n0'; a record holds up to 1023"),
    "one delay": ([entry(6), delay(*[1100] * 6), linear(5, 6), lif(5)], "node 'n1': delays of 1100 to 1100 steps"),
    "half a step": ([entry(6), nir.Delay(delay=np.full(6, 1.5e-4)), linear(5, 6), lif(5)], "node 'n1': delays of 1.5 to 1.5 steps of 0.0001 s"),
    "shapes": ([entry(*IMAGE), linear(5, 162), lif(5)], "node 'n1': weight takes 162 inputs in a row, and images of shape (2, 9, 9) arrive. Put a Flatten"),
    "widths": ([entry(6), linear(5, 7), lif(5)], "node 'n1': weight takes 7 inputs, and what arrives has the shape (6,)"),
    "parameters": ([entry(6), linear(5, 6), lif(4)], "node 'n2': r has 4 values of shape (4,) for 5 neurons"),
    "channels": ([entry(*IMAGE), conv((3, 2, 3, 3)), lif(3)], "One a channel has the shape (3, 1, 1)"),
    "groups": ([entry(*IMAGE), conv((3, 2, 3, 3), groups=2), lif(3, 7, 7)], "node 'n1': weight has shape (3, 2, 3, 3), which does not fit 2 channels in 2 groups"),
    "stride and same": ([entry(*IMAGE), conv((3, 2, 3, 3), padding="same", stride=2), lif(3, 9, 9)], "node 'n1': padding 'same' with a stride of (2, 2)"),
    "pool of rows": ([entry(6), pool(nir.SumPool2d, 2, 2), lif(3)], "node 'n1': a pooling of a shape (6,)"),
    "membranes": ([entry(6), linear(5, 6), nir.LI(1e-3 * ONES, ONES, 0 * ONES), nir.Threshold(threshold=ONES)], "node 'n2' puts out its membrane, and 'n3' takes it in"),
    "slow": ([entry(6), linear(5, 6), lif(5, tau=10 * ONES)], "node 'n2': its decay rounds to 0: a time constant of 10 s loses 1e-05 in a step of 0.0001 s"),
    "weak": ([entry(6), nir.Linear(weight=np.full((5, 6), 1e-9)), lif(5)], "node 'n1': all weights round to 0"),
    "strong": ([entry(6), nir.Linear(weight=np.full((5, 6), 250.0)), lif(5, v_threshold=1e-6 * ONES)], "node 'n2': its threshold of 1e-06 rounds to 0 beside weights"),
    "late answer": ([entry(6), linear(5, 6), lif(5), delay(*[70] * 5)], "node 'n2': its spikes leave the network 70 steps late; up to 63"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exact_is_refused_with_node_reason_and_fix(name, tmp_path):
    row, words = REFUSED[name]
    nodes = {f"n{i}": node for i, node in enumerate(row)} | {"output": out(5)}
    with pytest.raises((UnsupportedError, FileFormatError)) as found:
        nir_file.read(write(tmp_path / "a.nir", nodes))
    assert words in str(found.value), found.value


LOOSE = {
    "a loop of linear nodes": ({"a": linear(6, 6), "b": linear(6, 6), "n": lif(6)}, [("input", "a"), ("a", "b"), ("b", "a"), ("b", "n"), ("n", "output")], "leads back to itself without neurons on the way"),
    "a node from nowhere": ({"a": linear(6, 6), "n": lif(6), "x": linear(6, 6)}, [("input", "a"), ("a", "n"), ("n", "output"), ("x", "n")], "node 'x': nothing leads from the graph's input to it"),
    "a node to nowhere": ({"a": linear(6, 6), "n": lif(6), "x": linear(6, 6)}, [("input", "a"), ("a", "n"), ("n", "output"), ("n", "x")], "node 'x': nothing leads from it to the graph's output"),
    "an edge twice": ({"a": linear(6, 6), "n": lif(6)}, [("input", "a"), ("input", "a"), ("a", "n"), ("n", "output")], "the edge from 'input' to 'a' stands twice"),
    "sums of two shapes": ({"a": linear(6, 6), "b": linear(5, 6), "n": lif(6)}, [("input", "a"), ("input", "b"), ("a", "n"), ("b", "n"), ("n", "output")], "node 'n': 'a' brings it the shape (6,) and 'b' (5,), which cannot be added"),
    "an edge to nothing": ({"a": linear(6, 6), "n": lif(6)}, [("input", "a"), ("a", "m"), ("n", "output")], "'m' is no node; the nodes are a, input, n, output. No edge names"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOSE)
def test_edges_that_make_no_network_are_refused(name, tmp_path):
    nodes, edges, words = LOOSE[name]
    if name == "an edge to nothing":
        words, edges = words.removesuffix(" No edge names"), edges
    path = write(tmp_path / "a.nir", {"input": entry(6), "output": out(6)} | nodes, edges)
    with pytest.raises((UnsupportedError, FileFormatError)) as found:
        nir_file.read(path)
    assert words in str(found.value), found.value


def test_a_reset_by_subtraction_is_refused_with_what_it_costs(tmp_path):
    path = write(tmp_path / "a.nir", {"input": entry(6), "fc": linear(5, 6), "n": lif(5), "output": out(5)})
    import h5py

    with h5py.File(path, "r+") as file:
        file["node/nodes/n/reset_mechanism"] = "subtract"
    with pytest.raises(UnsupportedError, match=r"node 'n': reset_mechanism .* keeps what is left above the threshold"):
        formats.load(path)


# --- time steps and bits


def stepped(tmp_path, **metadata):
    nodes = {
        "input": entry(6),
        "fc": linear(5, 6),
        "n": lif(5, tau=np.full(5, 2e-2), r=np.full(5, 8.0)),
        "output": out(5),
    }
    return write(tmp_path / "a.nir", nodes, metadata=metadata)


def test_the_graphs_own_time_step_is_used_and_told(tmp_path):
    path = stepped(tmp_path, dt=2e-3)
    assert nir_file.read(path).dt == 2e-3 and "as the graph's metadata say" in nir_file.read(path).notes[0]
    other = nir_file.read(path, dt=1e-3)
    assert other.dt == 1e-3 and "metadata say a time step of 0.002 s" in other.notes[0]
    assert formats.load(path, dt=1e-3) == other.net
    with pytest.raises(FileFormatError, match=r"metadata/dt is -1.0, which is no time"):
        nir_file.read(stepped(tmp_path, dt=-1.0))


@pytest.mark.parametrize("dt", [0, -1e-4, float("nan"), float("inf")])
def test_a_time_step_that_is_none_is_refused(dt, tmp_path, run):
    path = stepped(tmp_path)
    with pytest.raises(InputError, match="give seconds above 0"):
        formats.load(path, dt=dt)
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 5)))
    for command in (
        ["inspect"],
        ["map"],
        ["prove"],
        ["verify"],
        ["simulate", "-i", tmp_path / "x.npy"],
        ["export", "-o", tmp_path / "b.net"],
    ):
        code, _, err = run(command[0], path, *command[1:], "--dt", str(dt))
        assert code == 2 and "give the seconds of a time step" in " ".join(err.split()), (command, err)


def test_every_command_reads_with_a_time_step_and_says_what_was_rounded(tmp_path, run):
    path = stepped(tmp_path)
    np.save(tmp_path / "x.npy", (RANDOM(0).random((2, 6, 30)) < 0.5).astype(float))
    common = ("--dt", "1e-3")
    for command in (
        ["inspect"],
        ["map"],
        ["prove", "--steps", "30"],
        ["simulate", "-i", tmp_path / "x.npy", "--backend", "engine"],
    ):
        code, out_, err = run(command[0], path, *command[1:], *common)
        told = " ".join((out_ + err).split())
        assert code in (0, 1) and "read with dt = 0.001 s" in told and "bits left: 7 of 7 of the weights" in told, (
            command,
            told,
        )
    code, out_, _ = run("inspect", path, *common, "--json")
    assert code == 0 and '"dt": 0.001' in out_ and '"weight_bits": 7' in out_
    assert run("export", path, "-o", tmp_path / "b.net", *common)[0] == 0
    code, _, err = run("inspect", tmp_path / "b.net", *common)
    assert code == 2 and "is for NIR files of other tools" in " ".join(err.split())
    formats.write(formats.load(path), tmp_path / "ours.nir")
    code, _, err = run("inspect", tmp_path / "ours.nir", *common)
    err = " ".join(err.split())
    assert code == 2 and "this one of ours holds integers" in err
    assert "not a readable" not in err and "Export the network again" not in err  # nothing is wrong with the file
    with pytest.raises(InputError, match="Leave it out"):
        formats.load(tmp_path / "ours.nir", dt=1e-3)


def test_a_shift_keeps_bits_where_weights_and_threshold_are_far_apart(tmp_path):
    def read(weight, threshold):
        nodes = {"input": entry(6), "fc": nir.Linear(weight=weight * RANDOM(0).uniform(0.5, 1, (5, 6))),
                 "n": lif(5, v_threshold=np.full(5, threshold)), "output": out(5)}  # fmt: skip
        found = nir_file.read(write(tmp_path / "a.nir", nodes))
        return found.rounding[0], found.net.layers[0].neuron, found

    plain, neuron, _ = read(0.5, 1.0)
    assert plain.shift == neuron.u_shift == 0 and neuron.stock
    weak, neuron, _ = read(1e-3, 1.0)
    assert weak.weight_bits == 7 and neuron.u_shift == weak.shift < 0 and neuron.v_th_mant >= 2**15
    strong, neuron, _ = read(50.0, 1.0)
    assert strong.threshold_bits >= 6 and neuron.u_shift == strong.shift > 0
    few, _, found = read(3000.0, 1.0)
    assert few.threshold_bits < 4 and any(
        "warning" in note and "bits are left of the threshold" in note for note in found.notes
    )
    few, _, found = read(3e-7, 1.0)
    assert few.weight_bits < 4 and any("bits are left of the weights" in note for note in found.notes)


@pytest.mark.parametrize("strong", [False, True])
def test_shifted_layers_fire_as_their_equations(strong, tmp_path):
    kind = lif(5) if strong else nir.IF(r=np.full(5, 8.0), v_threshold=np.ones(5), v_reset=np.zeros(5))
    nodes = {"input": entry(6), "fc": nir.Linear(weight=(20 if strong else 1) * RANDOM(0).uniform(-0.3, 1, (5, 6))),
             "n": kind, "output": out(5)}  # fmt: skip
    found = check(write(tmp_path / "a.nir", nodes), steps=200 if strong else 2000, density=0.9)
    assert (found.net.layers[0].neuron.u_shift > 0) is strong and found.net.layers[0].neuron.u_shift


def test_many_parallel_ways_cost_little_or_are_refused(tmp_path):
    """Forty pairs of ways in a row are a million million paths."""
    nodes, edges, before = {"input": entry(4)}, [], "input"
    for k in range(40):
        nodes |= {
            f"a{k}": nir.Scale(scale=np.full(4, 0.4)),
            f"b{k}": nir.Scale(scale=np.full(4, 0.6)),
            f"c{k}": nir.Scale(scale=np.ones(4)),
        }
        edges += [(before, f"a{k}"), (before, f"b{k}"), (f"a{k}", f"c{k}"), (f"b{k}", f"c{k}")]
        before = f"c{k}"
    nodes |= {"fc": linear(5, 4), "n": lif(5), "output": out(5)}
    edges += [(before, "fc"), ("fc", "n"), ("n", "output")]
    assert check(write(tmp_path / "a.nir", nodes, edges)).net.is_chain
    for k in range(40):
        nodes[f"a{k}"] = nir.Delay(delay=np.full(4, 2**k % 100 * DT))
    with pytest.raises(
        UnsupportedError, match="node 'c.*': what arrives comes by more than 256 different ways|delays of .* steps"
    ):
        nir_file.read(write(tmp_path / "b.nir", nodes, edges))
    row = (
        {"input": entry(4)}
        | {f"s{k}": nir.Scale(scale=np.ones(4)) for k in range(1200)}
        | {"n": lif(4), "output": out(4)}
    )
    with pytest.raises(UnsupportedError, match="too many linear nodes stand in a row"):
        nir_file.read(write(tmp_path / "c.nir", row))
