"""The floating-point CE-LIF model on Lava, beside Lava's own floating-point Dense."""

import pytest
from child import answer

pytestmark = pytest.mark.lava

SCRIPT = """
import json, sys
import numpy as np
from spikeproof.lava_procs import compat
compat.apply()
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from spikeproof.contract import real
from spikeproof.contract.neurons import celif
from spikeproof.lava_procs.by_rule.process import PROCESSES

random = np.random.default_rng(0)
steps, n = 12, 4
params = celif.CELIF(num_neurons=n, v_decay=100, th_decay=41, v_th_mant=19, te_exp=9)
x, te = random.integers(0, 2, (3, 2 * steps)), random.integers(-128, 128, (steps, n))
weight = 2 * random.integers(-10, 20, (n, 3))
source, dense, sink = Source(data=x), Dense(weights=weight), Sink(shape=(n,), buffer=2 * steps + 1)
neuron = PROCESSES[celif.CELIF](params=params, te=te, latency=1, period=steps)
source.s_out.connect(dense.s_in)
dense.a_out.connect(neuron.a_in)
neuron.s_out.connect(sink.a_in)
neuron.run(condition=RunSteps(num_steps=2 * steps + 1), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
raster, v = sink.data.get(), neuron.v.get()
neuron.stop()

state, expected = None, []
for t in range(2 * steps):
    state = params.reset() if t % steps == 0 else state
    spikes, state = params.step(state, weight @ x[:, t], te[t % steps], real)
    expected.append(spikes)
print(json.dumps({
    "same": bool(np.array_equal(raster[:, 1:].T, expected)) and bool(np.allclose(v, state.v, rtol=1e-12)),
    "spikes": int(np.sum(expected)),
    "fractional": bool((state.v != np.trunc(state.v)).any()),
}))
"""


def test_the_floating_point_model_is_the_unquantised_step():
    found = answer(SCRIPT)

    assert found["same"] and found["fractional"] and found["spikes"] > 10
