"""The network as a process of a user's own Lava program, in the place of lava-dl's NetX."""

import dataclasses
import json

import kinds
import numpy as np
import pytest
from child import answer
from graphs import graph

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.sources.driven import Driven
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim import reference

pytestmark = pytest.mark.lava

PROGRAM = """
import json, sys
import numpy as np
from spikeproof import lava
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1SimCfg, Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.monitor.process import Monitor

job = json.loads(sys.argv[1])
x = np.load("x.npy")
net = lava.Network("net.net", **job["options"])
total = job["total"]
begin = 0
for name, port in net.inputs.items():
    n = int(np.prod(port.shape))
    part = x[begin : begin + n]
    begin += n
    if len(port.shape) == 3:
        part = part.reshape(*port.shape[::-1], -1).transpose(2, 1, 0, 3)
    Source(data=part).s_out.connect(port)
assert not net.inputs or net.inp is next(iter(net.inputs.values()))
sinks = {}
for name in job["sinks"]:
    sinks[name] = Sink(shape=net.outs[name].shape, buffer=total)
    net.outs[name].connect(sinks[name].a_in)
monitors = {}
for i, variable in job["monitors"]:
    neuron = net.layers[i].neuron
    monitors[i, variable] = Monitor()
    monitors[i, variable].probe(neuron.s_out if variable == "s" else getattr(neuron, variable), total)
config = getattr(sys.modules["lava.magma.core.run_configs"], job.get("config", "Loihi2SimCfg"))
for steps in job.get("runs", [total]):
    net.run(condition=RunSteps(num_steps=steps), run_cfg=config(**job.get("tag", {"select_tag": "fixed_pt"})))
found = {}
for name, sink in sinks.items():
    data = sink.data.get()
    found["out " + name] = data.transpose(2, 1, 0, 3).reshape(-1, total) if data.ndim == 4 else data
for (i, variable), monitor in monitors.items():
    ((of,),) = [of.values() for of in monitor.get_data().values()]
    found[f"{i} {variable}"] = of.T
found |= {f"last {i} {variable}": getattr(net.layers[i].neuron, variable).get() for i, variable in job["monitors"] if variable != "s"}
net.stop()
np.savez("found.npz", **found)
print(json.dumps({"text": str(net), "layers": len(net), "out": hasattr(net, "out")}))
"""


def run(tmp_path, net, payload, *, options=None, sinks=None, monitors=(), late=0, **job):
    """Run a network in a program as a user writes it; give what its sinks and Monitors found."""
    netx.write(net, tmp_path / "net.net")
    samples, channels, steps = payload.shape
    np.save(tmp_path / "x.npy", np.pad(payload.transpose(1, 0, 2).reshape(channels, -1), ((0, 0), (late, 0))))
    sinks = [a for a in net.answers if net.layers[net.index(a)].neuron.fires] if sinks is None else sinks
    total = late + samples * steps + max(net.latencies)
    job |= {"options": options or {}, "sinks": sinks, "monitors": monitors, "total": total}
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    said = answer(script, json.dumps(job), cwd=tmp_path)
    with np.load(tmp_path / "found.npz") as found:
        return dict(found), said


def assert_exact(net, payload, found, *, late=0):
    """Every sink and Monitor found what the reference says, from the step in which a layer's first sample begins."""
    trace = reference.run(net, payload)
    fired = 0
    for key, array in found.items():
        if key.startswith("last"):
            continue
        what, name = key.split(" ", 1)
        index = net.index(name) if what == "out" else int(what)
        layer, variable = net.layers[index].name, "s" if what == "out" else name
        expected = trace.layers[layer][variable]
        expected = expected.transpose(1, 0, 2).reshape(expected.shape[1], -1)
        begin = late + net.latency(index)
        got = array[:, begin : begin + expected.shape[1]]
        assert np.array_equal(got, expected), f"{key} of {layer}"
        if variable == "s":
            assert not array[:, :begin].any()
            fired += int((expected != 0).sum())
    return fired


def busy(te=None, *, ends_in_spikes=True):
    """CE-LIF with oscillators beside its input, a convolution, CUBA, RF, and maybe a read-out."""
    random = np.random.default_rng(3)
    phase = Phase.from_paper(4, 60.0)

    def weight(*shape):
        return Dense(weight=2 * random.integers(-40, 60, shape))

    conv = Conv(weight=2 * random.integers(-30, 60, (2, 1, 2, 2)), in_shape=(1, 3, 4))
    layers = (
        Layer(name="a", synapse=weight(12, 5 + phase.num_neurons), cpg=phase,
              neuron=CELIF(num_neurons=12, v_decay=300, th_decay=41, v_th_mant=90, te_exp=9)),
        Layer(name="b", synapse=conv,
              neuron=CUBA(num_neurons=conv.num_neurons, u_decay=700, v_decay=300, v_th_mant=100, bias_mant=3)),
        Layer(name="c", synapse=weight(8, conv.num_neurons), neuron=RF(num_neurons=4, sin_decay=1500, cos_decay=3500, v_th_mant=60)),
        Layer(name="d", synapse=weight(3, 4), neuron=Readout(num_neurons=3, v_decay=100)),
    )[: 3 if ends_in_spikes else 4]  # fmt: skip
    te = random.integers(-128, 128, (16, 12)) if te is None else te
    return Net(inputs=(Input(num_channels=5),), layers=layers, steps=16, te=te)


