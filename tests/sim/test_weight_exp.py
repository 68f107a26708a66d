"""Weight exponents: ways whose payloads have different units add up exactly, the same on every backend."""

import dataclasses

import h5py
import numpy as np
import pytest
import strategies as some
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oracles import celif as oracle

from spikeproof import bounds
from spikeproof.contract import room
from spikeproof.contract.errors import FileFormatError, RecordError, UnsupportedError
from spikeproof.contract.fixed import WEIGHT_EXP_MAX
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.describe import describe
from spikeproof.export.drawing import drawing
from spikeproof.export.loihi2 import mapping
from spikeproof.export.netx import stock_forms
from spikeproof.export.netx.one_layer import one_layer
from spikeproof.export.nir import graph as nir
from spikeproof.export.nir.file import read as load_nir
from spikeproof.export.packing import pack
from spikeproof.sim import engine, reference
from spikeproof.sim.adjoint import Target, gradients
from spikeproof.sim.compare import compare
from spikeproof.sim.diagnose.diagnose import diagnose
from spikeproof.sim.lava import backend as lava_backend
from spikeproof.sim.verify.headroom import measure

PATHS = [{}, {"event_driven": True}, {"event_driven": False}, {"exact_float32": False}]


def analog(own, back, *, own_exp=0, back_exp=6, bits=8, a_shift=0, steps=8, **neuron):
    """A recurrent CE-LIF layer whose input has another unit than its spikes."""
    own, back = np.asarray(own), np.asarray(back)
    params = {"v_decay": 2048, "th_decay": 41, "v_th_mant": 19, "te_exp": 9} | neuron
    layer = Layer(
        name="celif1",
        synapse=Dense(weight=own, weight_exp=own_exp),
        neuron=CELIF(num_neurons=len(own), a_shift=a_shift, **params),
        feedback=Dense(weight=back, weight_exp=back_exp),
    )
    te = np.arange(steps * len(own)).reshape(steps, -1) % 255 - 127
    return Net(inputs=(Input(num_channels=own.shape[1], bits=bits, exp=-6),), layers=(layer,), steps=steps, te=te)


def busy(seed, *, steps=40, n=9, channels=3, back_exp=6):
    """One of these that fires now and then, and a payload of it."""
    random = np.random.default_rng(seed)
    weights = 2 * random.integers(-20, 40, (n, channels)), 2 * random.integers(-12, 12, (n, n))
    net = analog(*weights, back_exp=back_exp, steps=steps, v_th_mant=80)
    return net, random.integers(-60, 120, (4, channels, steps)).astype(np.int32)


def wrap32(x):
    return (x + 2**31) % 2**32 - 2**31


def by_hand(net, payload):
    """Every variable of the layer by an independent rule in Python's own integers."""
    layer, own, back = net.layers[0], net.layers[0].synapse, net.layers[0].feedback
    samples, n, steps = len(payload), layer.num_neurons, payload.shape[2]
    found = {name: np.zeros((samples, n, steps), np.int64) for name in ("s", "v", "h", "theta")}
    for sample in range(samples):
        sent, states = [0] * n, [dict.fromkeys("vhs", 0)] * n
        for t in range(steps):
            fired = []
            for i in range(n):
                given = sum(int(w) * int(p) for w, p in zip(own.weight[i], payload[sample, :, t], strict=True))
                came = sum(int(w) * s for w, s in zip(back.weight[i], sent, strict=True))
                x = wrap32(wrap32(given * 2**own.weight_exp) + wrap32(came * 2**back.weight_exp))
                p = layer.neuron
                of_one = {name: int(np.broadcast_to(getattr(p, name), n)[i]) for name in vars(p)}
                s, states[i] = oracle.step(type("P", (), of_one), states[i], x, int(net.te[t % len(net.te), i]))
                fired.append(s)
                for name, array in found.items():
                    array[sample, i, t] = states[i][name]
            sent = fired
    return found


def on_engine(net, payload, path):
    return engine.Session(net, len(payload), record="all", **path).feed(payload)


def assert_as_by_hand(net, payload):
    expected = by_hand(net, payload)
    for trace in (reference.run(net, payload), *(on_engine(net, payload, path) for path in PATHS)):
        for name, array in expected.items():
            assert np.array_equal(trace.layers["celif1"][name], array), (trace.backend, name)


exps = st.sampled_from((0, 1, 6, WEIGHT_EXP_MAX))


