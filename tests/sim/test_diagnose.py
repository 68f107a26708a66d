"""Planted faults are found, located and named; a fault that is none of the known ones is not guessed at."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import arrays, nets

from spikeproof.contract.errors import RecordError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.bases.integrator import IntegratorState
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import reference
from spikeproof.sim.compare import compare
from spikeproof.sim.diagnose.diagnose import Diagnosis, diagnose
from spikeproof.sim.trace import Trace
from spikeproof.sim.verify.verify import verify

STEPS, SAMPLES = 24, 3


def network(seed=0):
    """CE-LIF, CUBA, CE-LIF and a read-out, all of which fire and have biases."""
    random = np.random.default_rng(seed)
    widths = (4, 6, 5, 7, 3)

    def weight(i):
        return 2 * random.integers(-50, 80, (widths[i + 1], widths[i]))

    neurons = (
        CELIF(num_neurons=6, v_decay=2048, th_decay=41, v_th_mant=77, te_exp=8, bias_mant=random.integers(50, 99, 6), bias_exp=4),
        CUBA(num_neurons=5, u_decay=1024, v_decay=300, v_th_mant=150, bias_mant=random.integers(9, 30, 5)),
        CELIF(num_neurons=7, v_decay=1024, th_decay=100, v_th_mant=60, te_exp=8, bias_mant=random.integers(50, 99, 7), bias_exp=4),
        Readout(num_neurons=3, a_shift=3, bias_mant=random.integers(1, 9, 3)),
    )  # fmt: skip
    names = ("e1", "u2", "e3", "out")
    layers = tuple(Layer(name=names[i], synapse=Dense(weight=weight(i)), neuron=n) for i, n in enumerate(neurons))
    return Net(inputs=(Input(num_channels=4),), layers=layers, steps=STEPS, te=random.integers(-90, 128, (STEPS, 7)))


NET = network()
PAYLOAD = np.random.default_rng(1).integers(0, 2, (SAMPLES, 4, STEPS)).astype(np.int32)


def edited(index, net=NET, weight=None, **changes):
    """The network with another weight matrix, or other neuron parameters, in a layer."""
    layer = net.layers[index]
    synapse = layer.synapse if weight is None else Dense(weight=weight)
    layers = list(net.layers)
    layers[index] = dataclasses.replace(layer, synapse=synapse, neuron=dataclasses.replace(layer.neuron, **changes))
    return dataclasses.replace(net, layers=tuple(layers))


def diagnosed(found, net=NET, payload=PAYLOAD, **options):
    good = reference.run(net, payload)
    assert all(of["s"].any() for of in good.layers.values() if "s" in of)
    found = dataclasses.replace(found, backend="faulty")
    comparison = compare(good, found)
    assert comparison.first is not None
    return comparison.first, diagnose(net, payload, good, found, comparison.first, **options)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("value", [-200, 252])
def test_a_changed_weight(index, value):
    weight = changed(NET.layers[index].synapse.weight, (2, 3), value)

    first, why = diagnosed(reference.run(edited(index, weight=weight), PAYLOAD))

    assert (first.layer, first.neuron) == (NET.layers[index].name, 2)
    assert [cause.name for cause in why.causes] == ["changed weight"]
    was = NET.layers[index].synapse.weight[2, 3]
    assert why.causes[0].words == f"synapse.weight[2, 3] (from input 3) is {was} in the record and {value} there"
    assert why.departs == "faulty"
    assert "cause: changed weight" in str(why) and "over 3 samples" in str(why)


@pytest.mark.parametrize(
    ("index", "changes", "words"),
    [
        (0, {"v_decay": 2040}, "v_decay of all neurons: neuron"),
        (0, {"th_decay": 45}, "th_decay of all neurons: neuron"),
        (1, {"u_decay": 1023}, "u_decay of all neurons: neuron"),
        (
            1,
            {"v_decay": [300, 300, 299, 300, 300]},
            "v_decay of neuron 2: neuron 2 has 300 in the record and 299 there",
        ),
        (2, {"v_decay": [1024] * 6 + [0]}, "v_decay of neuron 6: neuron 6 has 1024 in the record and 0 there"),
    ],
)
def test_a_changed_decay(index, changes, words):
    first, why = diagnosed(reference.run(edited(index, **changes), PAYLOAD))

    assert first.layer == NET.layers[index].name
    assert [cause.name for cause in why.causes] == ["changed decay"], str(why)
    assert words in why.causes[0].words


def test_decays_that_all_moved_by_one():
    net = edited(1, v_decay=[300, 310, 20, 4000, 77])

    _, why = diagnosed(reference.run(edited(1, net, v_decay=[301, 311, 21, 4001, 78]), PAYLOAD), net)

    assert [cause.name for cause in why.causes] == ["changed decay"]
    assert "v_decay of each neuron, changed by as much" in why.causes[0].words


@pytest.mark.parametrize(
    ("low", "high", "words"), [(-60, 60, "beyond -60..60"), (-256, 70, "above 70"), (-40, 254, "below -40")]
)
def test_clipped_weights(low, high, words):
    weight = np.clip(NET.layers[2].synapse.weight, low, high)

    _, why = diagnosed(reference.run(edited(2, weight=weight), PAYLOAD))

    assert [cause.name for cause in why.causes] == ["clipped weight"], str(why)
    assert words in why.causes[0].words


def test_a_changed_bias_and_a_changed_threshold():
    mant = NET.layers[0].neuron.bias_mant

    _, why = diagnosed(reference.run(edited(0, bias_mant=changed(mant, 3, mant[3] + 2)), PAYLOAD))
    assert [cause.name for cause in why.causes] == ["changed bias"], str(why)
    _, why = diagnosed(reference.run(edited(2, v_th_mant=61), PAYLOAD))
    assert [cause.words for cause in why.causes] == ["v_th_mant is 60 in the record and 61 there"]


@pytest.mark.parametrize("shift", [1, -1])
def test_an_encoding_a_step_off(shift):
    net = dataclasses.replace(NET, te=np.roll(NET.te, -shift, 0))

    first, why = diagnosed(reference.run(net, PAYLOAD))

    assert first.layer == "e1" and first.step > 0
    assert [(cause.name, cause.words) for cause in why.causes] == [
        ("te shifted", f"step t uses row t {shift:+d} of the temporal encoding")
    ]


def slowly(net, index, good, *, begin=lambda s, state, params: state, step=None):
    """Another layer's neurons by a loop of its own, sample by sample; `begin` and `step` plant the fault."""
    params = net.layers[index].neuron
    inputs = PAYLOAD if index == 0 else good.layers[net.layers[index - 1].name]["s"]
    weight = net.layers[index].synapse.weight.astype(np.int64)
    out = {key: np.empty_like(array) for key, array in good.layers[net.layers[index].name].items()}
    state = params.reset()
    for sample in range(SAMPLES):
        state = begin(sample, state, params)
        for t in range(STEPS):
            x = weight @ inputs[sample, :, t]
            if step is not None:
                x, state = step(sample, t, x, state, params)
            args = (net.te[t, : params.num_neurons],) if params.takes_te else ()
            spikes, state = params.step(state, x, *args)
            now = {"s": spikes, **params.observed(state)}
            for key, array in out.items():
                array[sample, :, t] = now[key]
    return Trace(backend="faulty", layers={**good.layers, net.layers[index].name: out})


