"""The search for inputs that take registers far: it never passes a bound, and it finds what samples do not show."""

import numpy as np
import pytest
from kinds import network
from typer.testing import CliRunner

import spikeproof
from spikeproof.cli import app
from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.lava_procs import compat
from spikeproof.sim import engine
from spikeproof.sim.bounds import bounds
from spikeproof.sim.search import search

STEPS, N = 30, 40
WEIGHT = np.array([[254] * (N // 2) + [-254] * (N // 2)])
"""Half of the weights cancel the other half, so that random inputs stay near 0."""


def cancelling():
    neuron = CUBA(num_neurons=1, u_decay=0, v_decay=4096, v_th_mant=2**17 - 1)
    return Net(
        inputs=(Input(num_channels=N),),
        layers=(Layer(name="a", synapse=Dense(weight=WEIGHT), neuron=neuron),),
        steps=STEPS,
    )


@pytest.mark.parametrize("name", ["CELIF", "CUBA", "ALIF", "RF", "ADRFIZ", "SigmaDelta", "Readout"])
def test_no_input_that_is_found_passes_a_bound(name):
    net = network(KINDS[name])
    found = bounds(net)
    reached = search(net, found, rounds=6)
    of = {(bound.layer, bound.register): bound for bound in found.found}
    assert {(one.layer, one.register) for one in reached} == {key for key in of if key[1] != "sum"}
    for one in reached:
        bound = of[one.layer, one.register]
        assert abs(one.value) <= bound.largest or not bound.proven
        assert one.payload.shape == (net.input.num_channels, net.steps)
        again = engine.run(net, one.payload[None]).layers[one.layer][one.register]
        assert one.left or abs(int(one.value)) == np.abs(again.astype(np.int64)).max()
    assert any(one.value for one in reached)


def test_the_search_finds_what_samples_do_not_show():
    net = cancelling()
    x = (np.random.default_rng(0).random((10_000, N, STEPS)) < 0.5).astype(np.int32)
    assert np.abs(engine.run(net, x).layers["a"]["u"]).max() < 2**23 - 1

    current = next(one for one in search(net, bounds(net)) if one.register == "u")

    assert current.left and current.used == 1.0
    with pytest.raises(InputError, match="rounds = 0"):
        search(net, bounds(net), rounds=0)


def test_a_module_is_exact_on_samples_and_not_on_what_is_found(tmp_path):
    """SLAYER's registers have no end in torch; on the input that was found, the two sides part, and verify says why."""
    torch = pytest.importorskip("torch")
    compat.apply()
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    params = {"threshold": 50.0, "current_decay": 0.0, "voltage_decay": 1.0}
    module = torch.nn.Sequential(slayer.block.cuba.Dense(params, N, 1, delay_shift=False)).eval()
    module[0].synapse.weight.data[:] = torch.tensor(WEIGHT / 64.0).reshape(module[0].synapse.weight.shape)
    x = (torch.rand(500, N, STEPS, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    assert spikeproof.verify(module, x, backends=("engine",)).exact
    spikeproof.export_netx(module, tmp_path / "a.net", sample=x[:2])

    out = tmp_path / "found.npz"
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net"), "--search", "-o", str(out)])

    assert done.exit_code == 1 and "found: inputs that take cuba1's u out of its range" in done.stdout.replace(
        "\n", " "
    )
    with np.load(out) as found:
        verdict = spikeproof.verify(module, found["x"].astype(np.float32), backends=("engine",))
    assert not verdict.exact and "OUT OF RANGE" in str(verdict)


def test_an_output_without_a_search_is_refused(tmp_path):
    from spikeproof.cli import main  # noqa: F401

    spikeproof.write(cancelling(), tmp_path / "a.net")
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net"), "-o", str(tmp_path / "x.npz")])
    assert isinstance(done.exception, InputError) and "--search" in str(done.exception)
