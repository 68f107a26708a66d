"""Weights as loops read them, floats or bytes, and what events add up to through them."""

import numpy as np
import pytest
import torch

from spikeproof.train.slayer.fused import products
from spikeproof.train.slayer.fused.loops import products as loops

UNIT, SCALE = 64, 64 * 64


def events(steps, senders, random):
    """Some events a step, whole numbers between -3 and 3."""
    counts = random.integers(0, 1 + min(10, senders), steps)
    starts = np.concatenate([[0], np.cumsum(counts)])
    who = np.concatenate([np.sort(random.choice(senders, count, replace=False)) for count in counts]).astype(np.int32)
    return starts, who, random.integers(-3, 4, len(who)).astype(np.float32)


def sums(weights, block, of, steps):
    z = np.empty((steps, block.stop - block.start), np.float32)
    loops.forward(*of, weights.scaled(block), z)
    return z


@pytest.mark.parametrize("step", [1, 2, 8])
@pytest.mark.parametrize(("senders", "neurons"), [(11, 5), (40, 16), (23, 50)])
def test_bytes_and_floats_add_up_to_the_same(senders, neurons, step):
    random = np.random.default_rng(senders)
    levels = step * random.integers(-128, 128, (neurons, senders))
    levels[0, :2] = -128 * step, 127 * step
    weight = torch.from_numpy(levels / UNIT).float()
    blocks = [slice(start, min(start + 16, products.padded(neurons))) for start in range(0, neurons, 16)]
    of = events(30, senders, random)
    raster = np.zeros((30, senders))
    for t in range(30):
        raster[t, of[1][of[0][t] : of[0][t + 1]]] = of[2][of[0][t] : of[0][t + 1]]
    expected = raster @ (levels.T / UNIT * SCALE)
    for as_bytes in (True, False):
        found = products.pack(weight, UNIT, SCALE, blocks, as_bytes=as_bytes)
        assert found.packed.dtype == (np.int8 if as_bytes else np.float32)
        assert found.largest == np.abs(levels).max() and found.senders == senders
        z = np.concatenate([sums(found, block, of, 30) for block in blocks], 1)
        assert np.array_equal(z[:, :neurons], expected) and not z[:, neurons:].any()
        ordered = np.empty((30, 16), np.float32)
        loops.forward_in_order(*of, found.scaled(blocks[0]), 7, np.empty(16, np.float32), ordered)
        assert np.array_equal(ordered, z[:, :16])


@pytest.mark.parametrize(
    ("levels", "largest"),
    [
        ([[128.0, 1.0]], 128),
        ([[-129.0, 0.0]], 129),
        ([[256.0, -256.0]], None),  # two of 2**8
        ([[0.0, 0.0]], 0),
        ([[0.5, 4.0]], np.inf),
        ([[np.nan, 4.0]], np.inf),
        ([[4.0, -np.inf]], np.inf),
        ([[3e9, 1.0]], np.inf),
        ([[2.0**24, 2.0]], np.inf),
        ([[2.0**24 - 2, 2.0]], 2**24 - 2),
    ],
)
def test_what_is_no_byte_stays_a_float(levels, largest):
    weight = torch.tensor(levels) / UNIT
    found = products.pack(weight, UNIT, SCALE, [slice(0, 16)], as_bytes=True)
    if largest is None:
        assert found.packed.dtype == np.int8 and found.largest == 256 and found.one == 256 * SCALE / UNIT
        return
    assert found.packed.dtype == np.float32 and found.one == 1 and found.largest == largest
    rows = found.of(slice(0, 16))
    assert np.array_equal(rows[:, 0], weight[0].numpy() * np.float32(SCALE), equal_nan=True) and not rows[:, 1:].any()
    assert found.exact_with(1) == (largest * 2 < 2**24)


@pytest.mark.parametrize("first", [0, 3])
def test_the_gradient_is_a_sum_of_rows(first):
    random = np.random.default_rng(4)
    of = [events(20, 9, random) for _ in range(3)]
    grad = random.integers(-8, 9, (3, 20, 24)).astype(np.float32)
    starts, ends = np.stack([one[0] for one in of]), np.cumsum([0, *(one[0][-1] for one in of)])
    total, expected = np.zeros((9, 16), np.float32), np.zeros((9, 16))
    loops.gradient(
        starts + ends[:-1, None], np.concatenate([one[1] for one in of]), np.concatenate([one[2] for one in of]),
        grad, first, total,
    )  # fmt: skip
    for (begin, who, values), g in zip(of, grad, strict=True):
        for t in range(20):
            for e in range(begin[t], begin[t + 1]):
                expected[who[e]] += values[e] * g[t, first : first + 16]
    assert np.array_equal(total, expected) and total.any()