GOOD = reference.run(NET, PAYLOAD)


def reset_each_sample(sample, state, params):
    return params.reset()


def test_the_slow_loop_is_the_layer():
    assert compare(GOOD, slowly(NET, 1, GOOD, begin=reset_each_sample)).exact


@pytest.mark.parametrize("which", ["each", "the first"])
@pytest.mark.parametrize("early", [1, 2])
def test_a_bias_that_is_integrated_early(which, early):
    def begin(sample, state, params):
        state = params.reset()
        for _ in range(early if which == "each" or sample == 0 else 0):
            _, state = params.step(state, np.zeros(5, np.int64))
        return state

    first, why = diagnosed(slowly(NET, 1, GOOD, begin=begin))

    assert (first.layer, first.sample, first.step) == ("u2", 0, 0)
    steps = "1 step" if early == 1 else "2 steps"
    assert [(cause.name, cause.words) for cause in why.causes] == [
        ("bias early", f"the bias is integrated {steps} before {which} sample begins")
    ], str(why)


@pytest.mark.parametrize("offset", [1, -1, 2])
def test_a_reset_that_is_a_step_off(offset):
    def step(sample, t, x, state, params):
        return x, params.reset() if t == offset % STEPS else state

    first, why = diagnosed(slowly(NET, 1, GOOD, step=step))

    assert first.layer == "u2"
    words = {1: "1 step late", -1: "1 step early", 2: "2 steps late"}[offset]
    assert [(cause.name, cause.words) for cause in why.causes] == [("reset offset", f"registers are reset {words}")]


