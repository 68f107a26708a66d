"""Stock SLAYER on the fused kernel: the same outputs bit for bit, the same gradients, and undoable."""

import importlib

import pytest
import torch

from spikeproof.contract.errors import MissingDependencyError
from spikeproof.lava_procs import compat
from spikeproof.train.slayer import accelerate as module
from spikeproof.train.slayer.accelerate import accelerate

pytest.importorskip("h5py")
if compat.available().lava_dl is None:
    pytest.skip("lava-dl is not installed", allow_module_level=True)

SCALE = 64 * 64


@pytest.fixture(scope="module")
def slayer():
    compat.apply()
    return importlib.import_module("lava.lib.dl.slayer")


@pytest.fixture(scope="module")
def dynamics(slayer):
    return slayer.neuron.dynamics.leaky_integrator


def integrate(dynamics, x, decay, state, threshold, weight):
    """Output, gradient to the input, gradient to the decay."""
    x, decay = x.clone().requires_grad_(), decay.clone().requires_grad_()
    y = dynamics.dynamics(x, decay, state, SCALE, threshold)
    y.backward(weight)
    return y.detach(), x.grad, decay.grad


def both(*args):
    stock = integrate(*args)
    with accelerate():
        return stock, integrate(*args)


@pytest.mark.parametrize("threshold", [None, 0.3, 1.0])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 2), (3, 88, 65), (1, 513, 20), (2, 33, 200), (2, 3, 4, 5, 33)])
def test_outputs_are_equal_and_gradients_too(dynamics, shape, per_channel, threshold):
    if per_channel and len(shape) > 3:
        pytest.skip("stock SLAYER broadcasts decays against the last axis of a state, which is not the channels here")
    torch.manual_seed(0)
    x, weight, state = torch.randn(shape) * 0.5, torch.randn(shape), torch.randn(shape[:-1]) * 0.2
    decay = (torch.rand(shape[1]) * 4096).round() if per_channel else torch.tensor([1024.0])
    state.view(-1)[::3] = 0
    x.view(-1)[::5] = 0.3 if threshold is None else threshold  # at the threshold SLAYER fires

    stock, ours = both(dynamics, x, decay, state, threshold, weight)

    assert torch.equal(ours[0], stock[0])
    for a, b in zip(ours[1:], stock[1:], strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=0)


@pytest.mark.parametrize("decay", [0.0, 1.0, 4095.0, 4096.0])
def test_decays_at_their_ends(dynamics, decay):
    x = torch.randn(2, 5, 50)
    stock, ours = both(dynamics, x, torch.tensor([decay]), torch.ones(2, 5), 1.0, torch.ones_like(x))

    assert torch.equal(ours[0], stock[0])
    assert torch.equal(ours[1], stock[1])


@pytest.mark.parametrize("size", [1e4, 1e7, 1e9, 1e30, float("nan"), float("inf")])
def test_large_values_are_stocks_too(dynamics, size):
    """float32 outputs round, comparisons round, and beyond 2**40 units stock code takes over."""
    torch.manual_seed(0)
    x = torch.randn(2, 33, 20) * size
    stock, ours = both(dynamics, x, torch.tensor([7.0]), torch.zeros(2, 33), 1.0, torch.ones_like(x))

    assert torch.equal(ours[0], stock[0])
    assert torch.equal(ours[1], stock[1])


def test_float64_is_left_to_stock(dynamics):
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    stock, ours = both(dynamics, x, torch.tensor([7.0]), torch.zeros(2, 3).double(), 1.0, torch.ones_like(x))

    assert ours[0].dtype == torch.float64
    assert all(torch.equal(a, b) for a, b in zip(ours[:2], stock[:2], strict=True))


