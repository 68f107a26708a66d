"""Connects the processes of a network's layers: what sends to what receives, over synapses.

Neurons are the processes of `spikeproof.lava_procs.neurons`. Synapses are Lava's own ``Dense`` and ``Conv``, given
what they need to be exact: the sign mode by name, so that Lava does not guess one. Where senders have delays, or a
receiver works later than they, a process of ours in front of the synapses holds spikes back. Only synapses that each
have a delay of their own are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from . import compat

compat.apply()  # before the first Lava import

from lava.magma.core.process.process import AbstractProcess  # noqa: E402
from lava.proc.dense.process import Dense  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402

from ..contract.fixed import WEIGHT_STEP  # noqa: E402
from ..contract.net import Incoming, Net  # noqa: E402
from ..contract.sources.driven import Driven  # noqa: E402
from ..contract.sources.ring import Ring  # noqa: E402
from ..contract.synapses.conv import GEOMETRY_MAX, Conv  # noqa: E402
from .delays.process import Delays  # noqa: E402
from .edges.process import Edge  # noqa: E402
from .neurons import Place, process  # noqa: E402
from .oscillators.process import Oscillators as OscillatorsProcess  # noqa: E402

if TYPE_CHECKING:
    from lava.proc.conv.process import Conv as ConvProcess


class LayerProcesses(NamedTuple):
    """The processes of one layer."""

    synapse: AbstractProcess
    """The layer's own synapses."""
    neuron: AbstractProcess
    edges: tuple[AbstractProcess, ...] = ()
    """The synapses of its feedback and of the edges that lead to it."""


def connect(
    net: Net,
    sources: Sequence[Any],
    *,
    te_source: Literal["table", "ring"] = "table",
    late: int = 0,
    by_rule: bool = False,
) -> tuple[LayerProcesses, ...]:
    """Make the processes of all layers and connect them.

    Parameters
    ----------
    net : Net
        The network record.
    sources : sequence of ports
        What sends the payloads of each input: channels in a row, or, in Lava's own order, images as (column, row,
        channel).
    te_source : {"table", "ring"}
        Where a CE-LIF neuron finds a temporal encoding that is a table, see `spikeproof.lava_procs.network.build`.
    late : int
        Steps that pass before the first sample begins.
    by_rule : bool
        Whether all neurons run by the contract's rules. Lava's own are faster here and there, but compute in floating
        point where a user's run configuration names no tag.

    Returns
    -------
    tuple of LayerProcesses
        Of each layer.
    """
    bounds = net.sum_bounds()
    neurons = [
        process(
            layer,
            Place(net.latency(i) + late, net.steps, bounds[i], _table(net, layer.num_neurons, te_source)),
            by_rule=by_rule,
        )
        for i, layer in enumerate(net.layers)
    ]
    ways = _Ways(net, sources, neurons, late)
    layers = []
    for i, (layer, neuron) in enumerate(zip(net.layers, neurons, strict=True)):
        synapses = [ways.connect(i, k) for k in range(len(net.incoming(i)))]
        if layer.cpg is not None:
            ways.connect_cpg(i)
        if layer.neuron.takes_te:
            ways.feed_encoding(i, te_source)
        layers.append(LayerProcesses(synapses[0], neuron, tuple(synapses[1:])))
    return tuple(layers)