@st.composite
def problems(draw):
    n, channels, bits = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.sampled_from((1, 8, 23)))
    neuron = draw(some.params(CELIF, n))
    layer = Layer(
        name="celif1",
        synapse=Dense(weight=draw(some.weights(n, channels)), weight_exp=draw(exps)),
        neuron=dataclasses.replace(neuron, a_shift=draw(st.sampled_from((0, 1, 6, 10)))),
        feedback=Dense(weight=draw(some.weights(n, n)), weight_exp=draw(exps)),
    )
    te = draw(some.arrays(some.encodings, 3, n))
    net = Net(inputs=(Input(num_channels=channels, bits=bits, exp=-6),), layers=(layer,), steps=6, te=te)
    return net, draw(some.arrays(some.edged(1 - 2**bits, 2**bits - 1), 2, channels, 6)).astype(np.int32)


# The own sums are 2**31 - 2, the last even number of the port: what comes back takes them beyond its end.
FULL = analog([[254, 4]], [[254]], back_exp=WEIGHT_EXP_MAX, bits=23, a_shift=0, steps=4)
FULL_PAYLOAD = np.broadcast_to(np.array([[2**23 - 1], [4194367]], np.int32), (1, 2, 4)).copy()


@settings(max_examples=80)
@given(problem=problems())
@example(problem=(FULL, FULL_PAYLOAD))
def test_every_register_is_that_of_independent_integers(problem):
    assert_as_by_hand(*problem)


def test_the_port_wraps_where_what_comes_back_goes_past_its_end():
    s, v = (reference.run(FULL, FULL_PAYLOAD).layers["celif1"][name][0, 0] for name in "sv")
    assert s[0] and v[0] == 2**23 - 1 and v[1] == 1 - 2**23


@pytest.mark.parametrize("back_exp", [0, 1, 6, WEIGHT_EXP_MAX])
def test_what_comes_back_counts_in_its_own_unit(back_exp):
    net, payload = busy(back_exp, back_exp=back_exp)
    trace = reference.run(net, payload)
    assert 0.02 < trace.layers["celif1"]["s"].mean() < 0.9
    assert_as_by_hand(net, payload)
    other = dataclasses.replace(net.layers[0].feedback, weight_exp=(back_exp + 1) % 8)
    changed = dataclasses.replace(net, layers=(dataclasses.replace(net.layers[0], feedback=other),))
    assert not compare(trace, reference.run(changed, payload)).exact  # the exponent matters


def folded(net):
    """The same network with its exponents in the weights, which small ones allow."""

    def in_weights(synapse):
        return synapse if synapse is None or isinstance(synapse, Conv) else Dense(weight=synapse.worth)

    layers = [
        dataclasses.replace(each, synapse=in_weights(each.synapse), feedback=in_weights(each.feedback))
        for each in net.layers
    ]
    edges = tuple(dataclasses.replace(edge, synapse=in_weights(edge.synapse)) for edge in net.edges)
    return dataclasses.replace(net, layers=tuple(layers), edges=edges)


def several(seed=0, steps=30):
    """A graph in which own synapses, oscillators, feedback and edges of every sort have exponents."""
    random = np.random.default_rng(seed)
    cpg = Phase.from_paper(2)
    neuron = {"u_decay": 2048, "v_decay": 300, "v_th_mant": 90}

    def small(*shape):
        return 2 * random.integers(-7, 12, shape)

    return Net(
        inputs=(Input(num_channels=4),),
        layers=(
            Layer(name="a", synapse=Dense(weight=small(6, 6), weight_exp=2), neuron=CUBA(num_neurons=6, **neuron),
                  cpg=cpg, feedback=Dense(weight=small(6, 6), weight_exp=3)),
            Layer(name="b", synapse=Dense(weight=small(5, 6), weight_exp=1), neuron=CUBA(num_neurons=5, **neuron),
                  delay=random.integers(0, 4, (5, 6))),
            Layer(name="c", synapse=Dense(weight=small(2, 5), weight_exp=2), neuron=Readout(num_neurons=2)),
        ),
        edges=(
            Edge(source="b", target="a", synapse=Dense(weight=small(6, 5), weight_exp=2), delay=random.integers(2, 5, (6, 5))),
            Edge(source="a", target="c", synapse=Dense(weight=small(2, 6), weight_exp=3), delay=random.integers(0, 3, 6)),
        ),
        steps=steps,
    )  # fmt: skip


