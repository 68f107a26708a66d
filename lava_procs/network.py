"""A Lava network from a record.

Neurons are the processes of `spikeproof.lava_procs.neurons`. Synapses are Lava's own ``Dense`` and ``Conv``, given
what they need to be exact: the sign mode by name, so that Lava does not guess one. Where senders have delays, or a
receiver works later than they, a process of ours in front of the synapses holds spikes back. Only synapses that each
have a delay of their own are ours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from . import compat

compat.apply()  # before the first Lava import

from lava.magma.core.process.process import AbstractProcess  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.conv.process import Conv as ConvProcess  # noqa: E402
from lava.proc.dense.process import Dense  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402

from ..contract.fixed import WEIGHT_STEP  # noqa: E402
from ..contract.net import Incoming, Net  # noqa: E402
from ..contract.sources.driven import Driven  # noqa: E402
from ..contract.sources.ring import Ring  # noqa: E402
from ..contract.synapses.conv import GEOMETRY_MAX, Conv  # noqa: E402
from .by_rule.process import ByRule  # noqa: E402
from .delays.process import Delays  # noqa: E402
from .edges.process import Edge  # noqa: E402
from .neurons import Place, process  # noqa: E402
from .oscillators.process import Oscillators as OscillatorsProcess  # noqa: E402
from .recorder.process import Recorder  # noqa: E402


class LayerProcesses(NamedTuple):
    """The processes of one layer."""

    synapse: AbstractProcess
    neuron: AbstractProcess


class Network(NamedTuple):
    """A built network; run each of its parts with `run`."""

    parts: tuple[AbstractProcess, ...]
    """A process of each part that nothing connects to the others: Lava runs what is connected."""
    layers: tuple[LayerProcesses, ...]

    def stop(self) -> None:
        """End all processes; a stopped network cannot run again."""
        for part in self.parts:
            part.stop()


def run(part: AbstractProcess, steps: int) -> None:
    """Advance all processes that are connected to one by `steps` time steps, on Lava's fixed-point models."""
    # Without the tag Lava takes the first model that it finds, which is a floating-point one.
    part.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))


def build(
    net: Net,
    payload: np.ndarray,
    *,
    record_to: str | os.PathLike[str] | None = None,
    te_source: Literal["table", "ring"] = "table",
) -> Network:
    """Build the processes of a network and connect them.

    Parameters
    ----------
    net : Net
        The network record.
    payload : ndarray of int32, shape (channels, total_steps)
        Input payloads, samples back to back.
    record_to : path-like, optional
        Existing folder that gets one folder a layer, ``<layer name>/s.npy`` and one file a register, each of shape
        (`total_lava_steps`, neurons). None records nothing.
    te_source : {"table", "ring"}
        Where a CE-LIF neuron finds a temporal encoding that is a table: in the process, or at the end of ordinary
        synapses from a one-hot clock ring. An encoding that oscillators drive always comes through synapses.

    Returns
    -------
    Network
    """
    total = total_lava_steps(net, payload.shape[1])
    sources = tuple(RingBuffer(data=payload[net.channels(k)]) for k in range(len(net.inputs)))
    bounds = net.sum_bounds()
    neurons = [
        process(layer, Place(net.latency(i), net.steps, bounds[i], _table(net, layer.num_neurons, te_source)))
        for i, layer in enumerate(net.layers)
    ]
    ways = _Ways(net, sources, neurons)
    layers = []
    for i, (layer, neuron) in enumerate(zip(net.layers, neurons, strict=True)):
        synapses = [ways.connect(i, k) for k in range(len(net.incoming(i)))]
        if layer.cpg is not None:
            # Its own synapses add one step too, so it works a step ahead of its layer.
            payload_bits = _message_bits(net, net.incoming(i)[0].source)
            cpg = _oscillators(net, i, layer.cpg, f"{layer.name}_cpg", net.cpg_payload(i))
            weight = layer.synapse.weight[:, layer.num_inputs :]
            from_cpg = _dense(weight, payload_bits, f"{layer.name}_cpg_synapse")
            cpg.s_out.connect(from_cpg.s_in)
            from_cpg.a_out.connect(neuron.a_in)
        if layer.neuron.takes_te:
            _feed_encoding(net, i, neuron, te_source)
        layers.append(LayerProcesses(synapses[0], neuron))
        if record_to is not None:
            folder = Path(record_to) / layer.name
            folder.mkdir()
            Recorder(
                folder=folder,
                steps=total,
                spikes=neuron.s_out if hasattr(neuron, "s_out") else None,
                registers={name: getattr(neuron, name) for name in layer.neuron.registers},
                name=f"{layer.name}_recorder",
            )
    return Network(tuple(neurons[i] for i in _firsts(net)), tuple(layers))


def _firsts(net: Net) -> list[int]:
    """Return one layer of each part of a network that nothing connects to the others."""
    part = {i: i for i in range(-len(net.inputs), len(net.layers))}
    for i in range(len(net.layers)):
        for way in net.incoming(i):
            joined = part[i], part[way.source]
            part |= {each: max(joined) for each, of in part.items() if of in joined}
    return sorted(set(part[i] for i in range(len(net.layers))))


