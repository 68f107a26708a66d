"""Headroom: a network that leaves the range of Lava's registers is told so, with the place where it did."""

import numpy as np
import pytest
import torch

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.synapses.dense import Dense
from spikeproof.lava_procs import compat
from spikeproof.sim.trace import Trace
from spikeproof.sim.verify import headroom
from spikeproof.sim.verify.headroom import STATE_MAX, SUM, Headroom, left_by
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
    why = verdict.diagnoses[0]
    assert why.out_of_range == f"v of neuron 0 (sample 1, step {step})" and "cause unknown" not in str(verdict)
    assert f"likely cause: {why.out_of_range} had left its range by then" in str(verdict)
    assert type(why).from_dict(why.as_dict()) == why


def test_what_left_its_range_in_another_sample_is_no_cause():
    one = Headroom(layer="a", register="v", largest=9e6, limit=STATE_MAX, sample=1, step=5, neuron=7, value=9e6)
    assert left_by([one], "a", 1, 5) == "v of neuron 7 (sample 1, step 5)"
    assert not any(left_by([one], *where) for where in (("a", 1, 4), ("a", 3, 0), ("b", 1, 9)))


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


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("peak", [1000, STATE_MAX - 1, STATE_MAX, STATE_MAX + 5])
def test_headroom_of_parts_one_after_the_other_is_that_of_all(size, peak):
    layer = Layer(name="a", synapse=Dense(weight=np.zeros((3, 2), int)), neuron=CELIF(num_neurons=3, v_decay=1,
                  th_decay=1, v_th_mant=1, te_exp=1))  # fmt: skip
    net = Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=7, te=np.zeros((7, 3), int))
    random = np.random.default_rng(size)
    registers = {name: random.integers(-900, 900, (5, 3, 7)) for name in ("v", "h", "theta")}
    registers["v"][3, 1, 2] = -peak
    registers["v"][4, 0, 0] = peak
    registers["h"][1, 2, 6] = registers["h"][2, 0, 0] = 950
    payload = np.zeros((5, 2, 7), np.int32)

    def trace(part):
        return Trace(backend="engine", layers={"a": {name: array[part] for name, array in registers.items()}})

    found, names = (), np.arange(10, 15)
    for begin in range(0, 5, size):
        part = slice(begin, begin + size)
        found = headroom.measure(net, payload[part], [trace(part)] * 2, names[part], found)

    assert found == headroom.measure(net, payload, [trace(slice(None))], names)
    v, h, _ = found
    assert (v.sample, v.neuron, v.step, v.value, v.largest) == (13, 1, 2, -peak, peak)
    assert (h.sample, h.neuron, h.step) == (11, 2, 6)


def test_of_several_comparisons_the_fullest_is_told():
    a, b = (
        headroom.Headroom(layer="a", register="v", largest=most, limit=100, sample=0, step=0, neuron=0, value=most)
        for most in (50, 120)
    )
    assert headroom.fullest([(a,), (b,)]) == (b,)
