"""The float twin is the network without rounding, and both gaps are told apart."""

import dataclasses

import numpy as np
import pytest
import torch

from spikeproof.contract import real
from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.net import Edge, Input
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export.slayer import blocks, record
from spikeproof.sim import reference
from spikeproof.sim.engine import unrounded
from spikeproof.sim.simulate import encode
from spikeproof.sim.verify import float_twin
from spikeproof.sim.verify.verify import verify
from spikeproof.train.runs.models import Classifier


def on_the_grid(module, x):
    """Put every trained number where the integers can hold it, so that rounding it changes nothing."""
    net = record(module, sample=x)
    with torch.no_grad():
        for block, layer in zip([b for b in module.blocks if hasattr(b, "synapse")], net.layers, strict=True):
            synapse = block.synapse
            synapse.weight.copy_(torch.as_tensor(layer.synapse.weight / layer.scale))
            unit = 2.0 ** (synapse.bias_exp - synapse.state_shift) / layer.scale
            synapse.bias.copy_(torch.as_tensor(layer.neuron.bias_mant * unit))
    return module


def slow_float(module, x):
    """The update of arXiv 2308.15150 in SLAYER's units, written out sample by sample."""
    hidden = [b for b in module.blocks if hasattr(b, "neuron")]
    te = module.encoding.weight.detach().double().numpy()
    spikes = np.asarray(x, np.float64)
    rasters = []
    for block in hidden:
        neuron, synapse = block.neuron, block.synapse
        weight, bias = (p.detach().double().numpy() for p in (synapse.weight, synapse.bias))
        alpha, beta = 1 - neuron.v_decay / 4096, 1 - neuron.th_decay / 4096
        out = np.zeros((len(spikes), len(weight), spikes.shape[2]))
        for i, sample in enumerate(spikes):
            v, h, s = (np.zeros(len(weight)) for _ in range(3))
            for t in range(sample.shape[1]):
                h = beta * h + v * te[: len(weight), t]
                v = alpha * v * (1 - s) + weight @ sample[:, t] + bias
                s = (v > neuron.threshold + h).astype(float)
                out[i, :, t] = s
        spikes = out
        rasters.append(out)
    weight, bias = (
        p.detach().double().numpy() for p in (module.blocks[-1].synapse.weight, module.blocks[-1].synapse.bias)
    )
    return rasters, spikes.sum(-1) @ weight.T + x.shape[2] * bias


def test_it_is_the_papers_float_network():
    torch.manual_seed(2)
    module = Classifier(1, (10, 12), 3, 16).eval()
    x = np.random.default_rng(0).random((5, 1, 16))
    net = record(module, sample=x)
    fixed = reference.run(net, encode(net, x))
    rasters, output = slow_float(module, x)
    twin = float_twin.FloatTwin(blocks(module, x), net)

    gap = twin.compare(twin.run(x), fixed)

    assert [layer.spikes_float for layer in gap.layers] == [int(r.sum()) for r in rasters]
    assert np.allclose(gap.output, output, rtol=1e-12, atol=0)
    assert [layer.differ for layer in gap.layers] == [
        int((r != fixed.layers[layer.name]["s"]).sum()) for r, layer in zip(rasters, net.layers, strict=False)
    ]
    assert all(layer.spikes_fixed > 0 for layer in gap.layers) and any(layer.differ for layer in gap.layers)