def spikes_for(net, seed=0, samples=3):
    random = np.random.default_rng(seed)
    return (random.random((samples, net.num_channels, net.steps)) < 0.4).astype(np.int32)


def test_an_exponent_is_as_weights_so_much_larger_wherever_a_network_is_read():
    net, payload = several(), spikes_for(several())
    plain = folded(net)
    assert net != plain and net.way_bounds(0) == plain.way_bounds(0)
    traces = [reference.run(each, payload) for each in (net, plain)]
    assert compare(*traces).exact and all(each["s"].any() for each in traces[0].layers.values() if "s" in each)
    for path in PATHS:
        assert compare(traces[1], on_engine(net, payload, path)).exact
    assert bounds(net).as_dict() == bounds(plain).as_dict()
    assert bounds(net, max_active=2).as_dict() == bounds(plain, max_active=2).as_dict()
    for i in range(3):
        assert np.array_equal(room.worst_sums(net, i), room.worst_sums(plain, i))
        assert np.array_equal(room.used_by(net, i), room.used_by(plain, i))
    of = np.arange(len(payload))
    assert measure(net, payload, traces[:1], of) == measure(plain, payload, traces[1:], of)
    targets = [Target(layer=2, register="v", neuron=0, step=net.steps - 1, sign=1)] * len(payload)
    growth = [gradients(each, payload, targets) for each in (net, plain)]
    assert growth[0].any() and np.array_equal(*growth)


def test_a_chip_holds_it_as_it_holds_the_others():
    """An exponent is one number for a whole connection: no core is needed for it."""
    net = several()
    without = dataclasses.replace(
        net,
        edges=tuple(dataclasses.replace(e, synapse=dataclasses.replace(e.synapse, weight_exp=0)) for e in net.edges),
    )
    assert str(mapping.place(net)) == str(mapping.place(without))


@pytest.mark.parametrize("exp", [-1, WEIGHT_EXP_MAX + 1, 1.5])
def test_other_exponents_are_refused(exp):
    with pytest.raises(RecordError, match=r"Dense weight_exp = .* 0\.\.7"):
        Dense(weight=[[2]], weight_exp=exp)


def test_a_description_and_a_drawing_say_it():
    net, _ = busy(0)
    own, back = describe(net)["layers"][0]["ways"]
    assert (own["weight_exp"], back["weight_exp"]) == (0, 6)
    assert "sums shifted by 6 bits" in "\n".join(drawing(describe(net)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problem=problems())
def test_a_netx_file_gives_back_the_record(tmp_path, problem):
    netx.write(problem[0], tmp_path / "a.net")
    assert netx.load(tmp_path / "a.net") == problem[0]


def test_a_netx_file_holds_exponents_that_are_not_0_and_keeps_stock_netx_away(tmp_path):
    path = tmp_path / "a.net"
    netx.write(several(), path)
    assert netx.load(path) == several()
    with h5py.File(path) as file:
        assert [int(file[name][()]) for name in ("layer/1/weightExp", "layer/1/weightRecExp", "edges/1/weightExp")] == [
            2,
            3,
            3,
        ]
        assert "+SHIFT" in file["layer/2/neuron/type"][0].decode()
    netx.write(folded(several()), path)
    with h5py.File(path) as file:
        names = []
        file.visit(names.append)
        assert not [name for name in names if "Exp" in name and name.startswith(("layer/1/w", "edges"))]
        assert "+SHIFT" not in file["layer/2/neuron/type"][0].decode()


def test_a_netx_file_with_a_wrong_exponent_is_refused_by_its_place(tmp_path):
    net, _ = busy(0)
    for change, words in (
        (lambda layer: layer.__setitem__("weightExp", 8), r"layer/1: Dense weight_exp = 8 is not"),
        (lambda layer: layer.__setitem__("weightExp", [1, 2]), r"weightExp is not one whole number"),
        (lambda layer: layer.__delitem__("weightRecExp"), r"neuron/type is 'CELIF\+SHIFT'"),
    ):
        netx.write(net, tmp_path / "a.net")
        with h5py.File(tmp_path / "a.net", "r+") as file:
            change(file["layer/1"])
        with pytest.raises(FileFormatError, match=words):
            netx.load(tmp_path / "a.net")


def test_stock_netx_refuses_by_name(tmp_path):
    neuron = CUBA(num_neurons=2, u_decay=2048, v_decay=300, v_th_mant=90)
    layer = Layer(name="a", synapse=Dense(weight=[[2, 4], [6, 8]], weight_exp=1), neuron=neuron)
    net = Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=5)
    with pytest.raises(UnsupportedError, match="a: its sums are shifted by a weight exponent, which stock NetX does"):
        stock_forms.require(net)
    assert "a weight exponent" in "\n".join(stock_forms.told(net, "a.net"))


