"""The torch backend: what the trained module itself computed, read out as integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import InputError, UnsupportedError
from ...contract.net import Input, Net
from ...contract.neurons.readout import Readout
from ...export.capture import guard
from ...export.capture.host import listed
from ...export.parts.protocol import is_own_block
from ...export.slayer import network, traced
from ...export.slayer.network import Network
from ..trace import Trace, without_registers

_FRONT_BYTES = 2**26
"""Size of what stands in for the outputs of blocks while a front end runs."""


def run(module: nn.Module, net: Net, x: npt.ArrayLike, *, registers: bool = True) -> Trace:
    """Run a batch through a module's own forward pass and return what its neurons did.

    Parameters
    ----------
    module : Module
        The trained network; used in evaluation mode, and left as it was.
    net : Net
        Its record.
    x : array_like, shape (samples, channels, steps) or (samples, channels, rows, columns, steps)
        Input in SLAYER's units, as in training.
    registers : bool
        Whether to return every register too; without, see `spikeproof.sim.trace.without_registers`.

    Returns
    -------
    Trace
        Spikes are those that the blocks put out in ``module(x)``.

    Raises
    ------
    InputError
        A stock block comes first, and the input is not made of whole payloads: only our own blocks round it.
    BackendError
        A block's registers do not belong to the spikes that it put out in the forward pass.
    """
    x = guard.arguments(x)
    found = network.of_capture(network.captured(module, x), steps=net.steps, input=net.inputs)
    return Torch(found, net, x).run(np.arange(len(guard.each(x)[0])), registers=registers)


def network_input(
    module: nn.Module, x: npt.ArrayLike, *, input: Input | Sequence[Input] | None = None
) -> npt.NDArray[Any]:
    """Return what a module hands to its network: its input, behind whatever it does on the host before its first block.

    That is what `spikeproof.simulate` and a program of your own feed to the exported network.

    Parameters
    ----------
    module : Module
        The trained network.
    x : array_like, shape (samples, ...), or tuple of them
        The module's input, or its inputs.
    input : Input, optional
        What enters a stock SLAYER block that comes first, as in `spikeproof.record`.

    Returns
    -------
    ndarray, shape (samples, channels, steps)
        In SLAYER's units, images flattened; the channels of several inputs one after the other.

    Raises
    ------
    UnsupportedError
        See `spikeproof.record`.
    InputError
        The module does not take the input, or the network not what the module makes of it.
    """
    given = guard.arguments(x)
    with guard.left_alone(module):
        found = network.of_capture(network.captured(module, given), input=input)
        return Torch(found, found.net, given).given


class Torch:
    """A trained module, ready to run on samples, and to be replayed with the spikes of others.

    Parameters
    ----------
    found : Network
        The module's record and how it was found.
    net : Net
        The record whose layers' names traces use.
    x : ndarray, shape (samples, ...), or tuple of them
        The module's input, or its inputs.

    Attributes
    ----------
    given : ndarray, shape (samples, channels, steps)
        What arrives at the network behind the module's front end, if all samples run at once.

    Raises
    ------
    InputError
        A stock SLAYER block comes first, and what arrives is not made of whole payloads.
    """

    def __init__(self, found: Network, net: Net, x: guard.Given) -> None:
        assert found.capture is not None
        self._found, self._net, self._x, self._capture = found, net, x, found.capture
        self.given = self._all_of_front(len(guard.each(x)[0]))
        self._last: tuple[bytes, npt.NDArray[Any]] | None = None
        for i, block in enumerate(found.blocks):
            if network.leaves_open(block.module):
                for way in net.incoming(i):
                    if way.source < 0:
                        self._check_units(-1 - way.source)

    def arriving(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return what arrives at the network when the module runs on just these samples.

        A front end may round otherwise for another batch, as torch's convolutions do, or see the whole batch.
        """
        if self._capture.takes_input:
            return self.given[samples]
        key = samples.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._front(samples)
        return self._last[1]

    def _all_of_front(self, samples: int) -> npt.NDArray[Any]:
        """Return what arrives at the network for all samples; a front end runs on as many at once as memory is for."""
        if self._capture.takes_input:
            flat = [_flat_array(self._argument(i)) for i in range(len(self._capture.ports))]
            return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
        of_one = sum(layer.output[:1].numel() * layer.output.element_size() for layer in self._capture.layers)
        size = max(1, _FRONT_BYTES // max(1, of_one))
        parts = [self._front(np.arange(i, min(i + size, samples))) for i in range(0, samples, size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _argument(self, port: int) -> npt.NDArray[Any]:
        """Return the argument of a port, in the type in which the first layer behind it receives it."""
        argument = self._capture.ports[port].argument
        assert argument is not None  # since no front end makes it
        given = np.asarray(guard.each(self._x)[argument], self._capture.types[argument])
        heard = (layer for layer in self._capture.layers if any(edge.source == -1 - port for edge in layer.edges))
        return given.astype(next(heard).received[:0].cpu().numpy().dtype, copy=False)

    def _front(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        given = self._capture.front(guard.samples_of(self._x, samples))
        return np.concatenate([_flat(each) for each in given], axis=1)

    def _check_units(self, port: int) -> None:
        """Refuse an input of the network that its first block and the simulations would not read alike."""
        source, x = self._net.inputs[port], self.given[:, self._net.channels(port)]
        if x.shape[1] != source.num_channels:
            raise InputError(
                f"The file's network takes {source.num_channels} channels, and the module's {x.shape[1]}: it is the "
                "file of another network."
            )
        try:
            whole = source.encode(x) * 2.0**source.exp
        except InputError as error:
            if self._capture.takes_input:
                raise
            front = listed(self._capture.host.before)
            raise InputError(f"What the module makes of x in front of its blocks ({front}): {error}") from None
        if not np.array_equal(whole, x):
            index = tuple(int(i) for i in np.argwhere(whole != x)[0])
            exp = source.exp
            raise InputError(
                f"Input{list(index)} = {x[index]} is not a multiple of 2**{exp}, and a SLAYER block does not round its "
                f"input as the payloads for Lava are rounded. Feed it round(x * 2**{-exp}) / 2**{-exp}."
            )

    def run(self, samples: npt.NDArray[np.int64], *, registers: bool = True) -> Trace:
        """Run samples through the module and return what its neurons did, and its answer."""
        seen = self._capture.watch(guard.samples_of(self._x, samples))
        self._check_arrivals(seen.received, samples)
        layers = {}
        with guard.undisturbed(self._capture.module):
            for i, (layer, named, block, place) in enumerate(self._layers()):
                exp = self._found.net.payload_exp(i)
                received, output = seen.received[place], seen.outputs[place]
                layers[named] = traced.variables(layer, block.module, exp, received, output, every=registers)
        trace = Trace(backend="torch", layers=layers, answer=seen.answer)
        return trace if registers else without_registers(trace, self._net, self.stepwise)

    @property
    def stepwise(self) -> frozenset[str]:
        """Layers whose stock blocks answer in every step with a register that adds up: sigma-delta's ``Output``."""
        return frozenset(
            named
            for layer, named, block, _ in self._layers()
            if isinstance(layer.neuron, Readout) and not is_own_block(block.module)
        )

    def replay(self, samples: npt.NDArray[np.int64], trace: Trace) -> Any:
        """Return what the module returns if its blocks put out what a trace of the same samples says."""
        outputs: list[torch.Tensor | None] = [None] * len(self._capture.layers)
        for i, (layer, named, block, place) in enumerate(self._layers()):
            exp, like = self._found.net.payload_exp(i), self._capture.layers[place].output
            found = trace.layers[named]
            outputs[place] = traced.played(layer, block.module, exp, found, like, self._net.steps)
        return self._capture.replay(guard.samples_of(self._x, samples), outputs)

    def replay_real(self, samples: npt.NDArray[np.int64], outputs: list[torch.Tensor]) -> Any:
        """Return what the module returns if its blocks put out `outputs`, one tensor a layer of the record."""
        played: list[torch.Tensor | None] = [None] * len(self._capture.layers)
        for place, output in zip(self._found.places, outputs, strict=True):
            like = self._capture.layers[place].output
            played[place] = output.reshape(len(output), *like.shape[1:]).to(like)
        return self._capture.replay(guard.samples_of(self._x, samples), played)

    def _layers(self) -> Any:
        names = [layer.name for layer in self._net.layers]
        return list(zip(self._found.net.layers, names, self._found.blocks, self._found.places, strict=True))

    def _check_arrivals(self, received: list[torch.Tensor], samples: npt.NDArray[np.int64]) -> None:
        """Refuse a run in which the network's input was not what the simulations are given."""
        arriving = self.arriving(samples)
        for layer, given in zip(self._capture.layers, received, strict=True):
            edge = layer.edges[0]
            if len(layer.edges) > 1 or edge.source >= 0 or not edge.is_identity:
                continue
            if not np.array_equal(_flat(given), arriving[:, self._found.net.channels(-1 - edge.source)]):
                raise UnsupportedError(
                    "What arrives at the first block changes from run to run: forward draws random numbers of its own "
                    "generator, or keeps state. Give it a fixed seed, or do that in front of the module."
                )


def _flat(tensor: torch.Tensor) -> npt.NDArray[Any]:
    return _flat_array(tensor.detach().cpu().numpy())


def _flat_array(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(len(array), -1, array.shape[-1])
