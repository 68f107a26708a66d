"""Bounds for every input: nothing that runs passes them, and what they prove is so."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import example, network, payload
from strategies import nets

import spikeproof
from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.bounds import bounds, quick
from spikeproof.sim.ranges.layer import SUM
from spikeproof.sim.trace import SPIKES


def inputs(net, samples, seed):
    """Random inputs and extreme ones: all silent, all at either end, ends at random."""
    random = np.random.default_rng(seed)
    most = net.input.max_payload
    least = -most if net.input.bits else 0
    shape = (samples, net.input.num_channels, net.steps)
    drawn = random.integers(least, most + 1, shape)
    ends = random.choice([least, most], shape)
    constant = np.stack([np.full(shape[1:], value) for value in (0, least, most)])
    return np.concatenate([drawn, ends, constant]).astype(np.int32)


def check(net, x):
    """Assert that a run stays within the bounds wherever these prove something; return them."""
    found = bounds(net)
    trace = reference.run(net, x)
    arriving = x
    for index, layer in enumerate(net.layers):
        of = {bound.register: bound for bound in found.found if bound.layer == layer.name}
        assert set(of) == {SUM, *layer.neuron.registers}
        if layer.feedback is None and (index == 0 or not layer.cpg):
            sums = reference.sums(net, index, reference.senders(net, trace.layers, x))
            if of[SUM].high < 2 ** (layer.synapse.port_bits - 1) and -of[SUM].low <= 2 ** (layer.synapse.port_bits - 1):
                assert of[SUM].low <= sums.min() and sums.max() <= of[SUM].high
        for register in layer.neuron.registers:
            values = trace.layers[layer.name][register].astype(np.int64)
            if of[register].proven:
                # A register that was set when its neuron fired is nearer to 0 than what it was set from.
                assert np.abs(values).max() <= of[register].largest, (layer.name, register)
        arriving = trace.layers[layer.name].get(SPIKES, arriving)
    return found


@pytest.mark.parametrize("conv", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_no_input_passes_the_bounds_of_any_kind(name, conv):
    net = network(KINDS[name], conv=conv)
    found = check(net, inputs(net, 20, 0))
    assert found.unknown == () and {bound.layer for bound in found.found} == {layer.name for layer in net.layers}


@given(net=nets(), seed=st.integers(0, 2**16))
@settings(max_examples=60)
def test_no_input_passes_the_bounds_of_any_network(net, seed):
    check(net, inputs(net, 4, seed))


def one_layer(neuron, weight, *, steps=50, **more):
    return Net(
        inputs=(Input(num_channels=np.shape(weight)[1]),),
        layers=(Layer(name="a", synapse=Dense(weight=weight), neuron=neuron, **more),),
        steps=steps,
    )


def test_bounds_are_reached_where_everything_is_followed():
    neuron = Readout(num_neurons=2, bias_mant=[3, -1])
    net = one_layer(neuron, [[10, -4, 6], [-2, -2, 8]], steps=7)
    found = {bound.register: bound for bound in bounds(net).found}
    assert (found[SUM].low, found[SUM].high) == (-4, 16)
    assert (found["v"].low, found["v"].high) == (7 * (-4 - 1), 7 * (16 + 3))
    all_positive = np.repeat(np.array([[[1], [0], [1]]], np.int32), 7, axis=2)
    assert reference.run(net, all_positive).layers["a"]["v"].max() == found["v"].high
    assert (found["v"].step, found["v"].neuron) == (6, 0)


def test_a_resonator_with_a_threshold_of_0_is_set_below_what_it_fired_at():
    neuron = KINDS["RFIZ"](num_neurons=1, sin_decay=0, cos_decay=0, v_th_mant=0)
    net = one_layer(neuron, [[2], [2]], steps=2)
    silent = np.zeros((1, 1, 2), np.int32)
    assert (reference.run(net, silent).layers["a"]["imag"] == -1).all()
    assert next(bound.low for bound in bounds(net).found if bound.register == "imag") == -1


@pytest.mark.parametrize("kind", ["RF", "RFIZ", "ADRF", "ADRFIZ"])
@pytest.mark.parametrize("decay", [4096, 3000])
def test_a_resonator_that_grows_is_bounded_to_the_last_step(kind, decay):
    """Its circle once outgrew 64 bits, and then nothing behind it fired in the bounds."""
    made = example(KINDS[kind])
    firsts = {name: np.ravel(getattr(made, name))[0] for name in ("th_decay", "ref_decay") if hasattr(made, name)}
    neuron = dataclasses.replace(made, num_neurons=1, sin_decay=decay, cos_decay=decay, **firsts)
    layers = (
        Layer(name="a", synapse=Dense(weight=[[254], [254]]), neuron=neuron),
        Layer(name="out", synapse=Dense(weight=[[254]]), neuron=Readout(num_neurons=1)),
    )
    net = Net(inputs=(Input(num_channels=1),), layers=layers, steps=1000)
    once = np.zeros((1, 1, 1000), np.int32)
    once[..., 0] = 1
    check(net, np.concatenate([once, 1 - once, once * 0 + 1]))


def test_what_random_samples_do_not_show_is_not_proven_and_an_input_shows_it():
    """Exact on every one of 10,000 random samples, and another network on one input that the bounds point to."""
    steps, n = 30, 40
    neuron = CUBA(num_neurons=1, u_decay=0, v_decay=4096, v_th_mant=2**17 - 1)
    # Half of the weights cancel the other half, so that random inputs stay near 0.
    weight = np.array([[254] * (n // 2) + [-254] * (n // 2)])
    net = one_layer(neuron, weight, steps=steps)
    x = (np.random.default_rng(0).random((10_000, n, steps)) < 0.5).astype(np.int32)
    u = engine.run(net, x).layers["a"]["u"]
    assert np.abs(u).max() < 2**23 - 1

    found = bounds(net)
    assert not found.proven
    (open_one,) = [bound for bound in found.found if not bound.proven and bound.register == "u"]
    assert open_one.step == 26 and 64 * 254 * 20 * 26 > open_one.limit  # from then on it can wrap
    assert str(found).startswith("for every input: proven in no layer; a's u could reach 256 times its range")
    worst = np.concatenate([np.ones((1, n // 2, steps)), np.zeros((1, n // 2, steps))], axis=1).astype(np.int32)
    assert reference.run(net, worst).layers["a"]["u"].min() < 0  # it wrapped


def test_a_known_number_of_active_inputs_is_an_assumption_that_is_named():
    neuron = Readout(num_neurons=1)
    net = one_layer(neuron, [[10, -4, 6, 20]], steps=5)
    found = bounds(net, max_active=2)
    of = {bound.register: bound for bound in found.found}
    assert (of[SUM].low, of[SUM].high) == (-4, 30) and found.proven
    assert str(found) == (
        "for every input of 5 steps, given at most 2 active inputs a step: no sum and no register leaves its range"
    )
    assert bounds(net, max_active=99).found[0].high == 36
    with pytest.raises(InputError, match="max_active = 0: give a whole number of inputs"):
        bounds(net, max_active=0)


def test_delays_and_feedback_are_followed():
    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=10)
    recurrent = one_layer(neuron, [[20, 0], [0, 20]], steps=9, feedback=Dense(weight=[[0, 100], [-60, 0]]))
    of = {bound.register: bound for bound in bounds(recurrent).found}
    assert (of[SUM].low, of[SUM].high) == (-60, 120)
    late = Net(
        inputs=(Input(num_channels=2),),
        layers=(
            Layer(name="a", synapse=Dense(weight=[[20, 0], [0, 20]]), neuron=neuron, axon=Axon(delay=[3, 1])),
            Layer(name="b", synapse=Dense(weight=[[50, 50]]), neuron=Readout(num_neurons=1, v_decay=4096)),
        ),
        steps=9,
    )
    assert {bound.register: bound.high for bound in bounds(late).found if bound.layer == "b"}[SUM] == 100


def at_step(step):
    """An oscillator that spikes in one step of a short sample."""
    return Phase(num_neurons=1, increment=[2**20], start=[step * 2**20], length=[2**20])


def test_a_delayed_spike_meets_what_is_there_when_it_arrives():
    fires_at_once = CUBA(num_neurons=1, u_decay=4096, v_decay=4096, v_th_mant=10)
    net = Net(
        inputs=(Input(num_channels=1),),
        layers=(
            Layer(
                name="a", synapse=Dense(weight=[[0, 20]]), neuron=fires_at_once, cpg=at_step(0), axon=Axon(delay=[3])
            ),
            Layer(
                name="b",
                synapse=Dense(weight=[[50, 30]]),
                neuron=Readout(num_neurons=1, v_decay=4096),
                cpg=at_step(3),
            ),
        ),
        steps=9,
    )
    trace = reference.run(net, np.zeros((1, 1, 9), np.int32))
    assert trace.layers["a"][SPIKES][0, 0].tolist() == [1] + [0] * 8
    assert trace.layers["b"]["v"][0, 0].tolist() == [0, 0, 0, 80, 0, 0, 0, 0, 0]
    assert {bound.register: bound.high for bound in bounds(net).found if bound.layer == "b"} == {SUM: 80, "v": 80}


def test_a_file_is_taken_and_anything_else_is_refused(tmp_path):
    net = network(KINDS["CUBA"])
    spikeproof.write(net, tmp_path / "a.net")
    assert spikeproof.bounds(tmp_path / "a.net").found == bounds(net).found
    with pytest.raises(InputError, match=r"bounds\(net\): the network is a record or a file, no list\. .*record"):
        spikeproof.bounds([net])
    with pytest.raises(InputError, match=r"write\(net, path\): the network is a record or a file, no int"):
        spikeproof.write(3, tmp_path / "b.net")


def test_a_steady_network_is_done_early():
    seen = []
    neuron = CUBA(num_neurons=1, u_decay=2048, v_decay=2048, v_th_mant=10)
    net = one_layer(neuron, [[20]], steps=10**6)
    assert bounds(net, progress=lambda done, total: seen.append(done)).proven
    assert len(seen) < 100
    slow = one_layer(Readout(num_neurons=1), [[2]], steps=10**4, axon=None)
    assert [bound.high for bound in bounds(slow).found] == [2, 2 * 10**4]
    assert quick(net) and not quick(one_layer(neuron, [[20] * 5000], steps=10**5))


def test_a_kind_without_bounds_proves_nothing(monkeypatch):
    net = network(KINDS["CUBA"])
    monkeypatch.setattr(CUBA, "bounded_step", lambda *_: None)
    found = bounds(net)
    assert not found.proven and found.unknown == ("l0", "l1")
    assert "l0: no bounds are known for its neurons" in str(found)


def test_a_verdict_says_what_holds_for_every_input():
    net = network(KINDS["CELIF"])
    verdict = spikeproof.verify(net, payload(net), backends=("engine", "reference"))
    assert verdict.exact and verdict.bounds.proven
    assert "for every input of 24 steps: no sum and no register leaves its range" in str(verdict).splitlines()
    assert verdict.as_dict()["bounds"]["proven"] is True
    assert spikeproof.bounds(net) == verdict.bounds


def test_the_command_says_it_with_its_exit_code(tmp_path):
    from typer.testing import CliRunner

    from spikeproof.cli import app

    spikeproof.write(network(KINDS["CELIF"]), tmp_path / "good.net")
    wraps = CUBA(num_neurons=1, u_decay=0, v_decay=4096, v_th_mant=2**17 - 1)
    spikeproof.write(one_layer(wraps, [[254] * 20], steps=30), tmp_path / "open.net")
    run = CliRunner().invoke
    good = run(app, ["prove", str(tmp_path / "good.net"), "--json"])
    assert good.exit_code == 0 and json.loads(good.stdout)["proven"]
    found = run(app, ["prove", str(tmp_path / "open.net")])
    assert found.exit_code == 1 and "times its range by the bound" in " ".join(found.stdout.split())
    assert run(app, ["prove", str(tmp_path / "open.net"), "--max-active", "2"]).exit_code == 0
    assert example(CUBA).max_payload == 1


def test_the_command_takes_assumptions_and_checks_them(tmp_path):
    from typer.testing import CliRunner

    from spikeproof.cli import app

    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=10)
    spikeproof.write(one_layer(neuron, [[50, 50], [20, 0]], steps=4), tmp_path / "a.net")
    np.save(tmp_path / "x.npy", np.ones((3, 2, 4)))
    run = CliRunner().invoke
    given = ["prove", str(tmp_path / "a.net"), "--unit-input", "--max-spikes", "a=2", "-i", str(tmp_path / "x.npy")]
    done = run(app, given)
    assert "given input values from 0 to 1 (true of 3 samples) and at most 2 spikes a step in a (true of" in " ".join(
        done.stdout.split()
    )
    given[given.index("a=2")] = "a=1"
    assert "Sample 0 has 2 neurons of 'a' that fire" in str(run(app, given).exception)
    given[given.index("a=1")] = "a"
    assert "write LAYER=N" in str(run(app, given).exception)
    alone = run(app, ["prove", str(tmp_path / "a.net"), "-i", str(tmp_path / "x.npy")])
    assert "a proof alone needs none" in str(alone.exception)
