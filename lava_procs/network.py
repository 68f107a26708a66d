"""A Lava network from a record.

Neurons are the processes of `spikeproof.lava_procs.neurons`, axons are processes of this package. All synapses are
Lava's own ``Dense`` and ``Conv``, given what they need to be exact: the sign mode by name, so that Lava does not guess
one.
"""

from __future__ import annotations

import os
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
from ..contract.net import Net  # noqa: E402
from ..contract.sources.driven import Driven  # noqa: E402
from ..contract.sources.ring import Ring  # noqa: E402
from ..contract.synapses.axon import Axon  # noqa: E402
from ..contract.synapses.conv import GEOMETRY_MAX, Conv  # noqa: E402
from .axon.process import Axon as AxonProcess  # noqa: E402
from .by_rule.process import ByRule  # noqa: E402
from .neurons import Place, process  # noqa: E402
from .oscillators.process import Oscillators as OscillatorsProcess  # noqa: E402
from .recorder.process import Recorder  # noqa: E402


class LayerProcesses(NamedTuple):
    """The processes of one layer."""

    synapse: AbstractProcess
    neuron: AbstractProcess


class Network(NamedTuple):
    """A built network; run it with `run`."""

    source: AbstractProcess
    layers: tuple[LayerProcesses, ...]

    def run(self, steps: int) -> None:
        """Advance all processes by `steps` time steps, on Lava's fixed-point models."""
        # Without the tag Lava takes the first model that it finds, which is a floating-point one.
        self.source.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))

    def stop(self) -> None:
        """End all processes; a stopped network cannot run again."""
        self.source.stop()


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
    source = RingBuffer(data=payload)
    upstream = source.s_out
    layers = []
    payloads, bounds = net.payload_bounds(), net.sum_bounds()
    for i, layer in enumerate(net.layers):
        neuron = process(layer, Place(net.latency(i), net.steps, bounds[i], _table(net, layer.num_neurons, te_source)))
        bits = net.input.bits if i == 0 else (payloads[i].bit_length() if payloads[i] > 1 else 0)
        if isinstance(layer.synapse, Conv):
            synapse = _conv(layer.synapse, bits, f"{layer.name}_synapse")
            # Images lie (column, row, channel) in Lava's convolution and (channel, row, column) in the record.
            upstream.reshape(layer.synapse.in_shape).transpose([2, 1, 0]).connect(synapse.s_in)
            synapse.a_out.transpose([2, 1, 0]).flatten().connect(neuron.a_in)
        else:
            synapse = _dense(layer.synapse.weight[:, : layer.num_inputs], bits, f"{layer.name}_synapse")
            upstream.connect(synapse.s_in)
            synapse.a_out.connect(neuron.a_in)
        if layer.feedback is not None:
            _feed_back(net, i, neuron)
        if layer.cpg is not None:
            # Its own synapses add one step too, so it works a step ahead of its layer.
            cpg = _oscillators(net, i, layer.cpg, f"{layer.name}_cpg", net.cpg_payload(i))
            from_cpg = _dense(layer.synapse.weight[:, layer.num_inputs :], bits, f"{layer.name}_cpg_synapse")
            cpg.s_out.connect(from_cpg.s_in)
            from_cpg.a_out.connect(neuron.a_in)
        if layer.neuron.takes_te:
            _feed_encoding(net, i, neuron, te_source)
        layers.append(LayerProcesses(synapse, neuron))
        fires = hasattr(neuron, "s_out")
        if record_to is not None:
            folder = Path(record_to) / layer.name
            folder.mkdir()
            Recorder(
                folder=folder,
                steps=total,
                spikes=neuron.s_out if fires else None,
                registers={name: getattr(neuron, name) for name in layer.neuron.registers},
                name=f"{layer.name}_recorder",
            )
        if fires:
            upstream = neuron.s_out
        if fires and layer.axon is not None and i + 1 < len(net.layers):
            axon = AxonProcess(
                params=layer.axon, latency=net.latency(i), period=net.steps, lead=layer.lead, name=f"{layer.name}_axon"
            )
            upstream.connect(axon.s_in)
            upstream = axon.s_out
    return Network(source, tuple(layers))


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


def _feed_back(net: Net, index: int, neuron: AbstractProcess) -> None:
    """Connect a layer to itself; an axon keeps the last spikes of a sample from the next one."""
    layer = net.layers[index]
    assert layer.feedback is not None
    late = Axon(delay=np.ones(layer.num_neurons, np.int64))
    axon = AxonProcess(
        params=late, latency=net.latency(index), period=net.steps, lead=1, name=f"{layer.name}_feedback_axon"
    )
    synapse = _dense(layer.feedback.weight, 0, f"{layer.name}_feedback_synapse")
    neuron.s_out.connect(axon.s_in)
    axon.s_out.connect(synapse.s_in)
    synapse.a_out.connect(neuron.a_in)


def total_lava_steps(net: Net, input_steps: int) -> int:
    """Return how many Lava steps the last layer needs to see `input_steps` steps of input."""
    return input_steps + net.latency(len(net.layers) - 1)


def _table(net: Net, num_neurons: int, te_source: str) -> np.ndarray | None:
    """Return the encoding that a layer's process holds as a table, if there is one and it does."""
    if net.te is None or isinstance(net.te, Driven) or te_source == "ring":
        return None
    table: np.ndarray = net.te[:, :num_neurons]
    return table
