"""Writes a folder with a network, inputs, what they should give, and a script that records what stock Lava does.

The script needs neither spikeproof nor this computer: Lava and lava-dl as they are, and a chip if it is to be one. What
it records is compared with `spikeproof.sim.recordings`.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.net import Net
from ...contract.synapses.conv import Conv
from ...export import formats
from ...export.netx.one_layer import one_layer
from ...export.netx.stock_forms import arguments, one_layer_arguments, registers_of, require
from .. import engine, memory
from ..trace import SPIKES


def write(net: Net, payload: npt.NDArray[np.int32], folder: str | os.PathLike[str]) -> Path:
    """Write the folder; it appears whole or not at all.

    Parameters
    ----------
    net : Net
        A network that stock NetX can run exactly.
    payload : ndarray of int32, shape (samples, channels, steps)
        The input.
    folder : path-like
        Where to; it must not exist.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UnsupportedError
        Stock NetX cannot run the network; every layer and the reason are named.
    InputError
        The folder exists, or cannot be made.
    """
    folder = Path(folder)
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{folder} is there already. Name a folder that is not, for the harness.")
    if not folder.parent.is_dir():
        raise InputError(f"{folder.parent} is no folder. Make it first.")
    require(net)
    told = description(net)
    memory.refuse_trace(net, len(payload))
    trace = engine.run(net, payload)
    x = payload if not net.input.bits else payload * 2.0**net.input.exp  # as verify takes it: in SLAYER's units
    arrays = {f"{layer}/{name}": values for layer, of in trace.layers.items() for name, values in of.items()}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
            inside = Path(made) / "harness"
            inside.mkdir()
            formats.write(net, inside / "network.net", stock=True)
            np.savez_compressed(inside / "expected.npz", x=x, **arrays)  # type: ignore[arg-type]
            (inside / "harness.json").write_text(json.dumps(told, indent=1) + "\n")
            (inside / "record.py").write_text(resources.files(__package__).joinpath("record.py.in").read_text())
            inside.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}. Name a folder that can be written to.") from None
    return folder


def description(net: Net) -> dict[str, Any]:
    """Return what the script must know of a network: how stock NetX loads it, and where its layers are in it."""
    shape: list[int] = []
    if net.is_in_a_row:
        places = [(i, 0, layer.num_neurons, _begins(net, i)) for i, layer in enumerate(net.layers)]
        loaded, first = arguments(net), net.layers[0].synapse
        shape = list(first.in_shape) if isinstance(first, Conv) else []
    else:
        found = one_layer(net)
        places = [(0, part.first, part.rows.stop, [1 + part.offset] * part.neurons) for part in found.parts]
        loaded = one_layer_arguments(found)
    registers, spikes = {}, {}
    last = max(at for at, *_ in places)
    for layer, (at, first_neuron, end, begin) in zip(net.layers, places, strict=True):
        place = {"layer": at, "first": first_neuron, "last": end, "begin": begin}
        place["is_image"] = net.is_in_a_row and isinstance(layer.synapse, Conv)
        for name, stock in registers_of(layer.neuron).items():
            registers[f"{layer.name}/{name}"] = place | {"variable": stock}
        if at == last and layer.neuron.fires:
            spikes[f"{layer.name}/{SPIKES}"] = place
    scale = 2.0**-net.input.exp if net.input.bits else 1
    known = {"arguments": loaded, "input_shape": shape, "input_scale": scale}
    return known | {"registers": registers, "spikes": spikes}


def _begins(net: Net, index: int) -> list[int]:
    """Return in which step of a run each neuron begins a sample; stock NetX delays what enters, not what is sent."""
    layer = net.layers[index]
    late = np.zeros(layer.num_neurons, np.int64) if layer.axon is None else layer.axon.delay - layer.lead
    return [net.latency(index) + int(steps) for steps in late]