@pytest.mark.parametrize("seed", range(12))
def test_its_compiled_neurons_are_the_contracts_step_over_the_real_numbers(seed):
    """Bit for bit, registers far past the ends of integer ones included, and spikes at the threshold itself."""
    random = np.random.default_rng(seed)
    n, steps = 9, 40
    decays = random.choice([0, 1, 41, 2048, 4095, 4096], (2, n))
    neuron = CELIF(num_neurons=n, v_decay=decays[0], th_decay=decays[1], v_th_mant=int(random.integers(0, 300)),
                   te_exp=int(random.integers(0, 12)), a_shift=int(random.integers(0, 8)))  # fmt: skip
    unit = (neuron.v_th_mant << 6) / 2**neuron.a_shift + 1
    sums = random.normal(0, unit * 10.0 ** random.integers(0, 5), (3, steps, n))
    sums[0] = np.round(sums[0])  # whole numbers meet the threshold
    te = random.normal(size=(steps, n))
    state, expected = neuron.reset((3,)), np.empty(sums.shape)
    for t in range(steps):
        expected[:, t], state = neuron.step(state, sums[:, t], te[t] * 2.0**neuron.te_exp, rules=real)

    found = unrounded.spikes(neuron, sums.copy(), te)

    assert np.array_equal(found, expected) and 0 < found.mean() < 1


def graph_of(module, x):
    """The record of a module of two hidden layers as a graph: each hears an input of its own, and all is delayed."""
    net = record(module, sample=x)
    one, two, read = net.layers
    random = np.random.default_rng(1)
    layers = (
        dataclasses.replace(one, axon=Axon(delay=[0, 1, 2, 0, 1, 3])),
        dataclasses.replace(two, source="second", delay=random.integers(0, 5, (6, 6))),
        dataclasses.replace(read, source=one.name, delay=random.integers(1, 4, 6)),
    )
    inputs = (net.input, Input(num_channels=6, name="second"))
    return dataclasses.replace(net, inputs=inputs, layers=layers, outputs=(read.name, two.name))


def slow_celif(block, te, sums):
    """The neurons of `slow_float` on given sums, shape (samples, neurons, steps)."""
    neuron = block.neuron
    alpha, beta = 1 - neuron.v_decay / 4096, 1 - neuron.th_decay / 4096
    out = np.zeros(sums.shape)
    v, h, s = (np.zeros(sums.shape[:2]) for _ in range(3))
    for t in range(sums.shape[2]):
        h = beta * h + v * te[: sums.shape[1], t]
        v = alpha * v * (1 - s) + sums[..., t]
        s = (v > neuron.threshold + h).astype(float)
        out[..., t] = s
    return out


def slow_sums(synapse, sent, delay):
    """What reaches neurons synapse by synapse, each spike after its own delay."""
    weight, bias = (p.detach().double().numpy() for p in (synapse.weight, synapse.bias))
    sums = np.zeros((len(sent), len(weight), sent.shape[2])) + bias[:, None]
    for n, j in np.ndindex(weight.shape):
        d = int(delay[n, j])
        sums[:, n, d:] += weight[n, j] * sent[:, j, : sent.shape[2] - d]
    return sums


def test_it_is_the_float_network_of_a_graph_too():
    torch.manual_seed(2)
    module = Classifier(6, (6, 6), 3, 24).eval()
    random = np.random.default_rng(0)
    x = np.concatenate([random.random((5, 6, 24)), random.integers(0, 2, (5, 6, 24))], axis=1)
    net = graph_of(module, x[:, :6])
    first, second, readout = blocks_of = [b for b in module.blocks if hasattr(b, "synapse")]
    te = module.encoding.weight.detach().double().numpy()
    nothing, (one, two, read) = np.zeros((6, 6), int), net.layers
    spikes_one = slow_celif(first, te, slow_sums(first.synapse, x[:, :6], nothing))
    spikes_two = slow_celif(second, te, slow_sums(second.synapse, x[:, 6:], two.delay))
    late = np.broadcast_to(read.delay + one.axon.delay, (3, 6))
    answer = slow_sums(readout.synapse, spikes_one, late).cumsum(-1)

    twin = float_twin.FloatTwin(blocks(module, x[:, :6]), net)
    found = twin.run(x)

    assert len(blocks_of) == 3 and spikes_one.any() and spikes_two.any()
    assert np.array_equal(found[0], spikes_one) and np.array_equal(found[1], spikes_two)
    assert np.allclose(found[2], answer, rtol=1e-12, atol=1e-12)
    gap = twin.compare(found, reference.run(net, encode(net, x)))
    assert [layer.name for layer in gap.layers] == [one.name, two.name]
    assert np.allclose(gap.output, answer[..., -1])
    assert torch.equal(twin.outputs(found)[2], readout.answers(torch.as_tensor(found[2])))