def test_a_missing_reset():
    first, why = diagnosed(slowly(NET, 1, GOOD))

    assert (first.layer, first.sample, first.step) == ("u2", 1, 0)
    assert [cause.name for cause in why.causes] == ["no reset"]


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("steps", [1, -1])
def test_a_lag(index, steps):
    name = NET.layers[index].name
    late = {}
    for key, array in GOOD.layers[name].items():
        stream = array.transpose(1, 0, 2).reshape(array.shape[1], -1)
        moved = np.roll(stream, steps, axis=1)
        moved[:, 0 if steps > 0 else -1] = 0 if steps > 0 else 7
        late[key] = moved.reshape(array.shape[1], SAMPLES, STEPS).transpose(1, 0, 2)

    _, why = diagnosed(Trace(backend="faulty", layers={**GOOD.layers, name: late}))

    assert [(cause.name, cause.words) for cause in why.causes] == [
        ("lag", f"the layer's whole trace is 1 step {'late' if steps > 0 else 'early'}")
    ], str(why)


def test_a_dropped_delay():
    inputs = GOOD.layers["e1"]["s"].transpose(1, 0, 2).reshape(6, -1)
    weight = NET.layers[1].synapse.weight.astype(np.int64)

    def step(sample, t, x, state, params):
        g = sample * STEPS + t + 1
        return weight @ inputs[:, g % inputs.shape[1]], params.reset() if t == 0 else state

    _, why = diagnosed(slowly(NET, 1, GOOD, step=step))

    assert [(cause.name, cause.words) for cause in why.causes] == [("dropped delay", "inputs arrive 1 step early")]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "the axonal delays of layer 'e1' are dropped"),
        ([1, 0, 3, 1, 5, 1], "the axonal delay of neuron 1 of layer 'e1', 2, is dropped"),
        ([2, 3, 4, 2, 6, 2], "the axonal delays of layer 'e1' are 1 step more"),
    ],
)
def test_a_delay_that_was_dropped_or_changed(found, words):
    def delayed(delay):
        axon = None if delay is None else Axon(delay=delay)
        layers = (dataclasses.replace(NET.layers[0], axon=axon), *NET.layers[1:])
        return dataclasses.replace(NET, layers=layers)

    first, why = diagnosed(reference.run(delayed(found), PAYLOAD), delayed([1, 2, 3, 1, 5, 1]))

    assert first.layer == "u2"
    assert words in [cause.words for cause in why.causes], str(why)
    assert {cause.name for cause in why.causes} <= {"dropped delay", "changed delay", "lagging input"}