class _Ways:
    """Connects what sends to what receives.

    Parameters
    ----------
    net : Net
        The network record.
    sources : sequence of RingBuffer
        Of the inputs.
    neurons : sequence of AbstractProcess
        Of the layers.
    """

    def __init__(self, net: Net, sources: Sequence[AbstractProcess], neurons: Sequence[AbstractProcess]) -> None:
        self._net, self._sources, self._neurons = net, sources, neurons
        self._delays: dict[tuple[Any, ...], Delays] = {}

    def connect(self, index: int, number: int) -> AbstractProcess:
        """Connect the given one of a layer's incoming ways, and return the process of its synapses."""
        net, neuron, way = self._net, self._neurons[index], self._net.incoming(index)[number]
        name = f"{net.layers[index].name}_synapse" if number == 0 else f"{net.layers[index].name}_synapse{number}"
        sender = self._neurons[way.source] if way.source >= 0 else self._sources[-1 - way.source]
        late = net.latency(index) - self._latency(way) - 1
        bits = _message_bits(net, way.source)
        if way.delay.ndim == 2:
            wait = np.maximum(way.delay.astype(np.int64) + late, 0)  # below 0 only where the weight is 0
            edge = Edge(
                weight=way.synapse.weight,
                delay=way.delay,
                wait=wait,
                latency=self._latency(way),
                period=net.steps,
                name=name,
            )
            sender.s_out.connect(edge.s_in)
            edge.a_out.connect(neuron.a_in)
            return edge
        port = self._delayed(way, sender, late)
        if isinstance(way.synapse, Conv):
            synapse = _conv(way.synapse, bits, name)
            # Images lie (column, row, channel) in Lava's convolution and (channel, row, column) in the record.
            port.reshape(way.synapse.in_shape).transpose([2, 1, 0]).connect(synapse.s_in)
            synapse.a_out.transpose([2, 1, 0]).flatten().connect(neuron.a_in)
            return synapse
        synapse = _dense(way.synapse.weight, bits, name)
        port.connect(synapse.s_in)
        synapse.a_out.connect(neuron.a_in)
        return synapse

    def _latency(self, way: Incoming) -> int:
        return self._net.latency(way.source) if way.source >= 0 else 0

    def _delayed(self, way: Incoming, sender: AbstractProcess, late: int) -> Any:
        """Return the port that sends what synapses are to deliver in the next step; one process serves all alike."""
        delay = np.broadcast_to(way.delay.astype(np.int64), (way.synapse.num_inputs,))
        wait = delay + late
        if not delay.any() and not wait.any():
            return sender.s_out
        key = (way.source, delay.tobytes(), wait.tobytes())
        if key not in self._delays:
            made = Delays(
                delay=delay,
                wait=wait,
                latency=self._latency(way),
                period=self._net.steps,
                name=f"delays{len(self._delays)}",
            )
            sender.s_out.connect(made.s_in)
            self._delays[key] = made
        return self._delays[key].s_out


def _message_bits(net: Net, source: int) -> int:
    """Return the bits of the largest payload that a layer or an input sends; 0 for unary spikes."""
    most = net.max_payload(source)
    return most.bit_length() if most > 1 or (source < 0 and net.inputs[-1 - source].bits) else 0


def _dense(weight: np.ndarray, bits: int, name: str) -> Dense:
    return Dense(
        weights=weight.astype(np.int32),
        num_weight_bits=8,
        weight_exp=0,
        sign_mode=SignMode.MIXED,
        # Lava counts the sign as a bit of the message.
        num_message_bits=bits + 1 if bits else 0,
        name=name,
    )


def _conv(params: Conv, bits: int, name: str) -> ConvProcess:
    process = ConvProcess(
        # Lava's process convolves, with a mirrored kernel; the contract correlates, as torch does.
        weight=params.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1).astype(np.int32),
        input_shape=params.in_shape[::-1],
        stride=params.stride[::-1],
        padding=params.padding[::-1],
        dilation=params.dilation[::-1],
        groups=params.groups,
        num_weight_bits=8,
        num_message_bits=bits + 1 if bits else 0,
        name=name,
    )
    if params.groups > GEOMETRY_MAX:
        # The model's eight bits cannot hold them; patched, it does not look at them but at the shapes.
        process.groups.init = 1
    return process


def _oscillators(net: Net, index: int, params: Any, name: str, payload: int = 1) -> OscillatorsProcess:
    latency = net.latency(index) - 1
    return OscillatorsProcess(params=params, latency=latency, period=net.steps, payload=payload, name=name)


def _feed_encoding(net: Net, index: int, neuron: ByRule, te_source: str) -> None:
    """Connect what delivers a temporal encoding through synapses, if it does not come from the process's table."""
    layer = net.layers[index]
    params: Any
    if isinstance(net.te, Driven):
        params, weight = net.te.cpg, net.te.matrix[: layer.num_neurons]
    elif te_source == "ring":
        params, weight = Ring(num_neurons=len(net.te)), net.te[:, : layer.num_neurons].T
    else:
        return
    source = _oscillators(net, index, params, f"{layer.name}_te_source")
    synapse = _dense(WEIGHT_STEP * weight.astype(np.int32), 0, f"{layer.name}_te_synapse")
    source.s_out.connect(synapse.s_in)
    synapse.a_out.connect(neuron.te_in)


def total_lava_steps(net: Net, input_steps: int) -> int:
    """Return how many Lava steps the latest layer needs to see `input_steps` steps of input."""
    return input_steps + max(net.latencies)


def _table(net: Net, num_neurons: int, te_source: str) -> np.ndarray | None:
    """Return the encoding that a layer's process holds as a table, if there is one and it does."""
    if net.te is None or isinstance(net.te, Driven) or te_source == "ring":
        return None
    table: np.ndarray = net.te[:, :num_neurons]
    return table
