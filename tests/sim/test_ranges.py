"""Ranges of graphs: in every single step, nothing that runs leaves them, over edges, delays and around cycles."""

import dataclasses

import numpy as np
import pytest
from graphs import graph
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import network
from strategies import nets

import spikeproof
from spikeproof.contract import room
from spikeproof.contract.errors import InputError
from spikeproof.contract.fixed import STATE_MAX
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import reference
from spikeproof.sim.bounds import bounds, quick
from spikeproof.sim.ranges.assumptions import Assumptions
from spikeproof.sim.ranges.layer import SUM
from spikeproof.sim.ranges.run import Run
from spikeproof.sim.trace import SPIKES

FIRES_AT_ONCE = {"u_decay": 4096, "v_decay": 4096, "v_th_mant": 10}


def hardest(net, payload, seed):
    """Return a payload with all silent, all at either end, ends at random, and stretches of ends beside it."""
    random = np.random.default_rng(seed)
    low = np.concatenate([np.full(each.num_channels, -each.max_payload if each.bits else 0) for each in net.inputs])
    high = np.concatenate([np.full(each.num_channels, each.max_payload) for each in net.inputs])
    shape = (net.num_channels, net.steps)
    made = [np.broadcast_to(end[:, None], shape) for end in (0 * low, low, high)]
    for _ in range(3):
        made.append(np.where(random.random(shape) < 0.5, low[:, None], high[:, None]))
        stretch = np.sort(random.integers(0, net.steps + 1, 2))
        part = np.zeros(shape, int)
        part[:, slice(*stretch)] = np.where(random.random((shape[0], 1)) < 0.5, low[:, None], high[:, None])
        made.append(part)
    return np.concatenate([payload, *(one[None] for one in made)]).astype(np.int32)


def check_steps(net, payload, assumed=None):
    """Assert that a run is within the ranges of each single step, spikes too; return how many registers were held."""
    trace, run, held = reference.run(net, payload), Run(net, assumed or Assumptions()), 0
    sent = reference.senders(net, trace.layers, payload)
    for t in range(net.steps):
        run.advance(t)
        for source, what in run.sent.items():
            can = what.at(t, 0)
            assert (can.low <= sent[source][..., t]).all() and (sent[source][..., t] <= can.high).all(), (t, source)
        for index, ranges in enumerate(run.layers):
            for name, now in ranges.now.items():
                values = trace.layers[net.layers[index].name][name][..., t]
                inside = now.within(-STATE_MAX, STATE_MAX)
                # A register that was set when its neuron fired is nearer to 0 than what it was set from.
                fine = (np.minimum(now.low, 0) <= values) & (values <= np.maximum(now.high, 0))
                assert fine[:, inside].all(), (t, index, name)
                held += int(inside.sum())
    return held


def check_known(net, payload):
    """Assert that ranges of a known input are what the run does, wherever they hold one value."""
    trace, run, known = reference.run(net, payload[None]), Run(net, Assumptions(), payload), 0
    sent = reference.senders(net, trace.layers, payload[None])
    for t in range(net.steps):
        run.advance(t)
        for source, what in run.sent.items():
            can, did = what.at(t, 0), sent[source][0, :, t]
            exact = can.low == can.high
            assert np.array_equal(can.low[exact], did[exact]), (t, source)
            known += int(exact.sum())
    return known


@pytest.mark.parametrize("begin", range(0, 60, 20))
def test_no_input_leaves_the_ranges_of_any_graph_in_any_step(begin):
    for seed in range(begin, begin + 20):
        net, payload = graph(seed)
        assert check_steps(net, hardest(net, payload, seed)) > net.steps


@pytest.mark.slow
@pytest.mark.parametrize("begin", range(1000, 2000, 100))
def test_no_input_leaves_the_ranges_of_a_thousand_graphs(begin):
    for seed in range(begin, begin + 100):
        net, payload = graph(seed)
        check_steps(net, hardest(net, payload, seed))