def test_an_unknown_fault_is_not_guessed_at():
    def step(sample, t, x, state, params):  # every other step, one neuron forgets its current: nobody's fault
        u = state.u.copy() if state.u.ndim else state.u
        if sample or t % 2 == 1:
            u[3] = 0
        return x, IntegratorState(u=u, v=state.v) if t else params.reset()

    first, why = diagnosed(slowly(NET, 1, GOOD, step=step))

    assert (first.layer, first.neuron) == ("u2", 3)
    assert why.causes == () and why.conclusion.startswith("cause unknown: faulty departs from the record in layer 'u2'")


@settings(max_examples=10)
@given(st.data())
def test_two_faults_at_once_have_no_known_cause(data):
    """Two weights into different neurons: no single fault gives both, so none is named."""
    index = data.draw(st.integers(0, 3))
    weight = NET.layers[index].synapse.weight.copy()
    for row in (0, 2):
        column = data.draw(st.integers(0, weight.shape[1] - 1))
        weight[row, column] += 2 * data.draw(st.sampled_from((-3, 4, 9)))
    found = reference.run(edited(index, weight=weight), PAYLOAD)
    name = NET.layers[index].name
    both_show = all((found.layers[name]["v"][:, row] != GOOD.layers[name]["v"][:, row]).any() for row in (0, 2))
    if both_show:
        _, why = diagnosed(found)
        assert "changed weight" not in {cause.name for cause in why.causes}


def test_registers_of_both_sides_around_the_mismatch():
    weight = changed(NET.layers[1].synapse.weight, (2, 3), 252)
    found = reference.run(edited(1, weight=weight), PAYLOAD)

    first, why = diagnosed(found)

    steps = [row[0] for row in why.around]
    assert steps == list(range(max(0, first.step - 3), min(STEPS, first.step + 3)))
    for t, good, bad in why.around:
        assert good == {key: array[first.sample, 2, t] for key, array in GOOD.layers["u2"].items()}
        assert bad == {key: array[first.sample, 2, t] for key, array in found.layers["u2"].items()}
    table = str(why).splitlines()[: len(steps) + 1]
    assert table[0].split() == [
        "step",
        *(word for side in ("reference", "faulty") for key in "suv" for word in (side, key)),
    ]
    assert next(line for line in table if line.lstrip().startswith(">")).split()[1] == str(first.step)


def test_the_side_that_departs_is_told_and_another_record_is_named():
    other = edited(1, weight=changed(NET.layers[1].synapse.weight, (2, 3), 252))
    trained, stored = reference.run(other, PAYLOAD), reference.run(NET, PAYLOAD)
    first = compare(trained, stored).first

    why = diagnose(NET, PAYLOAD, dataclasses.replace(trained, backend="torch"), stored, first, trained=other)

    assert why.departs == "torch"
    was = NET.layers[1].synapse.weight[2, 3]
    assert why.causes[0].words == f"synapse.weight[2, 3] is {was} in the file and 252 in the trained network"


def test_a_diagnosis_survives_its_plain_values():
    import json

    _, why = diagnosed(reference.run(edited(0, v_decay=2040), PAYLOAD))

    assert Diagnosis.from_dict(json.loads(json.dumps(why.as_dict()))) == why


def test_analog_input_and_values_past_the_register_are_no_obstacle():
    net = dataclasses.replace(edited(0, a_shift=0), inputs=(Input(num_channels=4, bits=8, exp=-6),))
    payload = np.random.default_rng(2).integers(-255, 256, PAYLOAD.shape).astype(np.int32)
    payload[:, 3, :5] = 0
    weight = changed(net.layers[0].synapse.weight, (2, 3), -30)

    _, why = diagnosed(reference.run(edited(0, net, weight=weight), payload), net, payload)

    assert "changed weight" in [cause.name for cause in why.causes]


