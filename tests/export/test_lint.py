"""The linter on records and files: each rule has something that triggers it and words; a clean network triggers none."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from graphs import graph as random_graph
from stock_files import CONV, DENSE, INPUT, write

from spikeproof.contract.errors import FileFormatError, LintWarning
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.adrf import ADRF
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.neurons.rf import RF
from spikeproof.contract.neurons.sigma_delta import SigmaDelta
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.lint.check import lint, rules
from spikeproof.export.lint.stock_netx import round_trip, shift_bits
from spikeproof.export.parts.constants import ALWAYS
from spikeproof.sim.bounds import bounds

WEIGHT = [[2, -4, 6], [8, 10, -12]]
LIF = {"num_neurons": 2, "u_decay": 1024, "v_decay": 128, "v_th_mant": 80}


def net(neuron=None, weight=WEIGHT, source=None, te=None, steps=10, **layer):
    """A network of one layer."""
    synapse = layer.pop("synapse", None) or Dense(weight=weight)
    one = Layer(name="one", synapse=synapse, neuron=neuron or CUBA(**LIF), **layer)
    source = source or Input(num_channels=synapse.num_inputs)
    return Net(inputs=(source,), layers=(one,), steps=steps, te=te)


def resonator(sin=2000, cos=3000, **more):
    return RF(num_neurons=1, sin_decay=sin, cos_decay=cos, v_th_mant=9, **more)


def graph(*edges, layers=("one", "two"), **more):
    """Layers of two neurons in a row, with edges (source, target, delay) beside it."""
    square = Dense(weight=[[2, -4], [6, 8]])
    more.setdefault("inputs", (Input(num_channels=2),))
    made = tuple(each if isinstance(each, Layer) else plain(each) for each in layers)
    edges = tuple(Edge(source=a, target=b, synapse=square, delay=d) for a, b, d in edges)
    return Net(layers=made, edges=edges, steps=10, **more)


def plain(name, **more):
    return Layer(**{"name": name, "synapse": Dense(weight=[[2, -4], [6, 8]]), "neuron": CUBA(**LIF)} | more)


TWO = (Input(num_channels=2), Input(num_channels=2, name="second"))
AXON = Axon(delay=[3, 0])
IMAGES = Conv(weight=np.full((2, 1, 1, 1), 2), in_shape=(1, 1, 1))
GROUPS = Conv(weight=np.full((128, 1, 1, 1), 2), in_shape=(128, 1, 1), groups=128)
BACK = Dense(weight=[[2, -2], [2, 2]])

RECORDS = {
    # rule: (record, all rules that find something, words)
    "bias-offset": (net(CUBA(**LIF, bias_mant=[0, 3])), {"bias-offset"}, "a bias on 1 of 2 neurons"),
    "bias-and-delay": (
        net(CUBA(**LIF, bias_mant=[0, 3]), axon=AXON),
        {"bias-and-delay", "bias-offset", "no-reset"},
        "stock NetX delays what a neuron receives instead of what it sends",
    ),
    "delay-dropped": (
        net(axon=AXON, synapse=IMAGES),
        {"delay-dropped", "no-reset"},
        "delays of up to 3 steps. Stock NetX reads none of convolutions",
    ),
    "recurrent-delay": (
        net(axon=AXON, feedback=BACK),
        {"recurrent-delay", "no-reset"},
        "stock NetX delays the feedback",
    ),
    "shifted-sums": (
        net(synapse=Dense(weight=WEIGHT, weight_exp=2)),
        {"shifted-sums"},
        "sums that a weight exponent shifts",
    ),
    "resonator-decay": (
        net(resonator(sin=1903)),
        {"resonator-decay", "no-reset"},
        "1 of 1 pairs of sine and cosine decay come back changed",
    ),
    "adaptive-resonator": (
        net(ADRF(num_neurons=1, sin_decay=9, cos_decay=9, th_decay=9, ref_decay=9, v_th_mant=9, v_th_step=9)),
        {"adaptive-resonator"},
        "neurons of type ADRF",
    ),
    "recurrent-bias": (
        net(feedback=BACK, cpg=ALWAYS, source=Input(num_channels=2)),
        {"recurrent-bias", "no-reset"},
        "stock NetX adds it behind the current",
    ),
    "norm-dropped": (
        net(resonator(sin=1900), cpg=ALWAYS, source=Input(num_channels=2)),
        {"norm-dropped", "no-reset"},
        "stock export_hdf5 looks for neuron.norm",
    ),
    "membrane-output": (
        net(LeakyIntegrator(num_neurons=2, u_decay=4096, v_decay=0)),
        {"membrane-output"},
        "its threshold cannot be reached, so the membrane is the answer",
    ),
    "graded-spike": (net(CUBA(**LIF, graded=1)), {"graded-spike"}, "stock NetX does not read gradedSpike"),
    "graded-input": (
        net(source=Input(num_channels=3, bits=4)),
        {"graded-input"},
        "payloads of 4 bits. Stock NetX's input_message_bits is 0 by default",
    ),
    "weight-exponent": (net(CUBA(**LIF, u_shift=2)), {"weight-exponent"}, "is shifted by 2 bits. Stock NetX does not"),
    "sign-mode": (
        net(weight=[[-128, -6, -2], [-2, -128, -4]]),
        {"sign-mode"},
        "2 weights of -128, and no weight is above 0. Stock NetX scales them to -256",
    ),
    "conv-groups": (
        net(CUBA(**LIF | {"num_neurons": 128}), synapse=GROUPS),
        {"conv-groups"},
        "128 groups. Lava's Conv keeps their number in 8 bits",
    ),
    "threshold-equality": (net(CUBA(**LIF | {"v_th_mant": 4096})), {"threshold-equality"}, "a threshold of 4096. From"),
    "sigma-delta-threshold": (
        net(SigmaDelta(num_neurons=2, v_th=[4096, 6144]), source=Input(num_channels=3, bits=12, exp=-12)),
        {"sigma-delta-threshold", "no-reset", "graded-input", "wide-sums"},
        "a threshold of 1.5 weight units. Stock lava-dl exports whole ones",
    ),
    "no-reset": (net(feedback=BACK), {"no-reset"}, "recurrent synapses, which keep what a sample leaves behind"),
    "wide-sums": (
        net(source=Input(num_channels=3, bits=12)),
        {"wide-sums", "graded-input", "unproven-range"},
        "can reach 122850",
    ),
    "zero-weights": (
        net(weight=np.zeros((2, 3))),
        {"zero-weights", "unused-input"},
        "all weights are zero. It sees nothing but its bias",
    ),
    "weights-at-limit": (
        net(weight=[[254, -4, 6], [8, -256, -12]]),
        {"weights-at-limit"},
        "2 of 6 weights of input -> one are -256 or 254. No weight is larger",
    ),
    "never-arrives": (
        graph(("one", "two", [2, 10])),
        {"never-arrives", "not-in-a-row", "own-process"},
        "some delays of one -> two (2) are as long as a sample of 10 steps or longer, up to 10",
    ),
    "unused-input": (
        graph(inputs=TWO),
        {"unused-input", "not-in-a-row"},
        "no synapse takes anything of this input",
    ),
    "reaches-no-answer": (
        graph(outputs=("one",)),
        {"reaches-no-answer", "not-in-a-row"},
        "no way leads from it to an answer. The network answers with one",
    ),
    "not-in-a-row": (
        graph(("one", "two", 1), ("two", "one", 2), outputs=("one", "two")),
        {"not-in-a-row", "own-process"},
        "edges: one -> two, two -> one; answers: one, two. Stock NetX runs layers one behind the other",
    ),
    "encoding-wraps": (
        net(CELIF(num_neurons=2, v_decay=9, th_decay=9, v_th_mant=9, te_exp=9), te=np.ones((4, 2), np.int8)),
        {"encoding-wraps", "own-process"},
        "the temporal encoding has 4 rows for 10 steps",
    ),
    "own-process": (
        net(CELIF(num_neurons=2, v_decay=9, th_decay=9, v_th_mant=9, te_exp=9), te=np.ones((10, 2), np.int8)),
        {"own-process"},
        "stock lava-dl netx refuses this file",
    ),
    "unproven-range": (
        net(CUBA(**{**LIF, "u_decay": 0}), weight=[[254] * 3] * 2, steps=10**4),
        {"unproven-range", "weights-at-limit"},
        "2 of 2 neurons could reach",
    ),
}


@pytest.mark.parametrize("rule", RECORDS)
def test_a_rule_about_records_finds_its_example_and_says_so(rule):
    record, names, words = RECORDS[rule]

    findings = lint(record)

    assert {found.rule for found in findings} == names
    (found,) = (found for found in findings if found.rule == rule)
    assert words.lower() in str(found).lower() and found.where in ("one", "two", "input", "second", "network")
    warned = ("zero-weights", "never-arrives", "unused-input", "reaches-no-answer")
    assert found.severity == ("warning" if rule in warned else "info")


def named(record):
    return {found.rule: found for found in lint(record)}


def test_rules_about_records_look_at_every_way_into_a_layer():
    zero = Dense(weight=np.zeros((2, 2)))
    silent = dataclasses.replace(graph(("one", "two", 1)), edges=(Edge(source="one", target="two", synapse=zero),))
    assert named(silent)["zero-weights"].what == "all weights of one -> two (2) are zero"
    recurrent = graph(layers=("one", plain("two", feedback=zero)))
    assert named(recurrent)["zero-weights"].what == "all weights of two -> two are zero"
    fed = dataclasses.replace(graph(("input", "one", 0), layers=(plain("one", synapse=zero),)))
    assert named(fed)["zero-weights"].why.startswith("its own synapses deliver nothing")
    assert "unused-input" not in named(fed)  # the edge listens

    large = Edge(source="one", target="two", synapse=Dense(weight=[[2, -256], [6, 8]]))
    found = named(dataclasses.replace(graph(), edges=(large,)))["weights-at-limit"]
    assert (found.where, found.what) == ("two", "1 of 4 weights of one -> two (2) are -256 or 254")

    wide = dataclasses.replace(large, source="input", target="one")
    assert "wide-sums" in named(dataclasses.replace(graph(), edges=(wide,) * 128))

    assert "never-arrives" not in named(graph(("one", "two", 9)))
    own = graph(layers=("one", plain("two", delay=[[12, 3], [10, 11]])))
    assert named(own)["never-arrives"].what.startswith("some delays of one -> two are")
    assert named(graph(("one", "two", 10)))["never-arrives"].what.startswith("all delays of one -> two (2) are")
    assert "not-in-a-row" not in named(own)  # stock NetX reads a delay for each synapse, of up to 62 steps
    far = graph(layers=("one", plain("two", delay=63)))
    assert "synapses of two" in named(far)["not-in-a-row"].what

    # A branch that leads back to what answers matters; one that leads away does not.
    back = graph(("three", "one", 3), layers=("one", "two", "three"), outputs=("two",))
    assert "reaches-no-answer" not in named(back)
    away = graph(("one", "three", 0), layers=("one", "two", "three"), outputs=("two",))
    assert named(away)["reaches-no-answer"].where == "three"


def test_own_processes_are_needed_where_spikes_wait():
    skip = graph(("one", "three", 0), layers=("one", "two", "three"))
    found = named(skip)["own-process"]
    assert (found.where, found.what) == (
        "three",
        "spikes wait on 1 of the ways between layers, the first of which is one -> three",
    )
    assert "own-process" not in named(graph(("input", "one", 0)))  # as long as the layer's own synapses
    assert "own-process" not in named(graph(layers=(plain("one", axon=AXON), "two")))


def test_a_network_that_stock_netx_loads_and_runs_otherwise_is_warned_of(tmp_path):
    netx.write(graph(outputs=("one", "two")), tmp_path / "answers.net")
    netx.write(graph(("one", "two", 1)), tmp_path / "edges.net")
    biased = plain("two", neuron=CUBA(**LIF, bias_mant=[0, 3]))

    assert [(each.rule, each.severity) for each in lint(tmp_path / "answers.net")] == [("not-in-a-row", "warning")]
    assert {each.severity for each in lint(tmp_path / "edges.net")} == {"info"}  # stock NetX refuses the file
    # What the stock path would do wrong is said where there is one.
    assert "bias-offset" in named(graph(layers=("one", biased), outputs=("two", "one")))
    assert "bias-offset" not in named(graph(("one", "two", 1), layers=("one", biased)))
    delayed = dataclasses.replace(biased, delay=63)
    assert "bias-offset" not in named(graph(layers=("one", delayed)))


FILES = {
    # rule: (layers, where, severity, all rules that find something, words)
    "cut-off": (
        [DENSE | {"weight": np.float32([[2, -4, 5.99999], [8, 10, -12]])}],
        "layer/0",
        {"cut-off"},
        "1 of 6 values of weight lie just below a whole number",
    ),
    "ignored-field": ([DENSE | {"neuron/wgtExp": 2}], "layer/0", {"ignored-field"}, "neuron/wgtExp is 2"),
    "input-transform": (
        [DENSE | {"type": "input", "shape": [3], "weight": 36.0, "neuron/iDecay": 4096}, DENSE],
        "layer/0",
        {"input-transform", "wide-sums"},
        "stock NetX connects no input to them, and applies no transform",
    ),
    "input-decay": (
        [DENSE | {"type": "input", "shape": [3], "weight": 36.0}, DENSE],
        "layer/0",
        {"input-decay", "input-transform", "wide-sums", "unproven-range"},
        "its neurons' iDecay is 1024, not 4096",
    ),
    "no-neurons": (
        [INPUT, {k: v for k, v in DENSE.items() if "neuron" not in k}],
        "layer/1",
        {"no-neurons"},
        "stock NetX builds integrators without leak there",
    ),
    "flatten-first": (
        [
            {"type": "input", "shape": [1, 1, 3]} | {"shape": [3, 2, 2]},
            {"type": "flatten", "shape": [12]},
            DENSE | {"weight": np.array([[2.0, -4.0] * 6] * 2)},
        ],
        "layer/1",
        {"flatten-first"},
        "images of (3, 2, 2) are flattened before the first layer",
    ),
    "start-of-bias": (
        [DENSE, DENSE | {"weight": [[2.0, -4.0]] * 2, "bias": [2.0, 0.0]}],
        "dense1",
        {"start-of-bias", "bias-offset"},
        "convert it with spikeproof export --delay-shift if the blocks had it",
    ),
}


@pytest.mark.parametrize("rule", FILES)
def test_a_rule_about_stock_files_finds_its_example_and_says_so(rule, tmp_path):
    layers, where, names, words = FILES[rule]

    findings = lint(write(tmp_path / "stock.net", layers))

    assert {found.rule for found in findings} == names
    (found,) = (found for found in findings if found.rule == rule)
    assert words.lower() in str(found).lower() and found.where == where


def test_faults_of_the_stock_path_are_warnings_in_files_that_it_loads(tmp_path):
    biased = net(CUBA(**LIF, bias_mant=[0, 3]))
    graded = net(CUBA(**LIF, bias_mant=[0, 3], graded=1))
    for each in (biased, graded):
        netx.write(each, tmp_path / f"{each.layers[0].neuron.graded}.net")
    stock = lint(write(tmp_path / "stock.net", [DENSE | {"bias": [0.0, 3.0]}]))

    assert [(found.rule, found.severity) for found in stock] == [("bias-offset", "warning")]
    assert [found.severity for found in lint(tmp_path / "0.net")] == ["warning"]
    assert {found.severity for found in lint(tmp_path / "1.net")} == {"info"}  # stock NetX refuses the file


def test_a_clean_network_has_no_findings(tmp_path):
    netx.write(net(), tmp_path / "ours.net")
    layers = [INPUT, DENSE, DENSE | {"weight": np.array([[2.0, -4.0], [4.0, 6.0]])}]

    assert lint(net()) == lint(tmp_path / "ours.net") == lint(write(tmp_path / "stock.net", layers)) == []


def test_all_that_is_refused_in_a_file_is_found_at_once(tmp_path):
    layers = [DENSE | {"neuron/refDelay": 5}, CONV | {"type": "convolution"}, DENSE | {"weight": [[1.5, 2.0]] * 2}]

    findings = lint(write(tmp_path / "stock.net", layers))

    assert {(found.rule, found.severity) for found in findings} == {("refused", "error")}
    assert [(found.where, found.what) for found in findings] == [
        ("layer/0", "refDelay"),
        ("layer/1", "it cannot be exact"),
        ("layer/2", "it cannot be exact"),
    ]
    assert findings[0].why.startswith("5 steps of rest") and findings[0].fix.startswith("Train with a refractory")
    assert "leave such a layer out" in findings[1].why + findings[1].fix


def test_a_damaged_file_is_an_error_and_not_a_finding(tmp_path):
    (tmp_path / "bad.net").write_bytes(b"\x89HDF")
    with pytest.raises(FileFormatError, match="bad.net: not a readable HDF5 file"):
        lint(tmp_path / "bad.net")
    with pytest.raises(FileFormatError, match="absent.net: no such file"):
        lint(tmp_path / "absent.net")


@pytest.fixture
def lava():
    """Lava on this Python, with SLAYER."""
    pytest.importorskip("torch")
    from spikeproof.lava_procs import compat

    compat.apply()
    return pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")


def test_decays_are_changed_as_stock_netx_and_lava_change_them(lava):
    from lava.lib.dl.slayer.neuron.rf import neuron_params
    from lava.proc.rf.process import RF as Process

    sin, cos = np.random.default_rng(0).integers(1, 2896, (2, 2000))
    params = neuron_params({"sinDecay": sin, "cosDecay": cos, "vThMant": 9})
    process = Process(shape=(1,), period=params["period"], alpha=params["decay"], vth=9, state_exp=6, decay_bits=12)

    found = round_trip(sin, cos)

    assert np.array_equal(found, [process.sin_decay.init, process.cos_decay.init])
    assert 0.3 < (found != [sin, cos]).any(axis=0).mean() < 0.5  # 39 % of random pairs, measured on the stock path


def test_weights_are_lost_as_stock_netx_and_lava_lose_them(lava):
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    random = np.random.default_rng(0)
    lossy = 0
    for _ in range(120):
        least, most = sorted(2 * random.integers(-128, random.choice([1, 0, 0, 128]), 2))
        weight = 2 * random.integers(least // 2, most // 2 + 1, (3, 4))
        weight[0, 0] = random.choice([least, -(2 ** random.integers(1, 9))]) if most <= 0 else least
        if not weight.any():
            continue
        with np.errstate(divide="ignore"):
            shifted, bits, exponent, _ = optimize_weight_bits(weight)
        assert shift_bits(weight) == -exponent
        mode = determine_sign_mode(shifted)
        held = truncate_weights(clip_weights(shifted, mode, 8), mode, bits)
        lost = not np.array_equal(held, shifted)
        lossy += lost
        assert lost == any(found.rule == "sign-mode" for found in lint(net(CUBA(**LIF | {"num_neurons": 3}), weight)))
    assert 10 < lossy < 110
    assert shift_bits(np.zeros(2)) is None


def slayer_block():
    """SLAYER's CUBA blocks; the tests about modules are left out without them."""
    from slayer_nets import block

    return block


