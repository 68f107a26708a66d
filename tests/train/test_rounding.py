"""Straight-through rounding: the levels of NumPy's rounding, and gradients that stop at the clipping."""

import numpy as np
import pytest
import torch

from spikeproof.train.blocks import rounding


@pytest.mark.parametrize("small", [0, 2**20])  # torch's way and NumPy's
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_levels_and_gradients(monkeypatch, small, dtype):
    monkeypatch.setattr(rounding, "_SMALL", small)
    x = torch.tensor([-9.0, -2.26, -2.25, -0.75, -0.25, 0.0, 0.25, 0.74, 1.25, 1.26, 9.0], dtype=dtype).requires_grad_()
    weight = torch.arange(1.0, 12.0, dtype=dtype)

    y = rounding.quantize(x, 0.5, -4, 2)
    (grad,) = torch.autograd.grad((y * weight).sum(), x)

    assert y.dtype == dtype
    assert np.array_equal(y.detach(), np.clip(np.round(x.detach().numpy() / 0.5), -4, 2) * 0.5)
    inside = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0], dtype=dtype)
    assert torch.equal(grad, weight * inside)
    assert torch.equal(rounding.levels(x, 0.5, -4, 2), (y / 0.5).to(torch.int64))


@pytest.mark.parametrize("small", [0, 2**20])
@pytest.mark.parametrize("twice", [False, True])  # with a graph of the backward pass, which NumPy cannot make
def test_inward_gradients_pass_where_they_bring_a_value_back(monkeypatch, small, twice):
    monkeypatch.setattr(rounding, "_SMALL", small)
    x = torch.tensor([-9.0, -9.0, -9.0, -2.26, -2.25, -2.25, 1.25, 1.25, 1.26, 9.0, 9.0, 9.0]).requires_grad_()
    weight = torch.tensor([1.0, -1.0, 0.0, 1.0, 1.0, -1.0, 1.0, -1.0, -2.0, 1.0, -1.0, 0.0])

    y = rounding.quantize(x, 0.5, -4, 2, inward=True)
    (grad,) = torch.autograd.grad((y * weight).sum(), x, create_graph=twice)

    assert torch.equal(y, rounding.quantize(x, 0.5, -4, 2))
    passes = torch.tensor([0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0])  # a step goes against the gradient
    assert torch.equal(grad, weight * passes)


def test_no_dimensions_and_no_values():
    assert rounding.quantize(torch.tensor(0.6), 0.5, -4, 4) == 0.5
    assert rounding.quantize(torch.zeros(0), 0.5, -4, 4).shape == (0,)
