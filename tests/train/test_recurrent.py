"""Recurrent CE-LIF: the contract's integers forward, the paper's gradients backward, exact on every backend."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import spikeproof
from spikeproof import celif
from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.export.slayer import record
from spikeproof.sim import reference
from spikeproof.sim.verify.verify import verify
from spikeproof.train.blocks import firing
from spikeproof.train.kernels import select
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.provable import Keeper
from spikeproof.train.runs.models import Classifier

PARAMS = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.02, "scale": 64}


def network(seed=0, *, bias=True, delay=None, steps=30):
    """A recurrent layer behind a recurrent layer, spikes that depend on what comes back."""
    torch.manual_seed(seed)
    te = celif.TemporalEncoding(9, steps, te_exp=8, mean=0.0, std=0.1)
    first = celif.Recurrent(PARAMS, 5, 9, temporal_encoding=te, bias=bias, weight_scale=2, delay=delay)
    second = celif.Recurrent(PARAMS, 9, 7, temporal_encoding=te, bias=bias, weight_scale=2)
    return nn.Sequential(first, second, spikeproof.Readout(7, 3, scale=64))


def spikes(seed=1, samples=4, channels=5, steps=30):
    return (torch.rand(samples, channels, steps, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


@pytest.mark.parametrize("kind", select.KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_spikes_and_registers_are_the_contracts(kind, bias, seed):
    net, x = network(seed, bias=bias), spikes(seed)
    found = record(net, sample=x[:2].numpy())
    assert all(layer.feedback is not None for layer in found.layers[:2])
    expected = reference.run(found, found.encode(x.numpy()))

    with select.use(kind), torch.no_grad():
        for block, layer in zip(net[:2], found.layers[:2], strict=True):
            output = block(x)
            of = block.variables(x, output)
            for name in ("s", "v", "h", "theta"):
                assert np.array_equal(of[name], expected.layers[layer.name][name]), (layer.name, name)
            assert np.array_equal(output.numpy(), expected.layers[layer.name]["s"])
            assert 0.05 < output.mean() < 0.95
            x = output
    first = found.layers[0]
    deaf = replace(found, layers=(replace(first, feedback=None), *found.layers[1:]))
    alone = reference.run(deaf, found.encode(spikes(seed).numpy())).layers[first.name]["s"]
    assert (alone != expected.layers[first.name]["s"]).any()  # what comes back matters


def problem(dtype, batch=3, n=6, steps=20, seed=0):
    random = torch.Generator().manual_seed(seed)
    unit = 2.0**-12
    z = (torch.randint(-1500, 2600, (batch, n, steps), generator=random) * unit).to(dtype)
    te = (torch.randint(-60, 60, (n, steps), generator=random) / 256).to(dtype)
    weight = (torch.randint(-25, 25, (n, n), generator=random) * 128 * unit / 4).to(dtype)
    keep = [torch.full((n,), value, dtype=torch.float64) for value in (0.5, 1 - 41 / 4096)]
    weights = torch.randn(batch, n, steps, generator=random).to(dtype)
    return z, te, weight, CELIFConstants(*keep, 0.3, unit, 0.2, 1.0), weights


def gradients(kind, dtype):
    z, te, weight, constants, weights = problem(dtype)
    parts = [each.clone().requires_grad_() for each in (z, te, weight)]
    with select.use(kind):
        s = firing.RecurrentFire.apply(*parts, constants)
        (s * weights).sum().backward()
    return s.detach(), [part.grad for part in parts]


class _Boxcar(torch.autograd.Function):
    """A step whose derivative is a boxcar, in another way than the package's."""

    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0].abs() < 0.2)


def _straight(x, unit):
    """Cut to whole units, and pass gradients."""
    return x + (torch.trunc(x / unit) * unit - x).detach()


def test_gradients_are_those_of_autograd_through_the_loop_in_float64():
    z, te, weight, constants, weights = problem(torch.float64)
    parts = [each.clone().requires_grad_() for each in (z, te, weight)]
    z, te, weight = parts
    u = h = s = torch.zeros_like(z[..., 0])
    out = []
    for t in range(z.shape[-1]):
        h = _straight(h * constants.keep_h, constants.unit) + _straight(u * te[:, t], constants.unit)
        u = _straight(u * (1 - s) * constants.keep_v, constants.unit) + z[..., t] + s @ weight.T
        s = _Boxcar.apply(u - (round(0.3 / constants.unit) * constants.unit + h))
        out.append(s)
    s = torch.stack(out, -1)
    (s * weights).sum().backward()

    for kind in select.KINDS:
        ours, grads = gradients(kind, torch.float64)
        assert torch.equal(ours, s.detach()) and 20 < s.sum() < 0.9 * s.numel()
        for ours, theirs in zip(grads, (part.grad for part in parts), strict=True):
            assert theirs.abs().max() > 0.1
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_the_fused_kernels_do_as_the_reference_in_float32():
    (ours, ours_grads), (theirs, theirs_grads) = (gradients(kind, torch.float32) for kind in ("fused", "reference"))
    assert torch.equal(ours, theirs)
    for a, b in zip(ours_grads, theirs_grads, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=2e-6 * max(1.0, b.abs().max().item()))


def test_a_bias_of_both_ways_is_rounded_once():
    net = network()
    with torch.no_grad():
        net[0].synapse.bias.fill_(0.4 / 512)
        net[0].feedback.bias.fill_(0.4 / 512)  # each alone rounds to nothing
    (layer, *_) = record(net).layers
    assert (layer.neuron.bias_mant == 1).all()


@pytest.mark.lava
@pytest.mark.parametrize("delay", [None, "axon", "synapse"])
def test_it_is_exact_on_every_backend_and_has_a_float_twin(delay):
    verdict = verify(network(2, delay=delay), spikes(2).numpy(), lava_samples=2)
    assert verdict.exact, str(verdict)
    assert "float to fixed" in str(verdict)


def test_the_papers_sizes():
    """papers: 158,386 and 181,378 parameters, recurrent in the first two hidden layers."""
    for hidden, parameters in (((64, 136, 136), 158_386), ((64, 152, 152), 181_378)):
        net = Classifier(1, hidden, 10, 784, input_exp=None, recurrent=True)
        assert sum(each.numel() for each in net.parameters()) == parameters


def test_analog_input_is_refused_with_the_fix():
    te = celif.TemporalEncoding(4, 5)
    with pytest.raises(UnsupportedError, match=r"takes spikes.*celif\.Dense layer with input_exp before"):
        celif.Recurrent(PARAMS, 3, 4, temporal_encoding=te, input_exp=-6)
    with pytest.raises(InputError, match="recurrent = true: the first layer hears analog input of digits"):
        recipe = spikeproof.recipe.find("digits").replace(["recurrent=true"])
        from spikeproof.train.runs.build import build

        build(recipe, recipe.load_task())


def test_a_keeper_cuts_what_comes_back_too():
    net = network()
    with torch.no_grad():
        net[0].feedback.weight.fill_(4.0)
    keeper = Keeper(net, 30, part=0.02)
    assert not keeper.look()
    keeper.settle()
    assert keeper.look() and net[0].feedback.weight.abs().max() < 4