CUBA_PARAMS = {"threshold": 0.4, "current_decay": 0.4, "voltage_decay": 0.1}


def dense(inputs=3, outputs=4, params=CUBA_PARAMS, **options):
    import torch

    torch.manual_seed(0)
    return slayer_block().Dense(dict(params), inputs, outputs, weight_scale=2, **options)


def row(*modules):
    import torch

    return torch.nn.Sequential(*modules).eval()


def with_head():
    """A module as in SLAYER's examples, whose forward pass has a part behind its blocks."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList([dense()])
            self.attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            spikes = self.blocks[0](x).transpose(1, 2)
            return self.attention(spikes, spikes, spikes)[0].mean(1)

    return Net().eval()


SAMPLE = np.random.default_rng(0).integers(0, 2, (2, 3, 10))


def pushed(module, value):
    """Give a weight a value."""
    import torch

    with torch.no_grad():
        module.synapse.weight.reshape(-1)[0] = value
    return module


def with_bias():
    import torch
    from slayer_nets import slayer

    block = slayer.block.sigma_delta.Dense({"threshold": 0.25, "activation": torch.nn.functional.relu}, 3, 4)
    block(torch.zeros(1, 3, 2))
    block.neuron.set_bias(torch.full((4,), 0.5))
    return row(block)


def masked():
    import torch

    return row(dense(mask=torch.eye(4, 3)))


MODULES = {
    # rule: (module, where, all rules that find something, words)
    "training-only": (
        lambda: (with_head(), {"sample": SAMPLE}),
        "attention",
        {"training-only"},
        "a MultiheadAttention with 80 parameters is not in the file, and runs on the host if forward uses it",
    ),
    "kept-state": (
        lambda: row(slayer_block().Recurrent(dict(CUBA_PARAMS), 3, 4, weight_scale=2)),
        "cuba1",
        {"kept-state", "no-reset"},
        "Call spikeproof.reset_state(module) before every batch, in training too",
    ),
    "clipped-weights": (
        lambda: row(pushed(dense(), 5.0)),
        "cuba1",
        {"clipped-weights", "weights-at-limit"},
        "1 of 12 weights lie beyond -4 to 3.98438. The forward pass clips them",
    ),
    "no-neurons": (
        lambda: row(dense(), slayer_block().Affine(dict(CUBA_PARAMS), 4, 2, dynamics=False)),
        "cuba2",
        {"no-neurons"},
        "stock NetX then builds integrators without leak",
    ),
    "weight-norm": (
        lambda: row(dense(weight_norm=True)),
        "cuba1",
        {"weight-norm"},
        "stock export_hdf5 takes weight norm off the live module",
    ),
    "mask": (masked, "cuba1", {"mask"}, "Export with spikeproof.export_netx, which applies it"),
    "set-bias": (
        with_bias,
        "sigma_delta1",
        {"set-bias", "bias-offset", "no-reset", "graded-input", "wide-sums", "unproven-range"},
        "stock export_hdf5 writes a norm's bias and no other",
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
@pytest.mark.parametrize("rule", MODULES)
def test_a_rule_about_modules_finds_its_example_and_says_so(rule):
    make, where, names, words = MODULES[rule]

    made = make()
    subject, options = made if isinstance(made, tuple) else (made, {})
    findings = lint(subject, **options)

    assert {found.rule for found in findings} == names
    (found,) = (found for found in findings if found.rule == rule)
    assert words.lower() in str(found).lower() and found.where == where


def test_a_clean_module_has_no_findings_and_no_warnings_when_it_is_exported(tmp_path):
    from spikeproof.export.slayer import export_netx

    module = row(dense(), dense(4, 2))
    assert lint(module) == []
    export_netx(module, tmp_path / "net.net", steps=10)  # warnings are errors here


def test_a_module_in_training_mode_is_read_in_evaluation_mode_if_there_is_a_sample():
    import torch
    import user_modules as users

    slayer_block()
    from lava.lib.dl.slayer.neuron import Dropout

    drop = {"dropout": Dropout(p=0.5)}
    module = torch.nn.Sequential(users.dense(users.CHANNELS, 6, params=drop), users.dense(6, 3)).train()
    assert [found for found in lint(module, sample=users.x_of()) if found.severity == "error"] == []
    assert module.training and module[0].neuron.training
    assert any("training mode" in str(found) for found in lint(module))  # without one, nothing is run


def test_what_a_file_will_not_hold_is_said_when_it_is_exported(tmp_path):
    from spikeproof.export.slayer import export_netx

    with pytest.warns(LintWarning, match="training-only: attention: a MultiheadAttention with 80 parameters"):
        export_netx(with_head(), tmp_path / "net.net", sample=SAMPLE)


def test_parts_that_no_reader_knows_are_named_with_their_reason():
    import torch

    findings = lint(row(dense(), torch.nn.LayerNorm(4), torch.nn.BatchNorm1d(4), dense(4, 2), torch.nn.Linear(2, 2)))

    refused = [found for found in findings if found.rule == "refused"]
    assert [found.what for found in refused] == [
        "a LayerNorm between the blocks",
        "a BatchNorm1d between the blocks",
        "a Linear between the blocks",
    ]
    assert {found.rule for found in findings} == {"refused"} and len(findings) == 3
    assert "measured anew in every step" in refused[0].why and "WgtScaleBatchNorm" in refused[1].fix
    assert "spikeproof.Readout" in refused[2].fix
    unknown, plain = lint(torch.nn.Sequential(torch.nn.Bilinear(2, 2, 2), torch.nn.ReLU(), dense()))
    assert unknown.why == "it has parameters of its own, and no reader knows what it computes with them"
    assert plain.what == "a ReLU between the blocks" and "Leave it out, as neurons rectify" in plain.fix


def test_parts_around_and_beside_blocks_are_named_by_their_paths():
    import torch

    module = with_head()
    module.position = torch.nn.Parameter(torch.zeros(5))
    module.more = torch.nn.Sequential(torch.nn.GRU(4, 4), torch.nn.ReLU(), torch.nn.Embedding(3, 2))

    findings = lint(module, sample=SAMPLE)

    assert {(found.where, found.what) for found in findings} == {
        ("network", "a Net with 5 parameters of its own is not in the file, and runs on the host if forward uses it"),
        (
            "attention",
            "a MultiheadAttention with 80 parameters is not in the file, and runs on the host if forward uses it",
        ),
        ("more.0", "a GRU with 120 parameters is not in the file, and runs on the host if forward uses it"),
        ("more.2", "a Embedding with 6 parameters is not in the file, and runs on the host if forward uses it"),
    }


def test_all_that_the_exporter_refuses_is_found_at_once():
    params = CUBA_PARAMS | {"persistent_state": True}
    findings = lint(row(dense(params=params), dense(4, 4), dense(4, 2, count_log=True), dense(2, 2, delay=True)))

    assert [(found.where, found.what, found.severity) for found in findings] == [
        ("cuba1", "persistent_state", "error"),
        ("cuba3", "count_log", "error"),
        ("cuba4", "delay", "error"),
    ]
    assert findings[0].why == "samples must start from reset"
    assert findings[1].fix == "Build it with count_log=False"
    (nothing,) = lint(row())
    assert nothing.what == "it cannot be exact" and "holds no layers" in nothing.why


def test_every_rule_is_documented_and_tested():
    pytest.importorskip("torch")
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text()
    rows = [f"| `{rule.name}` | {rule.severity} | {rule.looks_at} | {rule.summary} |" for rule in rules()]

    assert re.findall(r"^\| `.*$", page, re.M)[: len(rows)] == rows
    assert {rule.name for rule in rules()} == {*RECORDS, *FILES, *MODULES}


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_unproven_is_what_no_bound_proves(seed):
    """The rule takes all that feeds a layer to act in every step, so where it finds nothing, bounds find nothing."""
    record, _ = random_graph(seed)
    findings = {found.where for found in lint(record) if found.rule == "unproven-range"}
    unproven = {bound.layer for bound in bounds(record).found if not bound.proven}
    assert unproven <= findings