ADAPTIVE = {"threshold_step": 0.5, "threshold_decay": 0.1, "refractory_decay": 0.1}
FAMILIES = {
    "cuba": {"current_decay": 0.25, "voltage_decay": 0.1},
    "alif": {"current_decay": 0.25, "voltage_decay": 0.1, **ADAPTIVE},
    "rf": {"period": 7, "decay": 0.1},
    "rf_iz": {"period": 7, "decay": 0.1},
    "adrf": {"period": 7, "decay": 0.1, **ADAPTIVE},
    "adrf_iz": {"period": 7, "decay": 0.1, **ADAPTIVE},
}


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_stock_network_learns_the_same(slayer, kind, shared):
    torch.manual_seed(0)
    params = {"threshold": 0.3, "requires_grad": True, "shared_param": shared, **FAMILIES[kind]}
    block = getattr(slayer.block, kind)
    model = torch.nn.Sequential(
        block.Dense(params, 3, 20, weight_scale=3), block.Dense(params, 20, 4, weight_scale=3, delay=True)
    )
    x = (torch.rand(3, 3, 70) < 0.4).float()
    model(x)  # per-channel decays are drawn at the first call

    def learn():
        model.zero_grad()
        spikes = model(x)
        (spikes * torch.linspace(0, 1, 70)).sum().backward()
        registers = [each.detach() for each in model[0].neuron.dynamics(model[0].synapse(x))]
        return [spikes.detach(), *registers], [p.grad.clone() for p in model.parameters() if p.grad is not None]

    stock = learn()
    with accelerate():
        ours = learn()

    assert stock[0][0].sum() > 10
    assert all(torch.equal(a, b) for a, b in zip(ours[0], stock[0], strict=True))
    for a, b in zip(ours[1], stock[1], strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5 * b.abs().max().item())


@pytest.mark.parametrize("kind", ["alif", "rf_iz", "adrf", "adrf_iz"])
@pytest.mark.parametrize("size", [1.0, 3e3, 1e20, float("nan")])
def test_registers_of_any_size(slayer, kind, size):
    torch.manual_seed(0)
    neuron = getattr(slayer.neuron, kind).Neuron(threshold=0.3, **FAMILIES[kind])
    x = torch.randn(2, 5, 40) * size
    given = (x, x.flip(-1)) if kind != "alif" else x
    stock = neuron.dynamics(given)
    with accelerate():
        ours = neuron.dynamics(given)
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(ours, stock, strict=True))


@pytest.mark.parametrize("delays", [[0, 0, 0], [0.99, 1, 2.5], [8, 9, 62], [-1, 3, 0]])
@pytest.mark.parametrize("shape", [(2, 3, 9), (1, 3, 1), (2, 3, 2, 2, 9)])
def test_learned_delays_are_shifted_alike(slayer, delays, shape):
    torch.manual_seed(0)
    delay, x = slayer.axon.Delay(grad_scale=0.5), torch.randn(shape).requires_grad_()
    delay(x)
    weight = torch.randn(shape)

    def shifted():
        delay.zero_grad()
        x.grad = None
        delay.delay.data = torch.tensor(delays, dtype=torch.float32)
        y = delay(x)
        y.backward(weight)
        return y.detach(), x.grad, delay.delay.grad

    stock = shifted()
    with accelerate():
        ours = shifted()
    assert torch.equal(ours[0], stock[0])
    assert torch.equal(ours[1], stock[1])
    assert torch.allclose(ours[2], stock[2], rtol=1e-5, atol=1e-5)


def test_adaptive_thresholds_are_reached_alike(slayer):
    """On a grid so coarse that many values are just the threshold's."""
    torch.manual_seed(0)
    module, scale = slayer.neuron.dynamics.adaptive_threshold, 4
    x = torch.randint(0, 24, (4, 33, 60)) / scale

    def run():
        state, decay = torch.zeros(4, 33), torch.tensor([500.0])
        return module.dynamics(x, state, decay, state + 3, decay, 0.5, 3.0, scale)

    stock = run()
    with accelerate():
        ours = run()
    assert all(torch.equal(a, b) for a, b in zip(ours, stock, strict=True))
    assert (x == stock[0] + stock[1]).sum() > 100


def test_one_step_stays_stock(dynamics):
    """Recurrent blocks make a call for each step."""
    with accelerate():
        y = dynamics.dynamics(torch.ones(2, 3, 1, requires_grad=True), torch.tensor([7.0]), torch.zeros(2, 3), SCALE)
        assert y.grad_fn.fused is False


def test_it_undoes_itself(dynamics):
    stock = dynamics._LIDynamics
    with accelerate():
        assert dynamics._LIDynamics is not stock
        inner = accelerate()
        inner.undo()
        assert dynamics._LIDynamics is not stock  # the outer block still holds
    assert dynamics._LIDynamics is stock
    on = accelerate()
    assert dynamics._LIDynamics is not stock
    on.undo()
    assert dynamics._LIDynamics is stock
    with pytest.raises(KeyError), accelerate():
        raise KeyError
    assert dynamics._LIDynamics is stock


def test_what_is_missing_is_said(monkeypatch, slayer):
    monkeypatch.setattr(module, "_SLAYER", "lava.lib.dl.no_such_module")
    with pytest.raises(
        MissingDependencyError, match=r"cannot import lava-dl.*no_such_module.*spikeproof doctor says what is missing"
    ):
        accelerate()
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="needs numba: pip install numba"):
        accelerate()
