"""Small networks of stock SLAYER blocks that fire in every layer."""

import numpy as np
import pytest
import torch

from spikeproof.lava_procs import compat
from spikeproof.sim.verify.verify import verify

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


FAMILIES = {
    "cuba": {},
    "alif": {"threshold_step": 0.2, "threshold_decay": 0.1, "refractory_decay": 0.3},
    "rf": {"period": 7.0, "decay": 0.1},
    "rf_iz": {"period": 9.0, "decay": 0.05},
    "adrf_iz": {"period": 8.0, "decay": 0.1, "threshold_step": 0.1, "threshold_decay": 0.2, "refractory_decay": 0.3},
    "adrf": {"period": 8.0, "decay": 0.1, "threshold_step": 0.1, "threshold_decay": 0.2, "refractory_decay": 0.3},
}
"""Family -> what its neurons take beside a threshold, and beside decays if they have no period."""


def of_family(random, family):
    """The blocks of a family, and parameters of its neurons."""
    params = neuron(random) | FAMILIES[family]
    if "period" in params:
        del params["current_decay"], params["voltage_decay"]
    return getattr(slayer.block, family), params


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


def busy(verdict):
    """Whether everything is exact and something fired in every layer."""
    return verdict.exact and all(comparison.silent == () for comparison in verdict.comparisons)


def exact(network, start, wanted, backends):
    """Return the verdicts of as many exact networks that fire in every layer, found among the seeds from `start`.

    `network` makes a module and its input from a seed. Any network that is not exact fails the test.
    """
    verdicts = []
    for seed in range(start, start + 5 * wanted):
        module, x = network(seed)
        if not busy(verify(module, x, backends=("engine",))):
            continue
        verdict = verify(module, x, backends=backends)
        assert busy(verdict), f"seed {seed}: {verdict}"
        verdicts.append(verdict)
        if len(verdicts) == wanted:
            return verdicts
    raise AssertionError("too few networks fire")
