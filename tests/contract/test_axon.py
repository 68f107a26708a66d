"""Axons: the step over a sample gives what the closed form gives, and an oracle without either."""

import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.contract.errors import RecordError
from spikeproof.contract.synapses import axon
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.delays import delayed


@given(st.data(), st.integers(1, 4), st.integers(1, 70))
def test_step_and_arrivals_follow_the_definition(data, n, steps):
    params = data.draw(some.axons(n))
    sent = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-3, 4, (n, steps))

    stepped, state = [], axon.reset(params)
    for t in range(steps):
        arriving, state = axon.step(params, state, sent[:, t])
        stepped.append(arriving)

    expected = [[row[t - d] if t >= d else 0 for t in range(steps)] for row, d in zip(sent, params.delay, strict=True)]
    assert np.array_equal(np.transpose(stepped), expected)
    assert np.array_equal(axon.arrivals(params, sent), expected)
    assert axon.arrivals(None, sent) is sent


def test_slayers_delays_are_these():
    from spikeproof.lava_procs import compat

    compat.apply()
    torch = pytest.importorskip("torch")
    delay = pytest.importorskip("lava.lib.dl.slayer.axon", reason="lava-dl is not installed")
    sent = torch.as_tensor(np.random.default_rng(0).integers(0, 2, (2, 5, 70))).float()
    learned = delay.Delay(max_delay=62)
    learned(sent)  # draws its delays
    learned.delay.data = torch.tensor([0.99, 1.0, 61.5, 70.0, -3.0])

    out = learned(delay.delay(sent, 1)).detach()

    expected = axon.arrivals(Axon(delay=[1, 2, 62, 63, 1]), sent.numpy())
    assert np.array_equal(out.numpy(), expected) and expected.sum() > 100


def test_the_shape_is_blamed_where_the_shape_is_wrong():
    with pytest.raises(RecordError, match=r"shape \(2, 2\) is not \(neurons,\). Give one delay for each neuron"):
        Axon(delay=np.ones((2, 2)))
    with pytest.raises(RecordError, match="all 3 are 0, so nothing delays"):
        Axon(delay=np.zeros(3))


@pytest.mark.parametrize("steps", [127, 128, 150, 40_000])
def test_samples_may_have_more_steps_than_the_type_of_delays_holds(steps):
    """Delays are int8 or int16, and steps less a delay are neither."""
    sent = np.arange(2 * steps, dtype=np.int32).reshape(1, 2, steps)
    for delay in (np.array([1, 3], np.int8), np.array([1, 3], np.int16), np.int8(1)):
        found = delayed(sent, delay)
        for row, d in enumerate(np.broadcast_to(delay, 2)):
            assert not found[0, row, :d].any() and np.array_equal(found[0, row, d:], sent[0, row, : steps - int(d)])
