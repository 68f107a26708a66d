"""Headroom: a network that leaves the range of Lava's registers is told so, with the place where it did."""

import numpy as np
import pytest
import torch

from spikeproof.lava_procs import compat
from spikeproof.sim.verify import headroom
from spikeproof.sim.verify.headroom import STATE_MAX, SUM
from spikeproof.sim.verify.verify import verify

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

STEPS = 12


def one_block(weight, family="cuba", **params):
    """A block of two neurons that sees one channel, its second neuron four times weaker."""
    block = getattr(slayer.block, family).Dense(params, 1, 2, delay_shift=False)
    block.synapse.weight.data[:] = torch.tensor([weight, weight / 4]).reshape(2, 1, 1, 1, 1)
    return block


INTEGRATES = {"threshold": 60.0, "current_decay": 0.0, "voltage_decay": 0.0}


def test_a_membrane_that_leaves_its_register_is_named_with_its_place():
    module = torch.nn.Sequential(one_block(-4.0, **INTEGRATES)).eval()
    x = np.zeros((3, 1, 80), np.float32)
    x[1] = 1.0

    verdict = verify(module, x, backends=("engine",))

    v = next(one for one in verdict.headroom if one.register == "v")
    sums = -4 * 4096 * np.cumsum(np.arange(1, 81))
    step = int(np.argmax(-sums >= STATE_MAX))
    assert (v.layer, v.sample, v.neuron, v.step, v.value) == ("cuba1", 1, 0, step, sums[step])
    assert v.left and v.largest == -sums[-1] and v.used > 1
    assert not verdict.exact
    assert f"OUT OF RANGE: layer 'cuba1', neuron 0, sample 1, step {step}: v = {sums[step]}" in str(verdict)
    assert verdict.as_dict()["headroom"][1]["largest"] == v.largest


def test_a_network_with_room_says_how_much_and_nothing_more():
    module = torch.nn.Sequential(one_block(1.0, **INTEGRATES)).eval()

    verdict = verify(module, np.ones((2, 1, STEPS)), backends=("engine",))

    u, v = verdict.headroom
    assert (u.largest, v.largest) == (12 * 4096, 55 * 4096)  # 66 is past the threshold
    assert not u.left and not v.left and 0 < u.used < 0.5
    assert "out of range" not in str(verdict).lower()


def test_a_register_that_is_nearly_full_is_told():
    room = headroom.Headroom(
        layer="a", register="v", largest=6000000, limit=STATE_MAX, sample=0, step=3, neuron=2, value=-6000000
    )

    assert headroom.sentences([room]) == [
        "nearly out of range: layer 'a', neuron 2, sample 0, step 3: v = -6000000, 72% of its range"
    ]


def test_sums_that_float32_rounds_are_named():
    torch.manual_seed(0)
    params = {"threshold": 0.1, "current_decay": 0.5, "voltage_decay": 0.01, "graded_spike": True}
    first = slayer.block.cuba.Dense(params, 6, 40, delay_shift=False, weight_scale=20)
    then = slayer.block.cuba.Dense(params, 40, 5, delay_shift=False, weight_scale=20)
    x = (np.random.default_rng(0).random((2, 6, 30)) < 0.5).astype(np.float32)

    verdict = verify(torch.nn.Sequential(first, then).eval(), x, backends=("engine",))

    rounded = [one for one in verdict.headroom if one.register == SUM]
    assert [one.layer for one in rounded] == ["cuba2"] and rounded[0].left
    assert "from 33554432 on torch's float32 rounds it or Lava's port wraps it" in str(verdict)


def test_parts_are_joined_by_the_first_that_left_the_range_and_the_largest():
    def found(largest, sample):
        return headroom.Headroom(
            layer="a", register="v", largest=largest, limit=100, sample=sample, step=0, neuron=0, value=largest
        )

    (one,) = headroom.merge(
        [(found(50, 0),), (found(120, 1),), (found(300, 0),)], [np.arange(2), np.arange(2, 4), np.array([9])]
    )

    assert (one.largest, one.sample, one.value) == (300, 3, 120)
    assert headroom.fullest([(found(50, 0),), (found(120, 1),)]) == (found(120, 1),)