@pytest.mark.parametrize("begin", range(0, 60, 20))
def test_ranges_of_a_known_input_are_what_the_graph_does(begin):
    """Where one input is given, ranges are as narrow as can be, so a delay that is one step off shows."""
    seen = 0
    for seed in range(begin, begin + 20):
        net, payload = graph(seed)
        seen += check_known(net, payload[0])
    assert seen > 10_000


@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_no_input_leaves_the_ranges_of_any_kind_in_any_step(name, conv):
    net = network(KINDS[name], conv=conv)
    payload = np.zeros((0, net.num_channels, net.steps), np.int32)
    assert check_steps(net, hardest(net, payload, 1)) > 0


@given(net=nets(), seed=st.integers(0, 2**16))
@settings(max_examples=40)
def test_no_input_leaves_the_ranges_of_any_chain_in_any_step(net, seed):
    check_steps(net, hardest(net, np.zeros((0, net.num_channels, net.steps), np.int32), seed))


def ring(weight=40, back=-30, delay=2, steps=40):
    """Two layers that feed each other, and a read-out that both inputs and the second layer reach."""
    return Net(
        inputs=(Input(num_channels=2), Input(num_channels=1, name="second")),
        layers=(
            Layer(name="a", synapse=Dense(weight=[[weight, 20]]), neuron=CUBA(num_neurons=1, **FIRES_AT_ONCE)),
            Layer(name="b", synapse=Dense(weight=[[60]]), neuron=CUBA(num_neurons=1, **FIRES_AT_ONCE)),
            Layer(name="out", synapse=Dense(weight=[[8]]), neuron=Readout(num_neurons=1)),
        ),
        edges=(
            Edge(source="b", target="a", synapse=Dense(weight=[[back]]), delay=delay),
            Edge(source="second", target="out", synapse=Dense(weight=[[100]]), delay=7),
        ),
        steps=steps,
    )


def test_cycles_edges_and_second_inputs_add_to_the_bounds():
    found = {(bound.layer, bound.register): bound for bound in bounds(ring()).found}
    assert (found["a", SUM].low, found["a", SUM].high) == (-30, 60)
    # Of 40 steps the first layers send in all, and 33 are left for what takes 7.
    assert (found["out", "v"].low, found["out", "v"].high) == (0, 40 * 8 + 33 * 100)
    late = {(bound.layer, bound.register): bound for bound in bounds(ring(delay=1000)).found}
    assert late["a", SUM].low == 0  # nothing comes back within a sample


def test_each_synapse_brings_what_was_sent_its_own_delay_before():
    layers = (
        Layer(
            name="a",
            synapse=Dense(weight=[[50, 10], [-20, 0]]),
            neuron=Readout(num_neurons=2),
            delay=[[0, 3], [5, 0]],
        ),
    )
    net = Net(inputs=(Input(num_channels=2),), layers=layers, steps=8)
    v = {bound.register: bound for bound in bounds(net).found}["v"]
    assert (v.low, v.high) == (3 * -20, 8 * 50 + 5 * 10)


def test_a_graph_settles_only_when_its_longest_delay_has_passed():
    seen = []
    layers = (Layer(name="a", synapse=Dense(weight=[[50]]), neuron=CUBA(num_neurons=1, **FIRES_AT_ONCE)),)
    edge = Edge(source="input", target="a", synapse=Dense(weight=[[30]]), delay=600)
    net = Net(inputs=(Input(num_channels=1),), layers=layers, edges=(edge,), steps=10**5)
    found = bounds(net, progress=lambda done, total: seen.append(done)).found
    assert found[0].high == 80 and found[0].step == 600 and len(seen) < 2000


def graded(weights=((100, 100),), exp=-3):
    layers = (Layer(name="a", synapse=Dense(weight=weights), neuron=Readout(num_neurons=len(weights), v_decay=4096)),)
    return Net(inputs=(Input(num_channels=2, bits=6, exp=exp),), layers=layers, steps=5)


