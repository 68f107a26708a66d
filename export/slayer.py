"""PyTorch modules -> network records: spikeproof's blocks and stock SLAYER blocks.

What cannot be exact on Lava is refused here, by name, before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from ..contract.cuba import CUBA
from ..contract.errors import UnsupportedError
from ..contract.net import Dense, Input, Layer, Net
from . import netx

_TIE_SAFE_THRESHOLD = 4096
"""From this threshold mantissa on, SLAYER's float32 comparison fires at equality and Lava does not."""


def blocks(module: nn.Module) -> list[Any]:
    """Return a network's blocks in the order in which they run.

    Parameters
    ----------
    module : Module
        A module with ``.blocks``, as SLAYER's examples have, a Sequential or ModuleList, or a single block.

    Raises
    ------
    UnsupportedError
        There are no blocks to find.
    """
    found = getattr(module, "blocks", module)
    if isinstance(found, nn.Sequential | nn.ModuleList):
        listed = list(found)
    elif found is module and hasattr(module, "synapse"):
        listed = [module]
    else:
        raise UnsupportedError(
            f"{type(module).__name__} has no .blocks and is no Sequential, so the order of its layers is unknown. "
            "Keep the layers in an nn.ModuleList or nn.Sequential called blocks."
        )
    if not listed:
        raise UnsupportedError(f"{type(module).__name__} holds no layers.")
    return listed


def record(module: nn.Module, *, steps: int | None = None) -> Net:
    """Return the integers of a trained network; the live module is not changed.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    steps : int, optional
        Sample period. Default: the number of columns of the temporal encoding.

    Returns
    -------
    Net
        The record. Layers are called after their kind and place: ``celif1``, ``cuba2``, ``readout3``.

    Raises
    ------
    UnsupportedError
        A layer or an option cannot be made exact; the message names the layer, the reason and the mend.
    """
    listed = blocks(module)
    layers = tuple(_layer(block, i) for i, block in enumerate(listed, start=1))
    encoding = _shared_encoding(listed)
    if steps is None:
        if encoding is None:
            raise UnsupportedError("The network has no temporal encoding to take the sample length from. Pass steps=.")
        steps = encoding.steps
    return Net(
        input=listed[0].input_record()
        if hasattr(listed[0], "input_record")
        else Input(num_channels=layers[0].num_inputs),
        layers=layers,
        steps=steps,
        te=None if encoding is None else encoding.record(),
    )


def export_netx(module: nn.Module, path: str | os.PathLike[str], *, steps: int | None = None) -> Net:
    """Write a trained network to a NetX HDF5 file.

    Parameters
    ----------
    module : Module
        The network, see `blocks`.
    path : path-like
        Where to; the file appears whole or not at all.
    steps : int, optional
        Sample period. Default: the number of columns of the temporal encoding.

    Returns
    -------
    Net
        The record that was written.

    Raises
    ------
    UnsupportedError
        See `record`; nothing is written.
    InputError
        The folder cannot be written to.
    """
    net = record(module, steps=steps)
    netx.write(net, path)
    return net


def _shared_encoding(listed: Iterable[Any]) -> Any:
    encodings = {
        id(block.neuron.temporal_encoding): block.neuron.temporal_encoding
        for block in listed
        if hasattr(getattr(block, "neuron", None), "temporal_encoding")
    }
    if len(encodings) > 1:
        raise UnsupportedError(
            f"The CE-LIF layers use {len(encodings)} different TemporalEncoding objects; a network shares one. Give "
            "every layer the same object."
        )
    return next(iter(encodings.values()), None)


def _layer(block: Any, index: int) -> Layer:
    kind = type(block).__module__.rsplit(".", 1)[-1]
    name = f"{kind}{index}"
    if hasattr(block, "record"):
        if index > 1 and getattr(block, "input", None) is not None:
            raise UnsupportedError(f"layer {name!r}: input_exp is for the first layer; this one receives spikes.")
        layer: Layer = block.record(name)
        return layer
    full = f"{type(block).__module__}.{type(block).__name__}"
    if full == "lava.lib.dl.slayer.block.cuba.Dense":
        return _cuba_dense(block, name)
    raise UnsupportedError(
        f"layer {name!r}: {full} cannot be exported yet. Supported are spikeproof.celif.Dense, spikeproof.Readout and "
        "lava.lib.dl.slayer.block.cuba.Dense."
    )


def _cuba_dense(block: Any, name: str) -> Layer:
    """Read a stock SLAYER dense CUBA block without touching it (stock export strips its weight norm)."""
    neuron, synapse = block.neuron, block.synapse
    refused = {
        "delay_shift": (block.delay_shift, "shifts the output by a step. Build the block with delay_shift=False"),
        "delay": (block.delay is not None, "axonal delays are not supported yet. Build it without"),
        "norm": (neuron.norm is not None, "NetX applies its bias a step early. Build it without, or fold it"),
        "graded_spike": (neuron.graded_spike, "Lava's LIF sends unary spikes. Build it with graded_spike=False"),
        "persistent_state": (neuron.persistent_state, "samples must start from reset. Set it to False"),
        "dropout": (neuron.drop is not None and block.training, "the module is in training mode. Call .eval()"),
        "count_log": (block.count_log, "the block returns a tuple. Build it with count_log=False"),
        "scale": (
            neuron.w_scale & (neuron.w_scale - 1) != 0,
            f"{neuron.w_scale} is not a power of two. Use 64, SLAYER's default, or another power of two",
        ),
        "threshold": (
            neuron.v_th_mant >= _TIE_SAFE_THRESHOLD,
            f"SLAYER's float32 comparison fires at equality from {_TIE_SAFE_THRESHOLD / neuron.w_scale:g} on, Lava "
            "does not. Use a lower threshold or scale",
        ),
        "pre_hook_fx": (
            getattr(synapse.pre_hook_fx, "__func__", None) is not type(neuron).quantize_8bit,
            "only the neuron's quantize_8bit gives 8-bit weights. Leave pre_hook_fx at its default",
        ),
    }
    for option, (wrong, mend) in refused.items():
        if wrong:
            raise UnsupportedError(f"layer {name!r}: {option}: {mend}.")
    with torch.no_grad():
        weight = synapse.weight
        if block.mask is not None:
            weight = weight * block.mask
        levels = synapse.pre_hook_fx(weight, descale=True).reshape(weight.shape[:2])
    return Layer(
        name=name,
        synapse=Dense(weight=np.round(levels.cpu().numpy())),
        neuron=CUBA(
            num_neurons=len(levels),
            u_decay=neuron.cx_current_decay,
            v_decay=neuron.cx_voltage_decay,
            v_th_mant=neuron.v_th_mant,
        ),
        scale=neuron.w_scale,
    )
