"""A stock network after some steps of training is exact, and exporting it changes nothing in it."""

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, spikes

import spikeproof
from spikeproof.contract.errors import LintWarning
from spikeproof.export import netx
from spikeproof.sim.verify.verify import verify

STEPS = 20
PARAMS = {"threshold": 0.8, "current_decay": 0.4, "voltage_decay": 0.1, "requires_grad": True}


def trained(steps=15):
    """A network with weight norms, delays, a recurrence and learned decays, trained with Adam; and its input."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    options = {"weight_norm": True, "delay": True, "weight_scale": 5}
    module = torch.nn.Sequential(
        block.Dense(dict(PARAMS), 8, 7, **options),
        # Its weight norm is computed once, when it is built: torch takes no second gradient of that.
        block.Recurrent(dict(PARAMS), 7, 6, delay=True, weight_scale=4),
        block.Dense(dict(PARAMS), 6, 5, **options),
    )
    x = spikes(random, 4, 8, STEPS)
    module(torch.as_tensor(x))
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    wanted = torch.as_tensor(random.random((4, 5)), dtype=torch.float32)
    for _ in range(steps):
        optimiser.zero_grad()
        spikeproof.reset_state(module)
        (module(torch.as_tensor(x)).mean(-1) - wanted).square().sum().backward()
        optimiser.step()
    return module.eval(), x


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
def test_a_trained_network_comes_back_from_its_file_exact_and_is_left_as_it_was(tmp_path):
    untrained, _ = trained(0)
    module, x = trained()
    before = {name: value.clone() for name, value in module.state_dict().items()}

    with pytest.warns(LintWarning, match="kept-state: cuba2"):
        net = spikeproof.export_netx(module, tmp_path / "net.net", sample=x)
    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert netx.load(tmp_path / "net.net") == net
    after = module.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], value) for name, value in before.items())
    moved = [name for name, value in untrained.state_dict().items() if not torch.equal(value, after[name])]
    assert any("weight_v" in name for name in moved) and any("recurrent_synapse.weight" in name for name in moved)
    assert any("delay" in name for name in moved) and any("voltage_decay" in name for name in moved)
    assert net.layers[0].axon.longest > net.layers[0].axon.shortest and net.layers[1].feedback.weight.any()
