"""Energy and time from operation counts and published figures, each with its hardware and source.

Nobody has published the energy of one operation on Loihi 2. What there is: Loihi 1's table of 2018, measured powers of
whole networks on Loihi 2, and the arithmetic of 45 nm CMOS that papers on spiking networks use, which counts no memory
and no traffic. The three speak of different things; nothing here adds or divides across them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.net import Net
from ...export.arithmetic import LSTM, Arithmetic
from ...export.arithmetic import SOURCE as ARITHMETIC
from ...export.loihi2.mapping import Placement
from ...export.loihi2.ways import HOST, RELAY, name_of
from .operations import Operations

PJ, NS = 1e-12, 1e-9


@dataclass(frozen=True, kw_only=True)
class Loihi1:
    """Figures of Loihi 1, 14 nm.

    M. Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro 38(1), 2018, its
    table of energies and times, as quoted by others; they come from simulations of the design.
    """

    synaptic: float = 23.6 * PJ
    update: tuple[float, float] = (52 * PJ, 81 * PJ)
    """Inactive and active; which of the two a step takes is not said, so totals are ranges."""
    spike: float = 1.7 * PJ
    """Within a tile; hops to other tiles, 3.0 and 4.0 pJ each, need a placement and are left out."""
    synaptic_time: float = 3.5 * NS
    update_time: tuple[float, float] = (5.3 * NS, 8.4 * NS)
    barrier_time: tuple[float, float] = (113 * NS, 465 * NS)


LOIHI1 = Loihi1()
LOIHI1_SOURCE = (
    "Loihi 1 (14 nm): 23.6 pJ and 3.5 ns a synaptic operation, 52 to 81 pJ and 5.3 to 8.4 ns a neuron update, 1.7 pJ "
    "a spike in a tile, 113 to 465 ns a barrier; M. Davies et al., IEEE Micro 38(1), 2018, as quoted by others. "
    "Estimate: hops between tiles and static power are left out, and micro-coded neurons cost more"
)

LOIHI2_BASE, LOIHI2_UPDATE = 1.78e-6, 31e-9
LOIHI2_SOURCE = (
    "Loihi 2, time alone: 1.78 us a step of hard-coded LIF networks (measured by others, "
    "OzU-CAST/LoihiScalingEfficiency) and at most 31 ns a micro-coded neuron of the fullest core (Intel's QP solver, "
    "8.14 us for 264). Estimate; no energy an operation has been published for Loihi 2"
)
LOIHI2_MEASURED = (
    "Loihi 2, measured on a whole other network for scale: PilotNet SNN, 0.679 W, 1.66 mJ an inference of 16 steps "
    "(lava-dl, tutorials/lava/lib/dl/netx/pilotnet_snn/benchmark.ipynb)"
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a network costs on given inputs, in three currencies that are not mixed.

    Parameters
    ----------
    operations : Operations
        What was counted.
    loihi1_joules : (float, float)
        A step on Loihi 1, from the lowest to the highest reading of its table.
    loihi1_seconds, loihi2_seconds : (float, float)
        A step, the fullest core at its average number of operations.
    arithmetic : Arithmetic or None
        A step by papers' counting; None if a kind of neuron is not known there.
    lstm : LSTM
        Of about as many parameters as the network has.
    parameters : int
        Of the network.
    """

    operations: Operations
    loihi1_joules: tuple[float, float]
    loihi1_seconds: tuple[float, float]
    loihi2_seconds: tuple[float, float]
    arithmetic: Arithmetic | None
    lstm: LSTM
    parameters: int

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the cost in words, every figure with its source."""
        counted = self.operations
        steps = counted.samples * counted.steps
        lines = [
            f"counted exactly over {counted.samples:,} samples of {counted.steps:,} steps: {counted.synaptic:,} "
            f"synaptic operations, {counted.updates:,} neuron updates, {counted.published:,} spikes; a step: "
            f"{counted.synaptic / steps:,.1f}, {counted.updates / steps:,.0f}, {counted.published / steps:,.1f}",
            f"Loihi 1: {_range(self.loihi1_joules, 'J')} and {_range(self.loihi1_seconds, 's')} a step, "
            f"{_range(_times(self.loihi1_joules, counted.steps), 'J')} a sample",
            f"Loihi 2: {_range(self.loihi2_seconds, 's')} a step, "
            f"{_range(_times(self.loihi2_seconds, counted.steps), 's')} a sample",
        ]
        own, lstm = self.arithmetic, self.lstm.arithmetic.joules
        cells = (
            f"an LSTM of {len(self.lstm.hidden)} x {self.lstm.hidden[0]} cells ({self.lstm.parameters:,} parameters)"
        )
        if own is None:
            network = "not known for these neurons"
        else:
            network = f"{_si(own.joules, 'J')} a step ({own.mac:,.1f} MAC, {own.ac:,.1f} AC; "
            network += f"{self.parameters:,} parameters)"
        lines.append(f"45 nm arithmetic: {network}; {cells}: {_si(lstm, 'J')} a step")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "samples": self.operations.samples,
            "steps": self.operations.steps,
            "synaptic_operations": self.operations.synaptic,
            "neuron_updates": self.operations.updates,
            "published_spikes": self.operations.published,
            "layers": [
                {
                    "name": layer.name,
                    "neuron_updates_a_step": layer.neurons,
                    "synaptic_operations_by_source": {
                        source: counts.sum(axis=0).tolist() for source, counts in layer.synaptic.items()
                    },
                    "published_spikes": layer.published.sum(axis=0).tolist(),
                }
                for layer in self.operations.layers
            ],
            "loihi1": {
                "joules_a_step": self.loihi1_joules,
                "seconds_a_step": self.loihi1_seconds,
                "source": LOIHI1_SOURCE,
            },
            "loihi2": {
                "seconds_a_step": self.loihi2_seconds,
                "source": LOIHI2_SOURCE,
                "measured_elsewhere": LOIHI2_MEASURED,
            },
            "arithmetic_45nm": {
                "joules_a_step": None if self.arithmetic is None else self.arithmetic.joules,
                "lstm_joules_a_step": self.lstm.arithmetic.joules,
                "lstm": vars(self.lstm) | {"parameters": self.lstm.parameters},
                "source": ARITHMETIC,
            },
        }


SOURCES = (LOIHI1_SOURCE, LOIHI2_SOURCE, LOIHI2_MEASURED, ARITHMETIC)


def cost(net: Net, operations: Operations, found: Placement) -> Cost:
    """Put a price on operations.

    Parameters
    ----------
    net : Net
        The record.
    operations : Operations
        What it did, see `spikeproof.sim.cost.operations.count`.
    found : Placement
        Where it lies, see `spikeproof.export.loihi2.mapping.place`; it must fit.
    """
    steps = operations.samples * operations.steps
    synaptic, updates = operations.synaptic / steps, operations.updates / steps
    cores = {placed.population.name: placed for placed in found.placed}
    targets = {
        name: sum(len(other.uses) for other in found.placed for c in other.population.inputs if c.source == name)
        for name in cores
    }
    sent = sum(layer.published.sum() * targets[layer.name] for layer in operations.layers) / steps
    fixed = synaptic * LOIHI1.synaptic + sent * LOIHI1.spike
    busiest, micro = [0.0, 0.0], 0
    for layer in operations.layers:
        placed = cores[layer.name]
        share = layer.synaptic_operations.sum() / steps / max(len(placed.uses), 1)
        largest = max((use.neurons for use in placed.uses), default=layer.neurons)
        for i in range(2):
            busiest[i] = max(busiest[i], share * LOIHI1.synaptic_time + largest * LOIHI1.update_time[i])
        if placed.population.state_words > 1 or "oscillator" in placed.population.kind:
            micro = max(micro, largest)
    parameters = _parameters(net)
    return Cost(
        operations=operations,
        loihi1_joules=(fixed + updates * LOIHI1.update[0], fixed + updates * LOIHI1.update[1]),
        loihi1_seconds=(LOIHI1.barrier_time[0] + busiest[0], LOIHI1.barrier_time[1] + busiest[1]),
        loihi2_seconds=(LOIHI2_BASE, LOIHI2_BASE + micro * LOIHI2_UPDATE),
        arithmetic=_arithmetic(net, operations),
        lstm=_lstm_like(net, parameters),
        parameters=parameters,
    )


def _arithmetic(net: Net, operations: Operations) -> Arithmetic | None:
    if any(layer.neuron.multiplications is None for layer in net.layers):
        return None
    steps = operations.samples * operations.steps
    counts = {layer.name: layer for layer in operations.layers}
    payloads = {name_of(net, -1 - k) for k, source in enumerate(net.inputs) if source.bits}
    mac = ac = 0.0
    for layer in net.layers:
        for source, counted in counts[layer.name].synaptic.items():
            arrived = float(counted.sum()) / steps
            if source.partition(RELAY)[0] in payloads:
                mac += arrived  # a payload is multiplied
            elif source.startswith(HOST) or not source.endswith((":te", ":clock")):
                ac += arrived
        mac += (layer.neuron.multiplications or 0) * layer.num_neurons
        # A spike resets its neuron; some count it as an accumulate.
    return Arithmetic(mac=mac, ac=ac)


def _parameters(net: Net) -> int:
    """Return what training counts: weights, biases and the temporal encoding."""
    te = 0 if net.te is None else net.te.size if isinstance(net.te, np.ndarray) else net.te.matrix.size
    synapses: list[Any] = [each for layer in net.layers for each in (layer.synapse, layer.feedback) if each is not None]
    synapses += [edge.synapse for edge in net.edges]
    biases = [layer.num_neurons for layer in net.layers if np.any(getattr(layer.neuron, "bias_mant", 0))]
    return int(te + sum(each.weight.size for each in synapses) + sum(biases))


def _lstm_like(net: Net, parameters: int) -> LSTM:
    """Return the LSTM of as many layers as the network has hidden ones whose parameters come next to its own."""
    layers = max(1, len(net.layers) - (net.readout is not None))
    ends = {"inputs": net.num_channels, "outputs": net.output.num_neurons}
    most = math.isqrt(parameters) + 2
    return min(
        (LSTM(hidden=(width,) * layers, **ends) for width in range(1, most)),
        key=lambda lstm: abs(lstm.parameters - parameters),
    )


def _times(pair: tuple[float, float], factor: int) -> tuple[float, float]:
    return pair[0] * factor, pair[1] * factor


def _range(pair: tuple[float, float], unit: str) -> str:
    return f"{_si(pair[0], unit)} to {_si(pair[1], unit)}"


def _si(value: float, unit: str) -> str:
    for factor, prefix in ((1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value / 1e-12:.3g} p{unit}"