class _Ways:
    """Connects what sends to what receives.

    Parameters
    ----------
    net : Net
        The network record.
    sources : sequence of ports
        Of the inputs.
    neurons : sequence of AbstractProcess
        Of the layers.
    late : int
        Steps that pass before the first sample begins.
    """

    def __init__(self, net: Net, sources: Sequence[Any], neurons: Sequence[Any], late: int) -> None:
        self._net, self._sources, self._neurons, self._late = net, sources, neurons, late
        self._delays: dict[tuple[Any, ...], Delays] = {}

    def connect(self, index: int, number: int) -> AbstractProcess:
        """Connect the given one of a layer's incoming ways, and return the process of its synapses."""
        net, neuron, way = self._net, self._neurons[index], self._net.incoming(index)[number]
        name = f"{net.layers[index].name}_synapse" if number == 0 else f"{net.layers[index].name}_synapse{number}"
        sender = self._neurons[way.source].s_out if way.source >= 0 else self._sources[-1 - way.source]
        wait = self._late + net.latency(index) - self._latency(way) - 1
        bits = _message_bits(net, way.source)
        if way.delay.ndim == 2:
            waits = np.maximum(way.delay.astype(np.int64) + wait, 0)  # below 0 only where the weight is 0
            edge = Edge(
                weight=way.synapse.worth,
                delay=way.delay,
                wait=waits,
                latency=self._latency(way),
                period=net.steps,
                name=name,
            )
            _in_a_row(sender).connect(edge.s_in)
            edge.a_out.connect(neuron.a_in)
            return edge
        port = self._delayed(way, sender, wait)
        if isinstance(way.synapse, Conv):
            synapse = _conv(way.synapse, bits, name)
            _as_images(port, way.synapse.in_shape).connect(synapse.s_in)
            synapse.a_out.transpose([2, 1, 0]).flatten().connect(neuron.a_in)
            return synapse
        synapse = _dense(way.synapse.weight, bits, name, way.synapse.weight_exp)
        _in_a_row(port).connect(synapse.s_in)
        synapse.a_out.connect(neuron.a_in)
        return synapse

    def connect_cpg(self, index: int) -> None:
        """Connect the oscillators of a layer, whose spikes arrive beside what its own synapses bring."""
        net, layer = self._net, self._net.layers[index]
        assert layer.cpg is not None
        payload_bits = _message_bits(net, net.incoming(index)[0].source)
        cpg = self._oscillators(index, layer.cpg, f"{layer.name}_cpg", net.cpg_payload(index))
        assert not isinstance(layer.synapse, Conv), "a layer refuses oscillators beside a convolution"
        weight = layer.synapse.weight[:, layer.num_inputs :]
        synapse = _dense(weight, payload_bits, f"{layer.name}_cpg_synapse", layer.synapse.weight_exp)
        cpg.s_out.connect(synapse.s_in)
        synapse.a_out.connect(self._neurons[index].a_in)

    def feed_encoding(self, index: int, te_source: str) -> None:
        """Connect what delivers a temporal encoding through synapses, if it does not come from the process's table."""
        net, layer = self._net, self._net.layers[index]
        params: Any
        if isinstance(net.te, Driven):
            params, weight = net.te.cpg, net.te.matrix[: layer.num_neurons]
        elif te_source == "ring":
            params, weight = Ring(num_neurons=len(net.te)), net.te[:, : layer.num_neurons].T
        else:
            return
        source = self._oscillators(index, params, f"{layer.name}_te_source")
        synapse = _dense(WEIGHT_STEP * weight.astype(np.int32), 0, f"{layer.name}_te_synapse")
        source.s_out.connect(synapse.s_in)
        synapse.a_out.connect(self._neurons[index].te_in)

    def _oscillators(self, index: int, params: Any, name: str, payload: int = 1) -> OscillatorsProcess:
        # Their synapses add one step too, so they work a step ahead of their layer.
        latency = self._late + self._net.latency(index) - 1
        return OscillatorsProcess(params=params, latency=latency, period=self._net.steps, payload=payload, name=name)

    def _latency(self, way: Incoming) -> int:
        return self._late + (self._net.latency(way.source) if way.source >= 0 else 0)

    def _delayed(self, way: Incoming, sender: Any, wait: int) -> Any:
        """Return the port that sends what synapses are to deliver in the next step; one process serves all alike."""
        delay = np.broadcast_to(way.delay.astype(np.int64), (way.synapse.num_inputs,))
        waits = delay + wait
        if not delay.any() and not waits.any():
            return sender
        key = (way.source, delay.tobytes(), waits.tobytes())
        if key not in self._delays:
            made = Delays(
                delay=delay,
                wait=waits,
                latency=self._latency(way),
                period=self._net.steps,
                name=f"delays{len(self._delays)}",
            )
            _in_a_row(sender).connect(made.s_in)
            self._delays[key] = made
        return self._delays[key].s_out


def _as_images(port: Any, shape: tuple[int, ...]) -> Any:
    """Return the port of images for Lava's convolution; they lie (column, row, channel) there, and here in reverse."""
    return port if port.shape == shape[::-1] else port.reshape(shape).transpose([2, 1, 0])


def _in_a_row(port: Any) -> Any:
    """Return the port of channels in the record's order, where images lie (column, row, channel) or in a row."""
    return port if len(port.shape) == 1 else port.transpose([2, 1, 0]).flatten()


def _message_bits(net: Net, source: int) -> int:
    """Return the bits of the largest payload that a layer or an input sends; 0 for unary spikes."""
    most = net.max_payload(source)
    return most.bit_length() if most > 1 or (source < 0 and net.inputs[-1 - source].bits) else 0


def _dense(weight: np.ndarray, bits: int, name: str, weight_exp: int = 0) -> Dense:
    return Dense(
        weights=weight.astype(np.int32),
        num_weight_bits=8,
        weight_exp=weight_exp,
        sign_mode=SignMode.MIXED,
        # Lava counts the sign as a bit of the message.
        num_message_bits=bits + 1 if bits else 0,
        name=name,
    )


def _conv(params: Conv, bits: int, name: str) -> ConvProcess:
    from lava.proc.conv.process import Conv as ConvProcess  # imports scipy.signal, which takes as long as all the rest

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


def _table(net: Net, num_neurons: int, te_source: str) -> np.ndarray | None:
    """Return the encoding that a layer's process holds as a table, if there is one and it does."""
    if net.te is None or isinstance(net.te, Driven) or te_source == "ring":
        return None
    table: np.ndarray = net.te[:, :num_neurons]
    return table
