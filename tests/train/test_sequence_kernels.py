"""Fused kernels of sequence models against eager PyTorch: norm and LIF neurons in one, gated layers, taps."""

import pytest
import torch
from torch import nn

from spikeproof.train.kernels import select
from spikeproof.train.kernels.api import LIFConstants, Norming
from spikeproof.train.kernels.cpu import normed
from spikeproof.train.sequence.gru import GRULayer
from spikeproof.train.sequence.layer import Layer, Neurons, taps

STEPS = 4


def layer(n_in, n, *, trains=True):
    torch.manual_seed(0)
    found = Layer(n_in, n)
    with torch.no_grad():  # a norm that is not new: every figure of it counts
        for one in (found.norm.weight, found.norm.bias, found.synapse.bias, found.norm.running_mean):
            one.normal_(0.5, 0.5)
        found.norm.running_var.uniform_(0.1, 2)
    return found.train(trains)


def by_eager(one, x, weight):
    """Spikes, gradients and running figures of float64, by the norm of torch and the loop over steps."""
    one, leaf = one.double(), x.double().requires_grad_()
    with select.use("reference"):
        spikes = one(leaf)
    (spikes * weight).sum().backward()
    return spikes.detach(), leaf.grad, {name: of.grad for name, of in one.named_parameters()}, dict(one.named_buffers())


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize(("samples", "length", "n"), [(8, 25, 40), (1, 1, 7), (3, 2, 700), (2, 11, 512), (5, 103, 3)])
def test_a_layer_in_one_kernel_is_norm_and_neurons(samples, length, n, trains):
    """Sizes of a part of a chunk, of many, and of more channels than a chunk has."""
    torch.manual_seed(1)
    x, weight = (torch.rand(STEPS, samples, length, 9) < 0.4).float(), torch.randn(STEPS, samples, length, n)
    spikes, grad_x, grads, buffers = by_eager(layer(9, n, trains=trains), x, weight)

    one, leaf = layer(9, n, trains=trains), x.clone().requires_grad_()
    found = one(leaf)
    (found * weight).sum().backward()

    assert "FireNormed" in found.grad_fn.name()
    assert torch.equal(found.double(), spikes) and 0.05 < spikes.mean() < 0.95
    torch.testing.assert_close(leaf.grad.double(), grad_x, rtol=1e-3, atol=2e-4)
    for name, grad in grads.items():
        ours = dict(one.named_parameters())[name].grad.double()
        torch.testing.assert_close(ours, grad, rtol=1e-3, atol=2e-4 * samples * length, msg=name)
    for name, buffer in buffers.items():
        torch.testing.assert_close(dict(one.named_buffers())[name].double(), buffer.double(), rtol=1e-5, atol=1e-6)
    if trains:  # a norm takes off what all samples have in common
        assert not one.synapse.bias.grad.any() and grads["synapse.bias"].abs().max() < 1e-9 * samples * length


def test_scaled_neurons_are_neurons_of_scaled_currents():
    torch.manual_seed(0)
    x, weight = torch.randint(0, 9, (STEPS, 30, 50)).float(), torch.randn(STEPS, 30, 50)
    leaves, found = [x.clone().requires_grad_() for _ in range(2)], []
    for leaf, run in zip(
        leaves, (lambda x: Neurons(50).scaled(x, 0.125), lambda x: Neurons(50)(0.125 * x)), strict=True
    ):
        found.append(run(leaf))
        (found[-1] * weight).sum().backward()
    assert torch.equal(*found) and torch.equal(leaves[0].grad, leaves[1].grad) and leaves[0].grad.any()


def test_moments_are_exact_far_from_zero():
    torch.manual_seed(0)
    z = torch.randn(STEPS, 100, 37) * 0.01 + 300
    mean, variance = normed.moments(z)
    torch.testing.assert_close(mean, z.double().mean((0, 1)), rtol=1e-12, atol=0)
    torch.testing.assert_close(variance, z.double().var((0, 1), correction=0), rtol=1e-5, atol=0)


def test_membranes_on_the_threshold_do_not_fire():
    """Currents that are whole multiples of half a threshold, a norm that leaves them alone, and no gradient beyond."""
    z = (torch.randint(-1, 4, (STEPS, 40, 16), generator=torch.Generator().manual_seed(0)) * 0.15).requires_grad_()
    one, none = torch.ones(16), torch.zeros(16)
    constants = LIFConstants(0.5, 0.3, 0.2)
    found = normed.normed_forward(z.detach(), Norming(one, none, none.double(), one.double(), False), constants)
    with select.use("reference"):
        assert torch.equal(found, Neurons(16)(z))


@pytest.mark.parametrize(("steps", "samples", "length", "width"), [(2, 3, 9, 6), (1, 1, 1, 1), (4, 16, 12, 33)])
def test_gated_layers_in_one_kernel_are_the_loop(steps, samples, length, width):
    torch.manual_seed(0)
    one, x = GRULayer(width), (torch.rand(steps, samples, length, width) < 0.5).float()
    weight, found = torch.randn_like(x), []
    for kernels in ("fused", "reference"):
        one.zero_grad()
        leaf = x.clone().requires_grad_()
        with select.use(kernels):
            states = one(leaf)
        (states * weight).sum().backward()
        found.append([states.detach(), leaf.grad, *(of.grad.clone() for of in one.parameters())])
    assert torch.equal(found[0][0], found[1][0])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("length", "kernel", "dilation", "ahead"), [(9, 3, 1, 0), (9, 3, 1, 1), (9, 4, 3, 0), (9, 3, 8, 0), (2, 5, 2, 2), (1, 3, 1, 1)]
)  # fmt: skip
def test_taps_are_slices_of_a_padded_sequence(length, kernel, dilation, ahead):
    torch.manual_seed(0)
    x = torch.randn(2, 3, length, 5, requires_grad=True)
    found = taps(x, kernel, dilation, ahead=ahead)
    padded = nn.functional.pad(x, (0, 0, (kernel - 1 - ahead) * dilation, ahead * dilation))
    expected = torch.cat([padded[:, :, i * dilation : i * dilation + length] for i in range(kernel)], dim=-1)
    assert torch.equal(found, expected)
    weight = torch.randn_like(found)
    grads = [torch.autograd.grad((of * weight).sum(), x)[0] for of in (found, expected)]
    torch.testing.assert_close(*grads)