def test_a_graph_for_stock_netx_has_the_exponents_in_its_weights(tmp_path):
    """One recurrent layer holds the sums of all ways; what does not fit its 8 bits is refused."""
    random = np.random.default_rng(0)
    neuron = CUBA(num_neurons=6, u_decay=2048, v_decay=300, v_th_mant=90)
    own, back, on = (2 * random.integers(-3, 4, shape) for shape in ((6, 4), (6, 6), (2, 6)))
    small = Net(
        inputs=(Input(num_channels=4),),
        layers=(
            Layer(name="a", synapse=Dense(weight=own, weight_exp=2), neuron=neuron, feedback=Dense(weight=back, weight_exp=3)),
            Layer(name="c", synapse=Dense(weight=on, weight_exp=1), neuron=Readout(num_neurons=2, a_shift=6)),
        ),
        edges=(Edge(source="a", target="a", synapse=Dense(weight=2 * np.eye(6), weight_exp=4), delay=1),),
        steps=9,
    )  # fmt: skip
    made = one_layer(small)
    assert np.array_equal(made.weight[:6], own << 2) and np.array_equal(made.weight_rec[6:, :6], on << 1)
    assert np.array_equal(made.weight_rec[:6, :6], (back << 3) + 32 * np.eye(6))
    large = dataclasses.replace(
        small, edges=(dataclasses.replace(small.edges[0], synapse=Dense(weight=254 * np.eye(6), weight_exp=4)),)
    )
    with pytest.raises(UnsupportedError, match=r"weights between layers\[0, 0\] = "):
        one_layer(large)


def test_a_wrong_weight_of_a_shifted_way_is_found():
    net, payload = busy(3)
    weight = net.layers[0].feedback.weight.copy()
    row, column = 2, int(np.argmax(reference.run(net, payload).layers["celif1"]["s"].sum((0, 2))))
    weight[row, column] += 20
    other = dataclasses.replace(net.layers[0], feedback=dataclasses.replace(net.layers[0].feedback, weight=weight))
    found = reference.run(dataclasses.replace(net, layers=(other,)), payload)
    good, found = reference.run(net, payload), dataclasses.replace(found, backend="faulty")
    first = compare(good, found).first
    words = str(diagnose(net, payload, good, found, first))
    assert f"synapse.weight[{row}, {column}]" in words and "feedback" in words, words


@pytest.mark.lava
@pytest.mark.parametrize("back_exp", [0, 6, WEIGHT_EXP_MAX])
def test_lava_runs_a_shifted_way_back(back_exp):
    net, payload = busy(back_exp, back_exp=back_exp)
    assert compare(reference.run(net, payload), lava_backend.run(net, payload, deadline=120)).exact


@pytest.mark.lava
def test_lava_wraps_where_the_port_does():
    assert compare(reference.run(FULL, FULL_PAYLOAD), lava_backend.run(FULL, FULL_PAYLOAD, deadline=120)).exact


@pytest.mark.lava
def test_lava_runs_exponents_of_all_sorts_of_ways():
    net = several()
    payload = spikes_for(net)
    assert compare(reference.run(net, payload), lava_backend.run(net, payload, deadline=120)).exact


def test_nir_has_weights_of_1_0_whatever_the_unit_of_their_sums(tmp_path):
    """A node's weights are in SLAYER's units: for a spike, the integer weight times the scale, with the exponent in."""
    net, _ = busy(0)
    made = nir.graph(net).nodes
    own, back = (made[f"celif1:{name}"].weight for name in ("synapse", "feedback"))
    assert np.array_equal(own, net.layers[0].synapse.weight / 64)
    assert np.array_equal(back, net.layers[0].feedback.weight / 64)
    nir.write(net, tmp_path / "a.nir")
    assert load_nir(tmp_path / "a.nir") == net
    plain = pack(net)["layers"]["0"]
    assert "weight_exp" not in plain["synapse"] and plain["feedback"]["weight_exp"] == 6
