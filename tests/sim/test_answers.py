"""A network with several answers: the verdict counts for each how many samples two backends answer alike."""

import dataclasses
import json

import numpy as np
import pytest
from graphs import graph

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.verify import same
from spikeproof.sim.verify.verify import verify

SEVERAL = [seed for seed in range(80) if len(graph(seed)[0].answers) > 1][:6]


@pytest.mark.parametrize("registers", [True, False])
@pytest.mark.parametrize("seed", SEVERAL)
def test_every_answer_is_counted(seed, registers):
    net, payload = graph(seed)

    verdict = verify(net, payload, backends=("reference", "engine"), registers=registers)

    assert [one.layer for one in verdict.same] == list(net.answers)
    assert all(one.values == one.classes == one.samples == len(payload) for one in verdict.same)
    line = f"answer {net.answers[1]!r}: reference and engine give the same values in 5 and the same class in 5 of 5 samples"
    assert line in str(verdict).splitlines()
    assert json.loads(json.dumps(verdict.as_dict()))["answers"][1]["layer"] == net.answers[1]


def test_what_differs_is_not_counted_and_parts_add_up():
    net, payload = next(found for found in map(graph, SEVERAL) if found[0].layers[-1].num_neurons > 1)
    good = reference.run(net, payload)
    name = net.answers[-1]
    key = "s" if "s" in good.layers[name] else "v"
    array = good.layers[name][key].copy()
    array[1:3, 0, :] = 10_000  # another class
    found = dataclasses.replace(good, backend="other", layers={**good.layers, name: {**good.layers[name], key: array}})

    counts = same.count(net, good, found)

    other = {one.layer: (one.samples, one.values) for one in counts}
    assert other == {each: (5, 5 - 2 * (each == name)) for each in net.answers}
    assert [one.values for one in same.merge([counts, counts])] == [2 * one.values for one in counts]
    assert same.merge([(), ()]) == ()


def test_a_network_with_one_answer_says_nothing_more():
    net, payload = next(found for found in map(graph, range(80)) if len(found[0].answers) == 1)

    verdict = verify(net, payload, backends=("reference", "engine"))

    assert verdict.same == () and "answer '" not in str(verdict)


def test_a_mismatch_in_several_answers_is_told(monkeypatch):
    """An engine that counts one neuron too much in one answer is not exact, and that answer says so."""
    net, payload = next((net, x) for net, x in map(graph, SEVERAL) if net.index(net.answers[-1]) in net.groups[-1])
    good = reference.run(net, payload)
    name = net.answers[-1]
    key = next(reversed(good.layers[name]))
    wrong = good.layers[name][key].copy()
    wrong[2, 0, -1] += 1
    broken = dataclasses.replace(good, layers={**good.layers, name: {**good.layers[name], key: wrong}})
    monkeypatch.setattr("spikeproof.sim.engine.run", lambda *_, **__: dataclasses.replace(broken, backend="engine"))

    verdict = verify(net, payload, backends=("reference", "engine"))

    assert not verdict.exact and verdict.comparisons[0].first.layer == name
    assert np.array_equal(verdict.comparisons[0].first.sample, 2)


def test_an_answer_of_many_large_payloads_is_their_sum():
    """A sum of payloads outgrows 32 bits, and the class that it speaks for must not change with that."""
    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=0, v_th_mant=2**8, graded=1)
    layer = Layer(name="a", synapse=Dense(weight=[[254], [2]]), neuron=neuron)
    late = dataclasses.replace(layer, axon=Axon(delay=[1, 0]))
    for one in (layer, late):
        net = Net(inputs=(Input(num_channels=1, bits=9),), layers=(one,), steps=4000)
        payload = np.full((1, 1, 4000), 400, np.int32)
        trace = reference.run(net, payload)
        session = engine.Session(net, record=())
        session.feed(payload)

        sent = trace.layers["a"]["s"].astype(np.int64)
        expected = [sent[0, 0, : -1 if one is late else None].sum(), sent[0, 1].sum()]
        assert expected[0] > 2**31
        assert trace.output(net).tolist() == [expected] == session.output.tolist()
        assert trace.predictions(net).tolist() == [0]


def test_what_is_compared_of_the_answers_is_counted():
    net, payload = graph(SEVERAL[0])
    of = sum(net.layers[net.index(name)].num_neurons for name in net.answers)
    verdict = verify(net, payload, backends=("reference", "engine"))
    assert verdict.comparisons[0].outputs_compared == of * len(payload)
