"""Sequence models as records: the same spikes as torch computes with the rounded weights, and refusals by name."""

import copy

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.fixed import SCALE_MAX
from spikeproof.contract.sources import raster
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.sources.phase import spikes as spikes_of
from spikeproof.export import netx, slayer
from spikeproof.export.lint.check import lint
from spikeproof.sim import engine
from spikeproof.sim.verify.forecasts import numbers
from spikeproof.sim.verify.verify import verify
from spikeproof.train.sequence import SequenceModel
from spikeproof.train.sequence import deploy as sequence_deploy
from spikeproof.train.sequence.coded import Coded
from spikeproof.train.sequence.deploy import FLOAT, deploy, inputs, refusals
from spikeproof.train.sequence.layer import Layer
from spikeproof.train.sequence.position import PositionOptions

LENGTH = 7


def model(body, kind="cpg", full=False, channels=8, **options):
    """A model whose norms have seen data, with shifts and gains of their own, and whose oscillators have learned."""
    torch.manual_seed(0)
    position = PositionOptions(kind, channels=channels, full=full)
    module = SequenceModel(body, 3, 4, LENGTH, width=6, depth=2, heads=2, position=position, **options)
    with torch.no_grad():
        if kind == "cpg-learned":
            module.position.encoding.oscillator_turns.normal_(0, 9)
            module.position.encoding.oscillator_phase.uniform_()
            module.position.encoding.oscillator_window.uniform_(0.1, 0.6)
        for _ in range(20):
            module(torch.randn(32, 3, LENGTH))
        for one in module.modules():
            if isinstance(one, Layer):
                one.norm.weight.uniform_(-1.5, 1.5)
                one.norm.bias.uniform_(-0.5, 0.7)
    return module.eval()


def hidden(net):
    """The layers between the code and the read-out."""
    return [layer for layer in net.layers[:-1] if layer.name != "code"]


def rounded(module, net):
    """The float model with the record's integers for weights, biases and thresholds, and no norms."""
    twin, width = copy.deepcopy(module), module.readout.in_features
    own = [one for one in twin.modules() if isinstance(one, Layer)]
    of_code = {edge.target: edge.synapse.weight[:width, :, 0, 0].astype(np.float32) for edge in net.edges}
    for layer, record in zip(own, hidden(net), strict=True):
        beside = of_code.get(record.name, np.zeros((width, 0), np.float32))
        n_in = layer.synapse.in_features - beside.shape[1]
        taps = n_in // (width if layer is not twin.first else n_in)
        heard = n_in // taps
        weight = record.synapse.weight[:width, :heard, 0, :taps].astype(np.float32)
        layer.norm = torch.nn.Identity()
        together = np.concatenate([weight.transpose(0, 2, 1).reshape(width, -1), beside], axis=1)
        layer.synapse.weight.data = torch.from_numpy(together)
        layer.synapse.bias.data = torch.from_numpy(
            record.neuron.bias_mant[: width * LENGTH : LENGTH].astype(np.float32)
        )
        layer.neuron.cell.threshold = float(record.neuron.v_th_mant)
    read, weight = net.layers[-1], net.layers[-1].synapse.weight[:, : width * LENGTH : LENGTH]
    twin.readout.weight.data = torch.from_numpy((weight * LENGTH / read.scale).astype(np.float32))
    bias = np.ldexp(read.neuron.bias_mant.astype(np.float32), read.neuron.bias_exp) / read.scale
    twin.readout.bias.data = torch.from_numpy(bias)
    return twin


CODES = ["cpg", "cpg-designed", "cpg-learned"]


