"""Normalised SLAYER blocks: torch, the engine and Lava agree, with the bias on its own sample and no step before it."""

from functools import partial

import numpy as np
import pytest
import torch
from slayer_nets import block, exact, lively, neuron, slayer, spikes

from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim.verify.verify import verify

NORMS = (slayer.neuron.norm.MeanOnlyBatchNorm, slayer.neuron.norm.WgtScaleBatchNorm)


def network(seed, norm, samples=4):
    """A convolution and two dense blocks that have seen some batches of another scale, and their input."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    # Leaky ones, or the membranes leave their register in a few steps, and SLAYER's do not stop at its end.
    decays = [{name: random.uniform(0.2, 1) for name in ("current_decay", "voltage_decay")} for _ in range(3)]
    params = [neuron(random, norm=norm) | some for some in decays]
    shift = bool(random.random() < 0.6)
    blocks = torch.nn.Sequential(
        block.Conv(params[0], 2, 3, 3, weight_scale=4, delay_shift=shift),
        block.Flatten(),
        block.Dense(params[1], 3 * 2 * 3, 7, weight_scale=6, delay=True, delay_shift=shift),
        block.Dense(params[2], 7, 5, weight_scale=random.choice([2, 8]), delay_shift=not shift),
    )
    x = spikes(random, samples, 2, 4, 5, 20)
    blocks.train()
    for _ in range(3):
        blocks(torch.as_tensor(x))
    with torch.no_grad():
        for each in (blocks[0], blocks[2], blocks[3]):
            each.neuron.norm.running_mean.uniform_(-1, 0.5)
            if hasattr(each.neuron.norm, "running_var"):
                each.neuron.norm.running_var.fill_(4.0 ** random.integers(-3, 3) * 0.9)
    return lively(blocks), x


def shifts(norm, start, wanted, backends):
    """Verify as many networks that have biases; return the shifts that occurred."""
    nets = [verdict.net for verdict in exact(partial(network, norm=norm), start, wanted, backends)]
    layers = [layer for net in nets for layer in net.layers]
    assert all(layer.neuron.bias_mant.any() for layer in layers)
    return {layer.neuron.u_shift for layer in layers}


@pytest.mark.parametrize("norm", NORMS)
def test_torch_the_rule_and_the_engine_agree(norm):
    for seed in range(6):
        verdict = verify(*network(seed, norm), backends=("engine",))
        assert verdict.comparisons[0].verdict != "mismatch", f"seed {seed}: {verdict}"
    found = shifts(norm, 0, 3, ("engine", "reference"))
    assert found == {0} if norm is NORMS[0] else found & {-3, -2, -1} and found & {1, 2, 3}


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_they_agree_on_many_networks(norm):
    shifts(norm, 1000, 25, ("engine", "reference"))


@pytest.mark.lava
@pytest.mark.parametrize("norm", NORMS)
def test_lava_agrees(norm):
    shifts(norm, 100, 1, ("lava",))


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("norm", NORMS)
def test_lava_agrees_on_many_networks(norm):
    shifts(norm, 2000, 20, ("lava",))


def test_a_file_gives_back_a_normalised_network(tmp_path):
    blocks, x = network(1, NORMS[1])
    net = record(blocks, sample=x)
    netx.write(net, tmp_path / "net.net")

    assert netx.load(tmp_path / "net.net") == net
    assert any(layer.neuron.u_shift for layer in net.layers)
