"""Small networks of stock SLAYER blocks that fire in every layer."""

import numpy as np
import pytest
import torch

from spikeproof.lava_procs import compat

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
block = slayer.block.cuba


def neuron(random, **more):
    """Parameters of a CUBA neuron, any decays."""
    decays = {
        name: float(random.choice([0.0, 1.0, 0.03, 0.25, random.uniform(0, 1)]))
        for name in ("current_decay", "voltage_decay")
    }
    return {"threshold": float(random.choice([0.0, 0.3, 1.0, 1.2])), **decays, **more}


def spikes(random, *shape, rate=0.4):
    """Random unary spikes."""
    return (random.random(shape) < rate).astype(np.float32)


def lively(module):
    """Shift the weights of a module upwards, so that it fires."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.endswith(("synapse.weight", "synapse.weight_v")):
                weight += 0.3 * weight.abs().mean()
    return module.eval()