def test_unit_input_is_an_assumption_that_samples_can_break():
    net = graded()
    of = {bound.register: bound for bound in bounds(net, unit_input=True).found}
    assert (of[SUM].low, of[SUM].high) == (0, 2 * 100 * 8)
    assert bounds(net).found[0].low == -2 * 100 * 63
    fine, bad = np.ones((3, 2, 5)), np.full((1, 2, 5), -0.5)
    assert bounds(net, unit_input=True, samples=fine).assumed == ("input values from 0 to 1 (true of 3 samples)",)
    with pytest.raises(InputError, match=r"values outside 0\.\.1 in 'input'"):
        bounds(net, unit_input=True, samples=bad)
    with pytest.raises(InputError, match="Sample 0 has 2 active channels of 'input' in step 0, and at most 1"):
        bounds(net, max_active=1, samples=fine)


def crowd(n=10):
    """Return a network with n neurons that fire together, and a read-out that adds their spikes."""
    layers = (
        Layer(name="a", synapse=Dense(weight=np.full((n, 1), 50)), neuron=CUBA(num_neurons=n, **FIRES_AT_ONCE)),
        Layer(name="b", synapse=Dense(weight=np.full((1, n), 4)), neuron=Readout(num_neurons=1, v_decay=4096)),
    )
    return Net(inputs=(Input(num_channels=1),), layers=layers, steps=6)


def test_spikes_of_a_layer_can_be_assumed_to_be_few():
    found = bounds(crowd(), max_spikes={"a": 3})
    assert {bound.register: bound.high for bound in found.found if bound.layer == "b"}[SUM] == 12
    assert found.assumed == ("at most 3 spikes a step in a",)
    silent = bounds(crowd(), max_spikes={"a": 0})
    assert {bound.register: bound.high for bound in silent.found if bound.layer == "b"}[SUM] == 0
    with pytest.raises(InputError, match="Sample 0 has 10 neurons of 'a' that fire in step 0, and at most 3"):
        bounds(crowd(), max_spikes={"a": 3}, samples=np.ones((1, 1, 6)))
    with pytest.raises(InputError, match="'b' is no layer that fires; those are a"):
        bounds(crowd(), max_spikes={"b": 3})
    with pytest.raises(InputError, match="give a whole number of spikes a step, from 0"):
        bounds(crowd(), max_spikes={"a": -1})


def test_few_spikes_of_several_steps_can_meet_over_delays():
    net = crowd()
    layers = (net.layers[0], dataclasses.replace(net.layers[1], delay=np.arange(10) % 2))
    late = dataclasses.replace(net, layers=layers)
    assert bounds(late, max_spikes={"a": 3}).found[-2].high == 24


@pytest.mark.parametrize("seed", range(30))
def test_runs_that_are_as_assumed_stay_within_the_ranges(seed):
    net, payload = graph(seed)
    trace = reference.run(net, payload)
    most = {
        layer.name: int(np.count_nonzero(trace.layers[layer.name][SPIKES], axis=1).max())
        for layer in net.layers
        if layer.neuron.fires
    }
    active = max(int(np.count_nonzero(payload[:, net.channels(k)], axis=1).max()) for k in range(len(net.inputs)))
    assumed = Assumptions(max_active=max(1, active), max_spikes=most)
    check_steps(net, payload, assumed)
    assert assumed.checked(net, payload.astype(float)) == "5 samples"


def test_few_active_inputs_of_a_convolution():
    synapse = Conv(weight=np.array([[[[10, -4], [6, 2]]]]), in_shape=(1, 4, 4))
    layers = (Layer(name="a", synapse=synapse, neuron=Readout(num_neurons=9, v_decay=4096)),)
    net = Net(inputs=(Input(num_channels=16),), layers=layers, steps=3)
    found = bounds(net, max_active=2).found[0]
    assert (found.low, found.high) == (-4, 16)


