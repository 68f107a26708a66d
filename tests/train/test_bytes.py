"""Products of bytes: the currents, and so the spikes, of the product of floats."""

import numpy as np
import pytest
import torch

from spikeproof.train.kernels import cpu
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.kernels.cpu import bytes as small

needs_bytes = pytest.mark.skipif(not small._is_fast(), reason="this processor does not multiply bytes faster")
UNIT = 2.0**-12


def constants(channels):
    keep = torch.full((channels,), 0.875, dtype=torch.float64)
    return CELIFConstants(keep, keep, 0.25, UNIT, half_width=0.3, height=1.0)


def run(x, weight, bias):
    te = torch.linspace(-0.1, 0.1, len(weight) * x.shape[-1]).reshape(len(weight), -1)
    spikes, (_, packed) = cpu.celif_dense.forward(x, weight, bias, None, te, constants(len(weight)))
    return spikes, packed


@pytest.fixture
def weights():
    """Mantissas by name: what training writes, and the ends of what fits."""
    g = torch.Generator().manual_seed(3)
    even = 2 * torch.randint(-128, 128, (24, 40), generator=g)
    ends = torch.where(torch.rand((24, 40), generator=g) < 0.5, -128, 127)
    lowest = torch.randint(-128, 127, (24, 40), generator=g)
    lowest[0, 0] = -128
    return {"even": even, "ends": ends, "lowest": lowest, "-128 alone": torch.full((24, 40), -128), "bits": ends.sign()}


@needs_bytes
@pytest.mark.parametrize("exponent", [-12, -7, 0, 3])
@pytest.mark.parametrize("name", ["even", "ends", "lowest", "-128 alone", "bits"])
@pytest.mark.parametrize("inputs", ["spikes", "bytes"])
def test_products_of_bytes_are_those_of_floats(weights, name, exponent, inputs, monkeypatch):
    g = torch.Generator().manual_seed(4)
    weight = weights[name].float() * 2.0**exponent
    low, high = (0, 2) if inputs == "spikes" else (-128, 128)
    x = torch.randint(low, high, (5, 40, 60), generator=g).float()
    x[0, :, 0] = high - 1
    found = small.as_bytes(weight)
    assert found is not None
    flat = x.transpose(1, 2).reshape(-1, 40)
    sums = found.product(flat)
    assert np.array_equal(sums * found.quantum, flat.double().numpy() @ weight.double().numpy().T)

    bias = torch.randint(-999, 999, (24,), generator=g) * UNIT
    spikes, packed = run(x, weight, bias)
    monkeypatch.setattr(small, "_is_fast", lambda: False)
    assert small.as_bytes(weight) is None
    spikes_of_floats, packed_of_floats = run(x, weight, bias)
    assert torch.equal(spikes, spikes_of_floats)
    assert torch.equal(packed, packed_of_floats)


@needs_bytes
@pytest.mark.parametrize("number", [0.5, 128.0, -129.0, 261.0, 2.0**31, -(2.0**31), 1e30, float("inf"), float("nan")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_that_are_no_bytes_are_multiplied_as_floats(weights, number, dtype):
    found = small.as_bytes(weights["even"].to(dtype))
    x = torch.ones(77, 40, dtype=dtype)
    assert found.product(x) is not None
    for place in [(0, 0), (40, 17), (76, 39)]:
        x_in = x.clone()
        x_in[place] = number
        assert found.product(x_in) is None


@needs_bytes
def test_one_block_of_graded_inputs_does_not_decide_for_the_others(weights, monkeypatch):
    weight = weights["even"].float() / 256
    x = (torch.rand((6, 40, 50), generator=torch.Generator().manual_seed(5)) < 0.3).float()
    x[2] *= 0.5
    spikes, packed = run(x, weight, None)
    assert spikes.any()
    monkeypatch.setattr(small, "_is_fast", lambda: False)
    for a, b in zip((spikes, packed), run(x, weight, None), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "spoil",
    [lambda w: w + 0.5 * (w == w.max()), lambda w: w * 0, lambda w: w * float("inf"), lambda w: w[:2, :2]],
    ids=["nine bits", "zeros", "not finite", "few"],
)
def test_weights_that_are_no_bytes_stay_floats(weights, spoil):
    assert small.as_bytes(spoil(weights["ends"].float())) is None


@needs_bytes
@pytest.mark.parametrize("largest", [0, 1, 3, 64, 100, 127, -1, -128])
def test_a_product_says_how_large_its_inputs_are(weights, largest):
    found = small.as_bytes(weights["even"].float())
    raster = torch.zeros(40, 33)
    raster[39, 32] = largest
    sums = torch.empty(24, 33, dtype=torch.int32)
    assert abs(largest) <= found.product_with(raster, sums) <= max(2 * abs(largest) - 1, 0)
    assert torch.equal(found.quantum * sums.double(), weights["even"].double() @ raster.double())
    raster[0, 0] = 0.5
    assert found.product_with(raster, sums) == -1
