"""A whole network as one Lava process, which takes the place of lava-dl's ``netx.hdf5.Network``."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from spikeproof.contract.errors import InputError
from spikeproof.contract.fixed import as_whole
from spikeproof.contract.net import Net
from spikeproof.contract.synapses.conv import Conv
from spikeproof.export import formats
from spikeproof.lava_procs.wiring import LayerProcesses, connect

NEVER = 2**31 - 1
"""A sample of so many steps is never over."""

OWN_PERIOD = "record"
"""Stands for the sample period that the record says."""


class Network(AbstractProcess):
    """A network in a Lava program of one's own, in the place of ``lava.lib.dl.netx.hdf5.Network``.

    Every neuron runs by the contract's rules, so the network is exact whatever the run configuration says; one that
    asks for floating-point models is refused by Lava.

    Parameters
    ----------
    net_config : path-like or Net
        A network file, ours or of another tool, or a record.
    reset_interval : int or None
        Length of a sample in steps; every layer is reset when a sample reaches it. Default: the sample period of the
        record. None never resets.
    reset_offset : int
        Steps that pass before the first sample enters; what comes before it is not seen.
    steps, input_shape, delay_shift
        What a file of another tool does not say, see `spikeproof.load`.
    name : str, optional
        Name of the process.

    Attributes
    ----------
    inp : InPort
        The first input: shape (channels,), or (columns, rows, channels) if its first receiver is a convolution, as in
        lava-dl.
    inputs : dict of str to InPort
        All inputs by their names.
    out : OutPort
        The main answer's spikes, (neurons,) or (columns, rows, channels). A network that ends in a read-out has none:
        a read-out sends nothing, and its register ``v`` is the answer.
    outs : dict of str to OutPort
        All answers that spike, by the names of their layers.
    layers : tuple of LayerProcesses
        The processes of each layer: ``neuron``, ``synapse`` and ``edges``. The registers of a neuron are Vars of shape
        (neurons,), images in the record's order: channels, rows, columns.
    in_layer, out_layer : LayerProcesses
        The first layer, and the layer of the main answer.
    net : Net
        The record.

    Raises
    ------
    FileFormatError, UnsupportedError
        A file cannot be read, or not be run exactly.
    InputError
        `reset_interval` or `reset_offset` is no number of steps, or when Lava starts, an input is not connected.
    """

    def __init__(
        self,
        net_config: str | os.PathLike[str] | Net,
        *,
        reset_interval: int | str | None = OWN_PERIOD,
        reset_offset: int = 0,
        steps: int | None = None,
        input_shape: tuple[int, ...] | None = None,
        delay_shift: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not isinstance(net_config, Net):
            net_config = formats.load(net_config, steps=steps, input_shape=input_shape, delay_shift=delay_shift)
        self.net = _with_period(net_config, reset_interval)
        late = _whole("reset_offset", reset_offset, 0, "come before the first sample")
        ports = [InPort(shape=_input_shape(self.net, k)) for k in range(len(self.net.inputs))]
        self.layers: tuple[LayerProcesses, ...] = connect(self.net, ports, late=late, by_rule=True)
        self.in_layer = self.layers[0]
        self.out_layer = self.layers[self.net.index(self.net.answers[0])]
        self.inputs = {source.name: port for source, port in zip(self.net.inputs, ports, strict=True)}
        self.outs = self._answers()
        # Lava looks for ports, and names them, among the attributes of a process.
        for k, port in enumerate(ports):
            setattr(self, "inp" if k == 0 else f"inp{k}", port)
        for answer, port in self.outs.items():
            setattr(self, "out" if answer == self.net.answers[0] else f"out{self.net.index(answer)}", port)

    def _answers(self) -> dict[str, OutPort]:
        found = {}
        for answer in self.net.answers:
            layer, neuron = self.net.layers[self.net.index(answer)], self.layers[self.net.index(answer)].neuron
            if not layer.neuron.fires:
                continue
            images = len(layer.shape) == 3
            sent = neuron.s_out.reshape(layer.shape).transpose([2, 1, 0]) if images else neuron.s_out
            found[answer] = OutPort(shape=layer.shape[::-1])
            sent.connect(found[answer])
        return found

    def check_inputs(self) -> None:
        """Refuse inputs that nothing feeds.

        Raises
        ------
        InputError
            Naming them.
        """
        alone = [name for name, port in self.inputs.items() if not port.in_connections]
        if alone:
            raise InputError(
                f"Nothing feeds the input {', '.join(map(repr, alone))} of the network. Connect each to what sends its "
                f"payloads: source.s_out.connect(net.inputs[{alone[0]!r}])."
            )

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        rows = zip(self.net.layers, self.net.latencies, strict=True)
        return "\n".join(
            f"{layer.name}: {type(layer.neuron).__name__} {'x'.join(map(str, layer.shape))}, {late} steps behind"
            for layer, late in rows
        )

    def __getattr__(self, name: str) -> Any:
        if name == "out" and "net" in vars(self):
            answer = self.net.answers[0]
            raise AttributeError(
                f"The network has no out: its answer {answer!r} is a read-out, which sends no spikes. Read its "
                "register with net.out_layer.neuron.v.get(), or step by step with a Monitor."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _with_period(net: Net, reset_interval: int | str | None) -> Net:
    if reset_interval == OWN_PERIOD:
        return net
    period = NEVER if reset_interval is None else _whole("reset_interval", reset_interval, 1, "a sample has")
    return dataclasses.replace(net, steps=period)


def _whole(name: str, value: Any, low: int, counts: str) -> int:
    try:
        return as_whole(name, value, low, NEVER)
    except ValueError as error:
        raise InputError(f"{error} It counts the steps that {counts}.") from None


def _input_shape(net: Net, index: int) -> tuple[int, ...]:
    """Return the shape of an input's port: of images, in Lava's order, if the first layer that listens convolves."""
    ways = (way for i in range(len(net.layers)) for way in net.incoming(i) if way.source == -1 - index)
    first = next(ways, None)
    if first is not None and isinstance(first.synapse, Conv):
        return first.synapse.in_shape[::-1]
    return (net.inputs[index].num_channels,)
