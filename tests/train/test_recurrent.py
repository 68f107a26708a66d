"""Recurrent CE-LIF: the contract's integers forward, the paper's gradients backward, exact on every backend."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import spikeproof
from spikeproof import celif
from spikeproof.export.slayer import record
from spikeproof.export.slayer.blocks import Block
from spikeproof.sim import engine, reference
from spikeproof.sim.verify.float_twin import FloatTwin
from spikeproof.sim.verify.verify import verify
from spikeproof.train.blocks import firing
from spikeproof.train.kernels import reference as loops
from spikeproof.train.kernels import select
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.kernels.cpu.dense import dense_forward
from spikeproof.train.kernels.cpu.recurrent import recurrent_forward
from spikeproof.train.provable import Keeper
from spikeproof.train.runs.build import build
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.recipe import find
from spikeproof.train.tasks.objectives import CLASSIFY
from spikeproof.train.tasks.task import Split, Task

PARAMS = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.02, "scale": 64}


def network(seed=0, *, bias=True, delay=None, steps=30, input_exp=None):
    """A recurrent layer behind a recurrent layer, spikes that depend on what comes back."""
    torch.manual_seed(seed)
    te = celif.TemporalEncoding(9, steps, te_exp=8, mean=0.0, std=0.1)
    options = {"bias": bias, "weight_scale": 2, "delay": delay, "input_exp": input_exp}
    first = celif.Recurrent(PARAMS, 5, 9, temporal_encoding=te, **options)
    second = celif.Recurrent(PARAMS, 9, 7, temporal_encoding=te, bias=bias, weight_scale=2)
    return nn.Sequential(first, second, spikeproof.Readout(7, 3, scale=64))


def spikes(seed=1, samples=4, channels=5, steps=30, input_exp=None):
    """Spikes, or values between -1 and 1 that no grid of an analog input holds."""
    x = torch.rand(samples, channels, steps, generator=torch.Generator().manual_seed(seed))
    return (x < 0.4).float() if input_exp is None else 2 * x - 0.8


@pytest.mark.parametrize("kind", select.KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("seed", "input_exp"), [(0, None), (1, None), (2, -6), (3, -6), (4, -3), (5, 0)])
def test_spikes_and_registers_are_the_contracts(kind, bias, seed, input_exp):
    net, x = network(seed, bias=bias, input_exp=input_exp), spikes(seed, input_exp=input_exp)
    found = record(net, sample=x[:2].numpy())
    assert found.layers[0].feedback.weight_exp == -(input_exp or 0) and found.layers[1].feedback.weight_exp == 0
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
    given = found.encode(spikes(seed, input_exp=input_exp).numpy())
    alone = reference.run(deaf, given).layers[first.name]["s"]
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("samples", "bias", "last"), [(3, True, False), (70, True, True), (70, False, False)])
def test_a_layer_in_one_call_does_as_the_reference(samples, bias, last, dtype):
    """Gradients to everything, in one part of samples and in several, for gradients of each step and of none but one."""
    x = spikes(4, samples=samples).to(dtype)
    weights = torch.randn(samples, 9, 30, generator=torch.Generator().manual_seed(3)).to(dtype)
    weights = weights[..., -1:].expand(-1, -1, 30) if last else weights
    found = {}
    for kind in select.KINDS:
        block = network(4, bias=bias)[0].to(dtype)
        given = x.clone().requires_grad_()
        with select.use(kind):
            s = block(given)
            (s * weights).sum().backward()
        found[kind] = s.detach(), [given.grad, *(part.grad for part in block.parameters())]
    (ours, ours_grads), (theirs, theirs_grads) = found.values()
    assert torch.equal(ours, theirs) and 0.05 < ours.mean() < 0.95
    assert len(ours_grads) == (6 if bias else 4)
    for a, b in zip(ours_grads, theirs_grads, strict=True):
        assert b.abs().max() > 0.1
        assert torch.allclose(a, b, rtol=0, atol=(5e-6 if dtype == torch.float32 else 1e-11) * b.abs().max().item())


@pytest.mark.parametrize("largest", [2**7, 2**18, 2**21])
def test_what_comes_back_is_added_up_exactly(largest):
    """Sums that end small may pass 24 bits on the way, where float32 would round them."""
    unit, n, steps = 2.0**-12, 64, 40
    g = torch.Generator().manual_seed(6)
    weight = torch.randint(largest // 2, largest, (n, n), generator=g) | 1
    weight[:, n // 2 :] *= -1
    keeps = [torch.full((n,), keep, dtype=torch.float64) for keep in (0.5, 0.75)]
    constants = CELIFConstants(*keeps, 0.25, unit, half_width=0.2, height=1.0)
    z = torch.randint(-2000, 4000, (3, n, steps), generator=g) * unit
    te = torch.randint(-128, 128, (n, steps), generator=g) / 512
    fired, trace = recurrent_forward(z, te, weight * unit, constants)
    wanted, (_, v, _) = loops.recurrent_forward(z.double(), te.double(), weight.double() * unit, constants)
    assert torch.equal(fired.double(), wanted) and 0.1 < fired.mean() < 0.9
    assert torch.equal((trace[0] >> 2).transpose(1, 2) * unit, v)


def test_a_layer_in_one_call_adds_up_exactly():
    """A sum of inputs and a bias of one unit, beyond the bits of float32, less what comes back."""
    unit, inputs, n = 2.0**-12, 1109, 1100
    weight, back = torch.full((n, inputs), 254 / 64), torch.full((n, n), -4.0)
    constants = CELIFConstants(*(torch.full((n,), keep, dtype=torch.float64) for keep in (0.0, 0.5)), 0.0, unit, 0.2, 1)
    x = torch.zeros(1, inputs, 3)
    x[..., 1:] = 1
    bias = torch.full((n,), unit)
    fired, (_, packed) = dense_forward(x, weight, bias, back, torch.zeros(n, 3), constants)
    assert fired[..., 0].all() and (packed[:, 1] >> 2 == 1109 * 254 * 64 + 1 - 1100 * 256 * 64).all()


def test_a_bias_of_both_ways_is_rounded_once():
    net = network()
    with torch.no_grad():
        net[0].synapse.bias.fill_(0.4 / 512)
        net[0].feedback.bias.fill_(0.4 / 512)  # each alone rounds to nothing
    (layer, *_) = record(net).layers
    assert (layer.neuron.bias_mant == 1).all()


@pytest.mark.lava
@pytest.mark.parametrize("input_exp", [None, -6])
@pytest.mark.parametrize("delay", [None, "axon", "synapse"])
def test_it_is_exact_on_every_backend_and_has_a_float_twin(delay, input_exp):
    net, x = network(2, delay=delay, input_exp=input_exp), spikes(2, input_exp=input_exp)
    verdict = verify(net, x.numpy(), lava_samples=2)
    assert verdict.exact, str(verdict)
    assert "float to fixed" in str(verdict)


def test_the_papers_sizes():
    """papers: 158,386 and 181,378 parameters, recurrent in the first two hidden layers."""
    for hidden, parameters in (((64, 136, 136), 158_386), ((64, 152, 152), 181_378)):
        net = Classifier(1, hidden, 10, 784, input_exp=None, recurrent=True)
        assert sum(each.numel() for each in net.parameters()) == parameters


def test_sums_beyond_the_bits_of_float32_end_where_the_register_does():
    """Fine input beside much that comes back: both together need more bits than float32 has, and clip the membrane."""
    torch.manual_seed(0)
    te = celif.TemporalEncoding(1100, 4, te_exp=8)
    params = PARAMS | {"threshold": 0.0}
    block = celif.Recurrent(params, 1, 1100, temporal_encoding=te, input_exp=-6, bias_exp=0)
    with torch.no_grad():
        block.feedback.weight.copy_(torch.linspace(3.5, 3.97, 1100)[:, None].expand(1100, 1100))
        block.synapse.weight.fill_(2 / 64)
        block.synapse.bias.fill_(1 / 4096)
    x = torch.full((1, 1, 4), 1 / 64)
    net = nn.Sequential(block)
    found = record(net, sample=x.numpy())
    expected = reference.run(found, found.encode(x.numpy())).layers[found.layers[0].name]
    assert found.sum_bounds()[0] > 2**24
    for kind in select.KINDS:
        with select.use(kind), torch.no_grad():
            of = block.variables(x, block(x))
            for name in ("s", "v", "h", "theta"):
                assert np.array_equal(of[name], expected[name]), (kind, name)


@pytest.mark.parametrize("delay", [None, "synapse"])
def test_sums_that_end_small_may_pass_the_bits_of_float32_on_the_way(delay):
    """A large current and a bias of one unit, which float32 has no bit for beside it, less what comes back."""
    torch.manual_seed(0)
    inputs, neurons = 1200, 1100
    te = celif.TemporalEncoding(neurons, 4, te_exp=8)
    params = PARAMS | {"threshold": 0.0, "voltage_decay": 1.0}
    block = celif.Recurrent(params, inputs, neurons, temporal_encoding=te, bias_exp=0, delay=delay)
    with torch.no_grad():
        block.synapse.weight.fill_(254 / 64)
        block.synapse.bias.fill_(1 / 4096)
        block.feedback.bias.zero_()
        block.feedback.weight.fill_(-4)
        if delay:
            block.delays.delay.zero_()
    x = torch.zeros(1, inputs, 4)
    x[:, :, 1:] = 1  # neurons fire at step 0 by their bias, and then hear each other
    x[:, 1109:, 1:] = 0
    found = record(nn.Sequential(block), sample=x.numpy())
    expected = reference.run(found, found.encode(x.numpy())).layers[found.layers[0].name]
    assert expected["v"][0, 0, 1] == 1109 * 254 * 64 + 1 - 1100 * 256 * 64
    by_engine = engine.run(found, found.encode(x.numpy()), record="all").layers[found.layers[0].name]
    assert all(np.array_equal(by_engine[name], expected[name]) for name in ("s", "v", "h", "theta"))
    for kind in select.KINDS:
        with select.use(kind), torch.no_grad():
            of = block.variables(x, block(x))
            for name in ("s", "v", "h", "theta"):
                assert np.array_equal(of[name], expected[name]), (kind, name)


def test_the_float_twin_is_the_network_without_rounding():
    net, x = network(3, input_exp=-6), spikes(3, input_exp=-6)
    found = record(net, sample=x[:2].numpy())
    blocks = [Block(block) for block in net]
    ours = FloatTwin(blocks, found).run(x.numpy())[0]
    block = net[0]
    with torch.no_grad():
        own, back = block.synapse.weight.double(), block.feedback.weight.double()
        bias, te = (block.synapse.bias + block.feedback.bias).double(), block.neuron.temporal_encoding.weight.double()
        v = h = s = torch.zeros(len(x), 9, dtype=torch.float64)
        for t in range(x.shape[-1]):
            current = x[..., t].double() @ own.T + bias + s @ back.T
            h = h * (1 - block.neuron.th_decay / 4096) + v * te[:, t]
            v = v * (1 - s) * (1 - block.neuron.v_decay / 4096) + current
            s = (v > block.neuron.threshold + h).double()
            assert np.array_equal(ours[..., t], s.numpy()), t
    assert 0.05 < ours.mean() < 0.95


def test_a_recipe_for_analog_input_recurs():
    recipe = spikeproof.recipe.find("digits").replace(["recurrent=true", "hidden=6,7,5"])
    task = recipe.load_task()
    torch.manual_seed(0)
    net = build(recipe, task).eval()
    found = record(net, sample=task.test.x[:2])
    first, second, third = found.layers[:3]
    assert (first.feedback.weight_exp, second.feedback.weight_exp, third.feedback) == (6, 0, None)
    assert verify(net, task.test.x[:4], backends=("engine",)).exact


@pytest.mark.parametrize("name", ["s-mnist", "ps-mnist"])
@pytest.mark.parametrize(("hidden", "parameters"), [("", 158_386), ("hidden=64,152,152", 181_378)])
def test_the_recipes_make_the_papers_networks(name, hidden, parameters):
    recipe = find(f"{name}-recurrent").replace([hidden] if hidden else [])
    plain = find(f"{name}-long").replace(["recurrent=true", hidden or "hidden=64,136,136"])
    assert recipe == plain and recipe.recurrent
    images = Split(np.zeros((1, 1, 784), np.float32), np.zeros(1, np.int64))
    task = Task(name=name, train=images, validation=None, test=images, outputs=10, objective=CLASSIFY, unary=False)
    net = build(recipe, task)
    assert sum(each.numel() for each in net.parameters()) == parameters
    assert [isinstance(block, celif.Recurrent) for block in net.blocks] == [True, True, False, False]


def test_a_keeper_cuts_what_comes_back_too():
    net = network()
    with torch.no_grad():
        net[0].feedback.weight.fill_(4.0)
    keeper = Keeper(net, 30, part=0.02)
    assert not keeper.look()
    keeper.settle()
    assert keeper.look() and net[0].feedback.weight.abs().max() < 4