def test_what_reaches_a_layer_from_no_block_is_named():
    torch.manual_seed(2)
    module = Classifier(6, (6, 6), 3, 8).eval()
    x = np.random.default_rng(0).random((5, 6, 8))
    net = record(module, sample=x)
    weight = Dense(weight=np.full((6, 6), 2))
    skip = dataclasses.replace(net, edges=(Edge(source="celif1", target="celif2", synapse=weight, delay=3),))
    with pytest.raises(UnsupportedError, match=r"edge celif1 -> celif2 \(2\): no block holds its weights"):
        float_twin.FloatTwin(blocks(module, x), skip)
    layers = (dataclasses.replace(net.layers[0], feedback=weight), *net.layers[1:])
    with pytest.raises(UnsupportedError, match="edge celif1 -> celif1: no block"):
        float_twin.FloatTwin(blocks(module, x), dataclasses.replace(net, layers=layers))


@pytest.mark.parametrize("delay", [None, "axon", "synapse"])
def test_without_anything_to_round_the_gap_is_zero(delay):
    torch.manual_seed(2)
    module = Classifier(1, (10, 12), 3, 8, delay=delay, max_delay=4).eval()
    for block in module.blocks:
        if hasattr(block, "neuron"):
            block.neuron.v_decay, block.neuron.th_decay = 4096, 4096  # a state keeps nothing to round
    with torch.no_grad():
        module.encoding.weight.zero_()
    x = np.random.default_rng(0).integers(0, 65, (5, 1, 8)) / 64
    on_the_grid(module, x)

    gap = verify(module, x, backends=("reference",)).float_gap

    assert [layer.differ for layer in gap.layers] == [0, 0] and gap.same_class == 5
    assert all(layer.spikes_float for layer in gap.layers)


def test_oscillators_and_a_driven_encoding_have_a_twin():
    torch.manual_seed(2)
    module = Classifier(1, (10, 12), 3, 40, cpg=6, cpg_te=8).eval()
    x = np.random.default_rng(0).random((5, 1, 40))

    verdict = verify(module, x, backends=("engine",))

    assert len(verdict.float_gap.output) == 5 and all(layer.spikes_float for layer in verdict.float_gap.layers)
    assert "float to fixed: " in str(verdict) and "of 5 samples keep their class" in str(verdict)
    found = verdict.as_dict()["gaps"]
    assert found["float_to_fixed"]["measured"] and found["float_to_fixed"]["meaning"].startswith(
        "float: the same trained"
    )
    assert found["fixed_to_lava"] is None


def test_a_layer_without_a_twin_is_named(monkeypatch):
    torch.manual_seed(2)
    module = Classifier(1, (10, 12), 3, 16).eval()
    monkeypatch.setattr(float_twin, "has_twin", lambda neuron: False)

    verdict = verify(module, np.random.default_rng(0).random((2, 1, 16)), backends=("reference",))

    assert verdict.exact
    assert "layer 'celif1' is Dense CELIF" in verdict.as_dict()["gaps"]["float_to_fixed"]["why"]


@pytest.mark.lava
def test_the_gap_to_lava_is_zero_and_counted():
    torch.manual_seed(2)
    module = Classifier(1, (6,), 3, 12).eval()

    verdict = verify(module, np.random.default_rng(0).random((2, 1, 12)))

    assert verdict.lava_gap.zero and verdict.lava_gap.spikes_compared == 2 * 6 * 12
    assert "fixed to Lava: 0 of 144 raster entries and 0 of" in str(verdict)
    broken = dataclasses.replace(
        verdict.comparisons[1], layers=(dataclasses.replace(verdict.comparisons[1].layers[0], spikes_differ=3),)
    )
    assert not dataclasses.replace(verdict, comparisons=(broken,)).lava_gap.zero