@pytest.mark.parametrize(
    ("kind", "full", "outside"),
    [
        *((kind, False, False) for kind in ("none", "relative", *CODES)),
        *((kind, True, False) for kind in CODES),
        ("cpg-learned", True, True),
        ("cpg", False, True),
    ],
)
@pytest.mark.parametrize("body", ["spike-rnn", "spike-tcn"])
def test_a_record_fires_as_torch_does_with_the_rounded_weights(body, kind, full, outside, monkeypatch):
    if outside:
        monkeypatch.setattr(sequence_deploy, "_MOST_WEIGHTS", 1000)
    module = model(body, kind, full)
    x = np.random.default_rng(1).normal(size=(9, 3, LENGTH)).astype(np.float32)
    net = deploy(module)
    spikes = inputs(module, x)
    sent = sum(each.num_channels for each in net.inputs)
    assert set(np.unique(spikes)) == {0, 1} and spikes.shape == (9, sent, 4)
    assert len(net.inputs) == 1 + outside and (net.layers[0].cpg is not None) == (kind in CODES and not outside)
    assert len(net.edges) == (kind in CODES) * (len(hidden(net)) if full else 1)

    trace = engine.run(net, spikes.astype(np.int32))
    heard = []
    with torch.no_grad():
        twin = rounded(module, net)
        for one in twin.modules():
            if isinstance(one, Layer):
                one.register_forward_hook(lambda _, __, output: heard.append(output.permute(1, 3, 2, 0).flatten(1, 2)))
        expected_output = twin(torch.from_numpy(x)).numpy()

    width = module.readout.in_features * LENGTH
    if net.layers[0].cpg is not None:
        told = module.position().detach().permute(1, 3, 2, 0).reshape(1, -1, 4).expand(9, -1, -1)
        assert np.array_equal(trace.layers["code"]["s"], told.numpy())
    assert len(heard) == len(hidden(net))
    for expected, layer in zip(heard, hidden(net), strict=True):
        found = trace.layers[layer.name]["s"]
        assert np.array_equal(found[:, :width], expected.numpy()), layer.name
        assert 0 < expected.mean() < 1, layer.name
    found = numbers(net, trace.output(net))
    np.testing.assert_allclose(found, expected_output, rtol=0, atol=1e-5)  # torch averages floats
    assert found.std(axis=0).max() > 0.005
    read = module.readout.weight.detach().numpy(), module.readout.bias.detach().numpy()
    for exact, one in zip(read, (twin.readout.weight, twin.readout.bias), strict=True):
        assert np.abs(exact - one.detach().numpy()).max() <= max(np.abs(exact).max() / 60, 2e-3)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("body", "kind", "full", "outside"),
    [
        ("spike-tcn", "relative", False, False),
        ("spike-tcn", "cpg-learned", True, False),
        ("spike-rnn", "cpg", True, True),
    ],
    ids=["relays", "oscillators beside convolutions", "a large code"],
)
def test_a_record_of_convolutions_with_relays_is_exact_on_lava(body, kind, full, outside, tmp_path, monkeypatch):
    if outside:
        monkeypatch.setattr(sequence_deploy, "_MOST_WEIGHTS", 1000)
    module = model(body, kind, full)
    net = deploy(module)
    netx.write(net, tmp_path / "tcn.net")
    x = np.random.default_rng(1).normal(size=(3, 3, LENGTH)).astype(np.float32)

    verdict = verify(tmp_path / "tcn.net", inputs(module, x))

    assert netx.load(tmp_path / "tcn.net") == net
    assert verdict.exact and verdict.comparisons[0].silent == (), str(verdict)


