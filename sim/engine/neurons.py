"""Neurons of the batch engine: what runs a kind of neuron over blocks of steps.

Kinds with a module in `spikeproof.sim.engine.loops` have compiled loops; every other kind runs through the contract's
own step, a step at a time over the whole batch. Both are called the same way.
"""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np

from ...contract.fixed import FLOAT32_WHOLE
from ...contract.neurons import Neuron
from . import loops
from .scan import COMPILED, Array, Scan

for _module in pkgutil.iter_modules(loops.__path__):
    importlib.import_module(f"{loops.__name__}.{_module.name}")


def scan_of(neuron: Neuron, bound: int) -> Scan:
    """Return what runs a layer's neurons, whose dendritic sums are at most `bound` in magnitude."""
    prepare = COMPILED.get(type(neuron))
    scan = prepare(neuron, bound) if prepare is not None else None
    return scan if scan is not None else _by_rule(neuron)


def _by_rule(neuron: Neuron) -> Scan:
    """Run the contract's step; the state keeps its fields in their order."""
    start = neuron.reset()
    kind, names = type(start), neuron.registers

    def run(
        z: Array,
        te: Array,
        state: Array,
        counts: Array,
        spikes: Array,
        outputs: list[Array],
        first: int,
        feedback: Array,
        last: Array,
    ) -> int:
        now = kind(*state.transpose(1, 0, 2))
        fired = 0
        for t in range(z.shape[1]):
            row = (te[t],) if neuron.takes_te else ()
            sent, now = neuron.step(now, z[:, t].astype(np.int64), *row)
            seen = neuron.observed(now) if any(out.size for out in outputs) else {}
            spikes[:, t] = sent
            counts += sent
            fired += int(np.count_nonzero(sent))
            for name, out in zip(names, outputs, strict=True):
                if out.size:
                    out[:, first + t] = seen[name]
        state[:] = np.stack(now, axis=1)
        return fired

    return Scan(run, np.stack(start), np.float32 if neuron.max_payload <= FLOAT32_WHOLE else np.float64)