def payload_of(net, samples, seed=1, rate=0.4):
    random = np.random.default_rng(seed)
    return (random.random((samples, net.num_channels, net.steps)) < rate).astype(np.int32)


ALL_OF_A = [(0, "s"), (0, "v"), (0, "h"), (0, "theta")]


def test_celif_with_oscillators_and_monitors_equals_the_contract(tmp_path):
    net = busy()
    payload = payload_of(net, 3)

    found, said = run(tmp_path, net, payload, monitors=[*ALL_OF_A, (1, "u"), (2, "s")])

    assert assert_exact(net, payload, found) > 100
    assert len(found) == 1 + 6 + 4 and said["layers"] == 3 and "a: CELIF 12, 1 steps behind" in said["text"]


def test_an_offset_a_pause_and_no_tag_change_nothing(tmp_path):
    """Lava takes floating-point models of its own neurons where the run configuration names no tag."""
    driven = Driven(cpg=Phase.from_paper(3), matrix=np.random.default_rng(1).integers(-60, 60, (12, 3)))
    net = busy(driven, ends_in_spikes=False)
    payload = payload_of(net, 3)
    late, total = 3, 3 + 48 + 4

    found, said = run(
        tmp_path, net, payload, options={"reset_offset": late}, late=late, monitors=[*ALL_OF_A, (1, "v"), (3, "v")],
        tag={}, runs=[7, total - 7],
    )  # fmt: skip

    assert assert_exact(net, payload, found, late=late) > 20
    assert not said["out"] and np.array_equal(found["last 3 v"], found["3 v"][:, -1])


@pytest.mark.parametrize("seed", [5, 14, 22])
def test_a_graph_with_edges_delays_inputs_and_answers(seed, tmp_path):
    net, payload = graph(seed, most_layers=5)
    fires = [i for i, layer in enumerate(net.layers) if layer.neuron.fires]

    found, _ = run(tmp_path, net, payload, monitors=[(i, "s") for i in fires])

    assert assert_exact(net, payload, found) > 20


def test_answers_that_nobody_listens_to(tmp_path):
    net, payload = graph(14, most_layers=5)
    assert len(net.answers) == 2

    found, _ = run(tmp_path, net, payload, sinks=[net.answers[1]])

    assert assert_exact(net, payload, found) > 20


def every_kind():
    """A layer of each kind of neuron behind the input, all of which are answers."""
    random = np.random.default_rng(2)
    layers = [
        Layer(
            name=name,
            source="input",
            synapse=Dense(weight=kinds.weights(random, 4 * kind.sums, 3)),
            neuron=kinds.example(kind),
        )
        for name, kind in KINDS.items()
    ]
    te = random.integers(-128, 128, (kinds.STEPS, 4))
    names = tuple(layer.name for layer in layers)
    return Net(inputs=(Input(num_channels=3),), layers=tuple(layers), steps=kinds.STEPS, te=te, outputs=names)


def test_every_kind_of_neuron(tmp_path):
    net = every_kind()
    payload = kinds.payload(net)
    answers = [(i, layer.neuron.registers[0]) for i, layer in enumerate(net.layers) if not layer.neuron.fires]

    found, said = run(tmp_path, net, payload, monitors=answers)

    assert assert_exact(net, payload, found) > 100 and said["layers"] == len(KINDS)
    silent = [key for key, array in found.items() if not array.any()]
    assert silent == []


def test_without_an_interval_nothing_is_reset(tmp_path):
    net = busy()
    payload = payload_of(net, 3)

    found, _ = run(tmp_path, net, payload, options={"reset_interval": None}, monitors=[(0, "v"), (0, "s")])

    stream = payload.transpose(1, 0, 2).reshape(1, net.num_channels, -1)
    one = dataclasses.replace(net, steps=stream.shape[2])
    assert assert_exact(one, stream, found) > 20
    with pytest.raises(AssertionError):
        assert_exact(net, payload, found)


STOCK_PROGRAM = """
import json, sys
import numpy as np
from spikeproof import lava  # before Lava, which it repairs on current Python
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

x = np.load("x.npy")
net = netx.hdf5.Network(net_config="net.net", reset_interval=30, reset_offset=1)
steps = x.shape[-1] + len(net)
source, sink = Source(data=x), Sink(shape=net.out.shape, buffer=steps)
source.s_out.connect(net.inp)
net.out.connect(sink.a_in)
net.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
spikes = sink.data.get()[..., len(net):]
v = net.layers[-1].neuron.v.get()
net.stop()
print(json.dumps({"spikes": spikes.astype(int).tolist(), "v": v.astype(int).tolist()}))
"""
STOCK_LINE = 'net = netx.hdf5.Network(net_config="net.net", reset_interval=30, reset_offset=1)'
OUR_LINE = 'net = lava.Network("net.net")'