def test_how_long_bounds_take_counts_all_ways():
    net, _ = graph(3)
    assert quick(net) and not quick(dataclasses.replace(ring(), steps=10**8))


def test_a_verdict_on_a_graph_says_what_holds_for_every_input():
    net, payload = graph(3)
    verdict = spikeproof.verify(net, payload.astype(np.float32), backends=("engine", "reference"))
    assert verdict.bounds == bounds(net)


def test_what_is_known_to_come_later_is_waited_for():
    """Until its oscillator spikes, nothing moves in this network."""
    late = Phase(num_neurons=1, increment=[2**20], start=[6 * 2**20], length=[2**20])
    layer = Layer(name="a", synapse=Dense(weight=[[0, 30]]), neuron=Readout(num_neurons=1), cpg=late)
    net = Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=12)
    assert {bound.register: (bound.high, bound.step) for bound in bounds(net).found} == {SUM: (30, 6), "v": (30, 6)}


def test_a_sum_that_a_port_could_wrap_on_the_way_is_not_proven():
    """Two ways that cancel each other exactly can still each be more than their ports hold."""
    fires = {"u_decay": 4096, "v_decay": 4096, "v_th_mant": 0, "bias_mant": 1}
    n = 5000
    layers = (
        Layer(name="a", synapse=Dense(weight=np.zeros((n, 1))), neuron=CUBA(num_neurons=n, **fires)),
        Layer(
            name="b",
            synapse=Conv(weight=np.full((1, n, 1, 1), 254), in_shape=(n, 1, 1)),
            neuron=Readout(num_neurons=1, v_decay=4096),
        ),
    )
    cancel = Edge(source="a", target="b", synapse=Dense(weight=np.full((1, n), -254)))
    net = Net(inputs=(Input(num_channels=1),), layers=layers, edges=(cancel,), steps=3)
    (total,) = (bound for bound in bounds(net).found if (bound.layer, bound.register) == ("b", SUM))
    assert total.high == 254 * n and total.low == -254 * n  # what passes through, though 0 is what is left
    (v,) = (bound for bound in bounds(net).found if (bound.layer, bound.register) == ("b", "v"))
    assert v.largest == 0


def test_a_sum_that_a_port_wraps_can_be_anything_that_the_port_holds():
    big = CUBA(num_neurons=1, u_decay=4096, v_decay=4096, v_th_mant=10, graded=1)
    layers = (
        Layer(name="a", synapse=Dense(weight=[[254] * 9]), neuron=big),
        Layer(
            name="b",
            synapse=Conv(weight=np.full((1, 1, 1, 1), 254), in_shape=(1, 1, 1)),
            neuron=Readout(num_neurons=1, v_decay=4096),
        ),
    )
    net = Net(inputs=(Input(num_channels=9),), layers=layers, steps=10)
    payload = (np.arange(10) < np.arange(10)[:, None])[None, :9].astype(np.int32)
    assert reference.run(net, payload).layers["b"]["v"].min() < 0  # it wrapped
    check_steps(net, payload)
    (total,) = (bound for bound in bounds(net).found if (bound.layer, bound.register) == ("b", SUM))
    assert not total.proven and total.high == 64 * 254 * 9 * 254


def test_what_a_layer_may_be_sent_at_worst():
    x = room.worst_sums(graded(weights=((100, -60),)), 0)
    assert (x.low.tolist(), x.high.tolist()) == ([-160 * 63], [160 * 63])
    driven = Layer(
        name="a", synapse=Dense(weight=[[10, -4, 6]]), neuron=Readout(num_neurons=1), cpg=Phase.from_paper(2)
    )
    beside = room.worst_sums(Net(inputs=(Input(num_channels=1),), layers=(driven,), steps=5), 0)
    assert (beside.low.tolist(), beside.high.tolist()) == ([-4], [16])