PLANTED_ON_LAVA = {
    # Our neurons have a fixed-point model alone, so one that could be chosen by mistake is made for them.
    "wrong run tag": "from lava.magma.core import decorator, resources\n"
    "    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol\n"
    "    from lava.proc.lif.models import PyLifResetModelFloat\n"
    "    from spikeproof.lava_procs.lif import models, process\n"
    "    model = type('Float', (models.Recording, PyLifResetModelFloat), {'__module__': process.__name__})\n"
    "    model = decorator.implements(proc=models.LIFReset, protocol=LoihiProtocol)(model)\n"
    "    process.Float = decorator.tag('floating_pt')(decorator.requires(resources.CPU)(model))\n"
    "    network.Loihi2SimCfg = lambda select_tag, **more: original.Loihi2SimCfg(**more)",
    "te shifted": "neurons.PROCESSES = {kind: lambda te=None, made=made, **more: made("
    "te=None if te is None else np.roll(te, -1, 0), **more) for kind, made in original.PROCESSES.items()}",
    "reset offset": "neurons.LIFReset = lambda reset_offset, **more: original.LIFReset(reset_offset=reset_offset + 1, **more)",
    "changed decay": "neurons.LIFReset = lambda du, **more: original.LIFReset(du=du + 1, **more)",
}


@pytest.mark.lava
@pytest.mark.parametrize(
    ("name", "layer", "words"),
    [
        pytest.param("wrong run tag", "u2", "floating-point model", marks=pytest.mark.slow),
        pytest.param("te shifted", "e1", "step t uses row t +1", marks=pytest.mark.slow),
        ("reset offset", "u2", "registers are reset 1 step late"),
        pytest.param("changed decay", "u2", "has 1024 in the record and 1025 there", marks=pytest.mark.slow),
    ],
)
def test_a_fault_in_lava_is_named(monkeypatch, tmp_path, name, layer, words):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'spikeproof.sim.lava.worker' in sys.orig_argv:\n"
        "    import types\n"
        "    import numpy as np\n"
        "    from spikeproof.lava_procs import network, neurons\n"
        "    original = types.SimpleNamespace(**vars(network) | vars(neurons))\n"
        f"    {PLANTED_ON_LAVA[name]}\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))

    verdict = verify(NET, PAYLOAD)

    why = verdict.diagnoses[0]
    assert (why.layer, why.departs) == (layer, "lava")
    assert [cause.name for cause in why.causes] == [name], str(why)
    assert words in why.causes[0].words
    assert f"cause: {name}: " in str(verdict)


@settings(max_examples=30, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(nets(), st.data())
def test_any_kind_of_layer_can_be_diagnosed(net, data):
    """Random networks of every kind of neuron with a weight changed: the cause found is that weight, or none."""
    index = data.draw(st.integers(0, len(net.layers) - 1))
    weight = net.layers[index].synapse.weight.copy()
    place = tuple(data.draw(st.integers(0, size - 1)) for size in weight.shape)
    weight[place] = 20 if weight[place] <= 0 else -20
    layers = list(net.layers)
    layers[index] = dataclasses.replace(
        layers[index], synapse=dataclasses.replace(layers[index].synapse, weight=weight)
    )
    try:
        other = dataclasses.replace(net, layers=tuple(layers))
    except RecordError:  # sums that could leave Lava's port
        return
    payload = data.draw(arrays(st.sampled_from((0, 1, net.input.max_payload)), 2, net.input.num_channels, net.steps))
    good, found = (reference.run(one, payload.astype(np.int32)) for one in (net, other))
    first = compare(good, found).first
    if first is None:
        return

    why = diagnose(net, payload.astype(np.int32), good, dataclasses.replace(found, backend="faulty"), first)

    assert (why.layer, why.departs) == (net.layers[index].name, "faulty")
    for cause in why.causes:
        if cause.name == "changed weight" and place[1] == int(cause.words.split(", ")[1].split("]")[0]):
            assert cause.words.endswith(f"and {weight[place]} there")
