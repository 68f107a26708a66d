"""The gradients of CE-LIF: the recursion of the kernels, its cumulative form, and automatic differentiation agree."""

import numpy as np
import pytest
import torch

from spikeproof.train.kernels import reference
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.runs.build import build
from spikeproof.train.runs.recipe import find

ALPHA, BETA, THRESHOLD, HALF_WIDTH, STEPS, NEURONS = 0.5, 0.99, 0.3, 0.4, 50, 7


@pytest.fixture
def neuron():
    """Registers of neurons without rounding, and what comes from above."""
    random = np.random.default_rng(0)
    x, te, e = random.normal(0.2, 0.5, (STEPS, NEURONS)), random.normal(0, 0.1, (STEPS, NEURONS)), None
    e = random.normal(0, 1, (STEPS, NEURONS))
    v, h, s = (np.zeros((STEPS, NEURONS)) for _ in range(3))
    for t in range(STEPS):
        before_v, before_h, before_s = (r[t - 1] if t else np.zeros(NEURONS) for r in (v, h, s))
        h[t] = BETA * before_h + te[t] * before_v
        v[t] = ALPHA * (1 - before_s) * before_v + x[t]
        s[t] = v[t] > THRESHOLD + h[t]
    near = np.abs(v - THRESHOLD - h) < HALF_WIDTH
    assert 0.1 < near.mean() < 0.9 and 0.1 < s.mean() < 0.9
    return x, te, e, v, s, near


def by_kernels(te, e, v, s, near):
    keep = [torch.full((NEURONS,), value, dtype=torch.float64) for value in (ALPHA, BETA)]
    constants = CELIFConstants(*keep, THRESHOLD, 1.0, HALF_WIDTH, 1.0)
    nct = [torch.as_tensor(np.asarray(one.T[None], np.float64)) for one in (e, s, v, near)]
    grad_z, grad_te = reference.celif_backward(nct[0], torch.as_tensor(te.T), constants, nct[1:])
    return grad_z[0].numpy().T, grad_te.numpy().T


def by_three_parts(te, e, v, s, near):
    """From the spike of a step, through the membrane, and in one hop from every later step."""
    d, own = np.zeros((STEPS + 1, NEURONS)), np.zeros((STEPS, NEURONS))
    for t in reversed(range(STEPS)):
        own[t] = (e[t] - ALPHA * v[t] * d[t + 1]) * near[t]
        d[t] = own[t] + ALPHA * (1 - s[t]) * d[t + 1]
        if t + 1 < STEPS:
            d[t] -= te[t + 1] * sum(BETA ** (k - t - 1) * own[k] for k in range(t + 1, STEPS))
    threshold = [-sum(BETA ** (k - t) * own[k] for k in range(t, STEPS)) for t in range(STEPS)]
    return d[:-1], np.array([threshold[t] * (v[t - 1] if t else 0) for t in range(STEPS)])


class Boxcar(torch.autograd.Function):
    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * (ctx.saved_tensors[0].abs() < HALF_WIDTH)


def by_autograd(x, te, e):
    x, te = torch.tensor(x, requires_grad=True), torch.tensor(te, requires_grad=True)
    v = h = s = torch.zeros(NEURONS, dtype=torch.float64)
    loss = 0
    for t in range(STEPS):
        h = BETA * h + te[t] * v
        v = ALPHA * (1 - s) * v + x[t]
        s = Boxcar.apply(v - THRESHOLD - h)
        loss = loss + (s * torch.as_tensor(e[t])).sum()
    return [grad.numpy() for grad in torch.autograd.grad(loss, (x, te))]


def test_recursion_cumulative_form_and_autograd_agree(neuron):
    x, te, *rest = neuron
    expected = by_autograd(x, te, rest[0])
    for found in (by_kernels(te, *rest), by_three_parts(te, *rest)):
        for one, other in zip(found, expected, strict=True):
            assert np.allclose(one, other, rtol=1e-9, atol=1e-9)
    assert (expected[0][~neuron[-1]] != 0).any()  # a neuron far from its threshold is told too


@pytest.mark.parametrize(("mean", "explodes"), [(0.01, True), (0, False)])
def test_a_positive_mean_of_the_encoding_lets_gradients_explode(mean, explodes):
    """Thresholds that follow their membranes keep large membranes near, and these grow gradients in every step."""
    recipe = find("ps-mnist").replace(["hidden=64,16", f"te_mean={mean}"])
    torch.manual_seed(0)
    x = torch.rand(8, 1, 784) ** 4 * (torch.rand(8, 1, 784) < 0.3)  # mostly black, as the images are
    x = torch.where(torch.rand(8, 1, 784) < 0.15, torch.ones(()), x)

    class Stub:
        name, train, outputs, unary, vocabulary = "ps-mnist", type("Part", (), {"x": x}), 10, False, 0
        objective = type("Objective", (), {"read": "mean"})

    norms = []
    for seed in range(3):
        torch.manual_seed(seed)
        module = build(recipe, Stub)
        module(x).square().sum().backward()
        norms.append(max(parameter.grad.norm().item() for parameter in module.parameters()))
    assert (max(norms) > 1e3) == explodes, norms
