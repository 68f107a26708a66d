"""The torch backend: what the trained module itself computed, read out as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..contract.axon import arrivals
from ..contract.celif import CELIF
from ..contract.errors import BackendError, InputError
from ..contract.net import Layer, Net
from ..contract.readout import Readout
from ..export import slayer_synapses
from ..export.slayer import blocks, rounds_input
from ..export.slayer_state import at_reset
from . import torch_neurons
from .simulate import encode
from .torch_neurons import integers
from .trace import SPIKES, Trace, without_registers


def run(module: nn.Module, net: Net, x: npt.ArrayLike, *, registers: bool = True) -> Trace:
    """Run a batch through a module's own forward pass and return what its neurons did.

    Parameters
    ----------
    module : Module
        The trained network; used in evaluation mode, its mode is restored.
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
    x = np.asarray(x)
    listed = [block.module for block in blocks(module, x[:1])]
    if not hasattr(listed[0], "record") and not rounds_input(listed[0]):
        _check_units(net, x)
    seen: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def keep(block: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> None:
        seen[id(block)] = (args[0], output)

    device = next(module.parameters()).device
    hooks = [block.register_forward_hook(keep) for block in listed]
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), at_reset(module):
            _forward(module, torch.as_tensor(x, dtype=torch.float32, device=device))
            layers = {}
            for i, (layer, block) in enumerate(zip(net.layers, listed, strict=True)):
                if not hasattr(block, "record"):
                    layers[layer.name] = _stock(layer, block, net.payload_exp(i), *seen[id(block)])
                else:
                    read = _registers if registers else _spikes
                    layers[layer.name] = read(layer, block, *seen[id(block)])
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    trace = Trace(backend="torch", layers=layers)
    return trace if registers else without_registers(trace, net)


def _check_units(net: Net, x: npt.NDArray[Any]) -> None:
    whole = encode(net, x).reshape(x.shape) * 2.0**net.input.exp
    if not np.array_equal(whole, x):
        index = tuple(int(i) for i in np.argwhere(whole != x)[0])
        exp = net.input.exp
        raise InputError(
            f"Input{list(index)} = {x[index]} is not a multiple of 2**{exp}, and a SLAYER block does not round its "
            f"input as the payloads for Lava are rounded. Feed it round(x * 2**{-exp}) / 2**{-exp}."
        )


def _forward(module: nn.Module, x: torch.Tensor) -> None:
    try:
        module(x)
    except RuntimeError as error:
        raise InputError(f"The module does not take input of shape {tuple(x.shape)}: {error}") from None


def _spikes(layer: Layer, block: Any, x: torch.Tensor, output: torch.Tensor) -> dict[str, npt.NDArray[np.int32]]:
    if isinstance(layer.neuron, CELIF):
        spikes = output.to(torch.int32)
        _refuse_unless(torch.equal(spikes.to(output.dtype), output), layer)
        return {SPIKES: spikes.cpu().numpy()}
    if block.read != "mean":
        return _registers(layer, block, x, output)
    v = block.final(x)
    _refuse_unless(torch.equal((v / x.shape[-1]).to(output.dtype), output), layer)
    return {"v": integers(v[..., None], block.unit)}


def _registers(layer: Layer, block: Any, x: torch.Tensor, output: torch.Tensor) -> dict[str, npt.NDArray[np.int32]]:
    if isinstance(layer.neuron, Readout):
        v = block.registers(x)
        same = torch.equal(block.answers(v), output)
        found = {"v": integers(v, block.unit)}
    else:
        registers = block.registers(x)
        same = torch.equal(registers.s, output)
        found = {SPIKES: integers(output, 1.0)} | {
            name: integers(getattr(registers, name), block.neuron.unit) for name in ("v", "h", "theta")
        }
    _refuse_unless(same, layer)
    return found


def _stock(
    layer: Layer, block: Any, exp: int, x: torch.Tensor, output: torch.Tensor
) -> dict[str, npt.NDArray[np.int32]]:
    """Return the variables of a stock SLAYER block."""
    if not hasattr(block, "neuron"):
        _refuse_unless(torch.equal(block.forward(x), output), layer)
        return {"v": torch_neurons.averaged(block, output, layer.num_inputs, exp)}
    if layer.feedback is not None:
        found = torch_neurons.recurrent_variables(type(layer.neuron), block, x)
    else:
        dendrites = slayer_synapses.forward(block)(x)
        found = torch_neurons.variables(type(layer.neuron), block.neuron, dendrites, exp)
    found = {name: _flat(values) for name, values in found.items()}
    if SPIKES in found:
        came_out, put_out = arrivals(layer.axon, found[SPIKES]), torch_neurons.payload_unit(block.neuron)
    else:
        came_out, put_out = found["v"], torch_neurons.register_unit(type(layer.neuron), block.neuron, exp)
    sent = integers(output, put_out)
    whole = np.array_equal(sent * put_out, output.to(torch.float64).cpu().numpy())
    _refuse_unless(whole and np.array_equal(came_out, _flat(sent)), layer)
    return found


def _refuse_unless(same: bool, layer: Layer) -> None:
    if not same:
        raise BackendError(
            f"layer {layer.name!r}: the module's forward pass and its registers disagree. A hook, dropout or state "
            "kept between calls changes the block's output; remove it before verifying."
        )


def _flat(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return values of shape (samples, ..., steps) with all neurons in one axis."""
    return values.reshape(len(values), -1, values.shape[-1])