def cuba_net(kind):
    """Two layers that stock NetX runs; of images, (column, row, channel) in Lava, or of channels in a row."""
    random = np.random.default_rng(0)
    neuron = {"u_decay": 1000, "v_decay": 200, "v_th_mant": 90}
    if kind == "dense":
        synapses = [Dense(weight=2 * random.integers(-30, 60, shape)) for shape in ((8, 6), (5, 8))]
    else:
        first = Conv(weight=2 * random.integers(-30, 60, (3, 1, 2, 2)), in_shape=(1, 4, 5), padding=(1, 0))
        second = Conv(weight=2 * random.integers(-30, 50, (2, 3, 3, 2)), in_shape=first.out_shape, stride=(2, 1))
        synapses = [first, second]
    layers = [
        Layer(name=f"cuba{i}", synapse=synapse, neuron=CUBA(num_neurons=synapse.num_neurons, **neuron))
        for i, synapse in enumerate(synapses)
    ]
    return Net(inputs=(Input(num_channels=synapses[0].num_inputs),), layers=tuple(layers), steps=30)


@pytest.mark.parametrize("kind", ["dense", pytest.param("conv", marks=pytest.mark.slow)])
def test_one_line_of_a_program_with_netx_is_changed(kind, tmp_path):
    pytest.importorskip("torch", reason="lava-dl needs torch")
    net = cuba_net(kind)
    payload = payload_of(net, 3, rate=0.2)
    x = payload.transpose(1, 0, 2).reshape(net.num_channels, -1)
    if kind == "conv":
        x = x.reshape(*net.layers[0].synapse.in_shape, -1).transpose(2, 1, 0, 3)
    np.save(tmp_path / "x.npy", x)
    netx.write(net, tmp_path / "net.net")
    script = tmp_path / "script.py"
    said = []
    for line in (STOCK_LINE, OUR_LINE):
        assert STOCK_PROGRAM.count(STOCK_LINE) == 1
        script.write_text(STOCK_PROGRAM.replace(STOCK_LINE, line))
        said.append(answer(script, cwd=tmp_path))

    assert said[0]["spikes"] == said[1]["spikes"]
    # Lava's own neurons keep images as (column, row, channel), ours in the record's order.
    assert np.array_equal(np.transpose(said[0]["v"]).ravel(), said[1]["v"])
    spikes = np.array(said[1]["spikes"])
    spikes = spikes.transpose(2, 1, 0, 3).reshape(-1, 90) if kind == "conv" else spikes
    expected = reference.run(net, payload).layers["cuba1"]["s"]
    assert np.array_equal(spikes, expected.transpose(1, 0, 2).reshape(-1, 90)) and expected.sum() > 100


REFUSED = """
import json, warnings
import numpy as np
from spikeproof import lava
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer as Source

def refusal(act):
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def run(file, tag, inputs):
    net = lava.Network(file)
    for name in list(net.inputs)[:inputs]:
        Source(data=np.ones((net.inputs[name].shape[0], 9), int)).s_out.connect(net.inputs[name])
    net.run(condition=RunSteps(num_steps=9), run_cfg=Loihi2SimCfg(select_tag=tag))

warnings.simplefilter("error")  # a file that Lava cannot import while it looks for models is a warning, too
net = lava.Network("net.net")
print(json.dumps([
    refusal(lambda: run("celif.net", "floating_pt", 1)),
    refusal(lambda: run("net.net", "fixed_pt", 1)),
    refusal(lambda: net.out),
    refusal(lambda: net.outt),
    refusal(lambda: lava.Network("net.net", reset_interval=0)),
    refusal(lambda: lava.Network("net.net", reset_offset=-1)),
    refusal(lambda: lava.Network("none.net")),
]))
"""


def test_what_cannot_run_exactly_is_refused(tmp_path):
    net, _ = graph(7, most_layers=5)
    netx.write(net, tmp_path / "net.net")
    one = dataclasses.replace(busy(), layers=busy().layers[:1])  # of whose processes each has a floating-point model
    netx.write(one, tmp_path / "celif.net")

    floats, alone, out, other, interval, offset, missing = answer(REFUSED, cwd=tmp_path)

    assert "No ProcessModels found with tag 'floating_pt'" in floats and "Network" in floats
    assert alone.startswith(f"InputError: Nothing feeds the input {net.inputs[1].name!r}, {net.inputs[2].name!r}")
    assert "AttributeError: The network has no out: its answer 'l1' is a read-out" in out
    assert other == "AttributeError: 'Network' object has no attribute 'outt'"
    assert interval.startswith("InputError: reset_interval") and offset.startswith("InputError: reset_offset")
    assert missing.startswith("FileFormatError")