@pytest.mark.parametrize("body", ["spike-rnn", "spike-tcn"])
def test_the_codes_weights_are_the_trained_ones_in_the_units_of_their_layer(body):
    module = model(body, full=True)
    net = deploy(module)
    trained = [one for one in module.modules() if isinstance(one, Coded)]
    for one, edge, layer in zip(trained, net.edges, hidden(net), strict=True):
        gain = one.norm.weight / (one.norm.running_var + one.norm.eps).sqrt()
        weight = (one.synapse.weight[:, one.n_in :] * gain[:, None]).detach().numpy()
        unit = one.neuron.cell.threshold / np.max(layer.neuron.v_th_mant)  # of a threshold that is rounded
        found = edge.synapse.weight[:, :, 0, 0] * unit
        np.testing.assert_allclose(found[: len(weight)], weight, rtol=0.05, atol=1.1 * unit)
        assert not found[len(weight) :].any() and np.abs(weight).max() > 10 * unit  # relays hear no code


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 24, 2**12])
def test_oscillators_of_all_positions_spike_as_the_code_does(length):
    """Windows of any kind, increments that L makes more than half a turn of, and those at the edges of both."""
    random = np.random.default_rng(length)
    n, half = 400, 2**23
    increment = np.concatenate([random.integers(0, half + 1, n - 6), [0, 1, half - 1, half, half // length, half // 3]])
    start, initial = random.integers(0, 2**24, (2, n))
    window = np.concatenate([random.integers(0, 2**24 + 1, n - 4), [0, 1, 2**24 - 1, 2**24]])
    params = Phase(num_neurons=n, increment=increment, start=start, length=window, initial=initial)

    image = sequence_deploy._of_positions(params, length)

    told = spikes_of(params, np.arange(9 * length)).reshape(9, length, n).transpose(0, 2, 1).reshape(9, -1)
    assert np.array_equal(raster(image, 9), told)


def test_parts_that_no_record_can_hold_are_named():
    with pytest.raises(UnsupportedError, match=r"Attention \(body\.0\.attention and 1 more\): it multiplies spikes"):
        deploy(model("spikformer"))
    (only,) = refusals(model("spikformer", full=True))
    assert (only.what, only.where) == ("Attention", "body.0.attention and 1 more")
    with pytest.raises(UnsupportedError, match=r"GRULayer .*; PositionTable \(position\): its columns are numbers"):
        deploy(model("spike-gru", "sinusoid"))
    assert len(refusals(model("spike-rnn", "learned"))) == 1 and refusals(model("spike-tcn", "relative")) == []
    words = SequenceModel("spike-rnn", 1, 2, LENGTH, vocabulary=5)
    with pytest.raises(UnsupportedError, match=r"Embedding \(tokens\).*What can be exported is model = spike-rnn"):
        deploy(words)


def test_the_linter_and_the_exporter_take_whole_models(tmp_path):
    (error,) = lint(model("spikformer"))
    assert (error.severity, error.rule, error.where) == ("error", "refused", "body.0.attention and 1 more")
    assert "synapses multiply spikes with weights" in str(error) and "model = spike-rnn or spike-tcn" in error.fix
    module = model("spike-tcn")
    assert all(found.severity != "error" and found.rule != "training-only" for found in lint(module))
    assert slayer.export_netx(module, tmp_path / "tcn.net") == deploy(module) == netx.load(tmp_path / "tcn.net")
    with pytest.raises(UnsupportedError, match="Attention"):
        slayer.export_netx(model("spikformer"), tmp_path / "none.net")
    assert not (tmp_path / "none.net").exists()
    with pytest.raises(UnsupportedError, match=r"has no blocks.*Go on with that: spikeproof\.record\(module\)"):
        slayer.blocks(module)


def test_a_floating_point_model_is_proved_by_its_record_and_told_how_far_that_is():
    module = model("spike-tcn").train()
    x = np.random.default_rng(1).normal(size=(9, 3, LENGTH))  # doubles

    verdict = verify(module, torch.from_numpy(x), backends=("engine", "reference"), samples=8)

    assert module.training and verdict.exact and not verdict.whole, str(verdict)
    assert verdict.net == deploy(module) and len(verdict.answers["engine"].samples) == 8
    gap = verdict.float_gap
    assert gap.meaning == FLOAT and gap.output.shape == (8, 4) and 4 <= gap.same_class <= 8
    module.eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(x[:8].astype(np.float32))).numpy() * verdict.net.steps
    np.testing.assert_allclose(gap.output, expected, rtol=1e-6)
    assert f"float to fixed: {gap.same_class} of 8 samples keep their class" in str(verdict)
    plain = verify(deploy(module), inputs(module, x[:8].astype(np.float32)), backends=("engine", "reference"))
    assert plain.input_sha256 == verdict.input_sha256 and plain.comparisons == verdict.comparisons


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (None, {}, rf"Give an input x of shape \(samples, 3 channels, {LENGTH} positions\)"),
        (
            np.zeros((2, 3, 4)),
            {},
            rf"Input has shape \(2, 3, 4\); expected \(samples, 3 channels, {LENGTH} positions\)",
        ),
        (np.zeros(3), {}, r"Input has shape \(3,\)"),
        (np.zeros((2, 3, LENGTH)), {"samples": 3}, r"samples = 3: there are 2"),
        (np.zeros((2, 3, LENGTH)), {"file": "a.net"}, "SequenceModel: leave out file and input"),
        ([["a"]], {}, "expected numbers"),
    ],
)
def test_what_a_floating_point_model_does_not_take_is_refused(x, options, words):
    with pytest.raises(InputError, match=words):
        verify(model("spike-rnn"), x, backends=("engine", "reference"), **options)
    with pytest.raises(UnsupportedError, match="Attention"):
        verify(model("spikformer"), x, backends=("engine", "reference"))


def test_a_read_out_of_small_weights_keeps_a_scale_that_a_layer_can_have():
    """Over many positions an average's weights become so small that a power of two past the largest would suit them."""
    module = model("spike-rnn")
    with torch.no_grad():
        module.readout.weight *= 2.0**-12
    net = deploy(module)
    assert net.layers[-1].scale == SCALE_MAX and net.layers[-1].synapse.weight.any()


def test_a_model_as_a_whole_takes_no_steps_and_no_input():
    module = model("spike-rnn")
    module.deployed = lambda: deploy(module)
    with pytest.raises(InputError, match="SequenceModel says itself what enters it .*; leave out steps"):
        slayer.record(module, steps=5)
    assert slayer.record(module) == deploy(module)
