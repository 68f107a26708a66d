"""Files that stock lava-dl's ``export_hdf5`` wrote -> network records.

A record holds what SLAYER's forward pass computed in training where the file says it without doubt, and not what stock
NetX makes of the file where that differs (`spikeproof.lint` says where). The rest is refused by name. Three things no
such file says, and they are chosen:

- Time: every layer works in its own local time, as in stock NetX with a right reset, so nothing is lost at a sample's
  end. ``delay_shift=True`` reads what SLAYER's blocks with that option, their default, compute, and stock NetX without
  a reset: every layer's output comes a step late. The spikes differ only where a layer behind the first has a bias.
- The sample period: ``simulation/tSample``, which SLAYER's predecessor wrote, or ``DEFAULT_STEPS``.
- SLAYER's scale: 64, its default. It decides what a graded spike is worth, and nothing else.

An input layer with neurons becomes a layer that receives their current, which Lava's process takes for a bias, or an
encoder's values: whole numbers of ``1/64``. The transform from analog values is up to whoever feeds the network, as in
stock NetX.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, NamedTuple

import h5py
import numpy as np

from ...contract.errors import FileFormatError, RecordError, UnsupportedError
from ...contract.fields import declared
from ...contract.fixed import THRESHOLD_MANT_MAX
from ...contract.net import DEFAULT_STEPS, Input, Layer, Net
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.synapses.axon import Axon
from ..members import member, names, opened, text
from ..quoted import message, quoted
from . import layers as stock_layers
from .layers import Transform
from .neurons import Shape

_FAR = 2**16
"""From this threshold on, half of what a membrane holds, a last layer is one that is read by its membrane."""
UNSHIFTED = (
    "the file does not say whether SLAYER's blocks had delay_shift, their default, and is read without it. With it "
    "every layer puts out its spikes a step later, and those of a sample's last steps never: say --delay-shift, or "
    "delay_shift=True, for the spikes of such blocks."
)
"""With one layer too: its last spike is outside of the sample."""


class Stock(NamedTuple):
    """What a file holds."""

    net: Net
    transform: Transform | None
    """What its input layer does to analog values; None if it has no neurons."""


class _Options(NamedTuple):
    steps: int | None
    input: Input | None
    input_shape: Shape | None
    skip_layers: int
    num_layers: int | None
    delay_shift: bool
    clamp_delays: bool


def is_stock(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is an HDF5 file of layers that spikeproof did not write."""
    try:
        with opened(path) as file:
            return "layer" in file.keys() and not any(name.startswith("spikeproof") for name in file.attrs)
    except FileFormatError:
        return False


def load(path: str | os.PathLike[str], *, steps: int | None = None, **options: Any) -> Net:
    """Read the network record of a file, see `read`."""
    return read(path, steps=steps, **options).net


def read(
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    input: Input | None = None,
    input_shape: Shape | None = None,
    skip_layers: int = 0,
    num_layers: int | None = None,
    delay_shift: bool = False,
    clamp_delays: bool = False,
) -> Stock:
    """Read a file that stock lava-dl wrote.

    Parameters
    ----------
    path : path-like
        The file.
    steps : int, optional
        Sample period. Default: what the file says, or `spikeproof.contract.net.DEFAULT_STEPS`.
    input : Input, optional
        What enters a network without an input layer of neurons: unary spikes by default, and changes of
        ``2**-12`` for sigma-delta. Its channels are counted from the file.
    input_shape : tuple of int, optional
        Channels, rows and columns of the images that enter, where the file has no input layer.
    skip_layers, num_layers : int, optional
        As of stock NetX: read the file's first `num_layers` groups, without the first `skip_layers` of them.
    delay_shift : bool
        Whether the blocks were trained with SLAYER's ``delay_shift``, which the file does not say.
    clamp_delays : bool
        Whether delays of more than 62 steps become that long, as in stock NetX, and are not refused; `notes` says
        which.

    Returns
    -------
    Stock

    Raises
    ------
    FileFormatError
        The file is missing, damaged or inconsistent; the message names the place.
    UnsupportedError
        It holds what cannot be run exactly; the message names the layer, the reason and the fix.
    """
    options = _Options(steps, input, input_shape, skip_layers, num_layers, delay_shift, clamp_delays)
    with opened(path) as file:
        return _read(file, options)[0]


def notes(
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    input_shape: Shape | None = None,
    delay_shift: bool = False,
    clamp_delays: bool = False,
) -> tuple[str, ...]:
    """Return what `read` changes of a file, and what it answers where that is not obvious; raises as `read` does."""
    with opened(path) as file:
        return _read(file, _Options(steps, None, input_shape, 0, None, delay_shift, clamp_delays))[1]


def refusals(
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    input_shape: Shape | None = None,
    delay_shift: bool = False,
    clamp_delays: bool = False,
) -> list[str]:
    """Return the words with which `read` would refuse a file, those of every layer; raises as `read` does."""
    found: list[str] = []
    try:
        with opened(path) as file:
            _layers(file, _Options(steps, None, input_shape, 0, None, delay_shift, clamp_delays), found)
    except FileFormatError:
        if not found:
            raise
    return found


def groups(file: h5py.File) -> list[tuple[str, h5py.Group]]:
    """Return a file's layers, (name of the group, the group), in their order."""
    group = member(file, "layer", h5py.Group)
    held = names(group)
    ids = [str(i) for i in range(len(held))]
    if held != sorted(ids) or not held:
        raise FileFormatError(f"layer must hold the groups 0, 1, ...; it holds {quoted(held)}.")
    return [(name, member(group, name, h5py.Group)) for name in ids]


def _layers(file: h5py.File, options: _Options, refused: list[str] | None = None) -> stock_layers.Preceding:
    """Read all layers; with a list for what is refused, go on behind it."""
    before = stock_layers.Preceding((), options.input_shape, options.input, None, options.clamp_delays)
    for name, handle in groups(file)[: options.num_layers]:
        try:
            kind = text(handle, "type")
            if int(name) < options.skip_layers:
                before = before._replace(shape=stock_layers.stated_shape(handle))
            else:
                before = stock_layers.read(handle, kind, name, before)
        except UnsupportedError as error:
            if refused is None:
                raise UnsupportedError(f"layer/{name}: {error}") from None
            refused.append(message(f"layer/{name}: {error}"))
            before = before._replace(shape=stock_layers.stated_shape(handle) if "shape" in handle.keys() else None)
        except (FileFormatError, RecordError) as error:
            raise FileFormatError(f"layer/{name}: {error}") from None
    return before


def _read(file: h5py.File, options: _Options) -> tuple[Stock, tuple[str, ...]]:
    before = _layers(file, options)
    layers = tuple(_late(layer) for layer in before.layers) if options.delay_shift else before.layers
    if not layers:
        raise FileFormatError("there is no layer of neurons in it, or none is left. Skip fewer layers.")
    source = before.source or Input(num_channels=1)
    source = dataclasses.replace(source, num_channels=layers[0].num_inputs)
    if source.bits and options.input is None:
        source = source.fitted(layers[0].synapse)
    layers, said = _answering(layers)
    net = Net(inputs=(source,), layers=layers, steps=options.steps or _steps(file))
    late = () if options.delay_shift or not any(layer.neuron.fires for layer in layers) else (UNSHIFTED,)
    return Stock(net, before.transform), (*before.notes, *said, *late)


def _answering(layers: tuple[Layer, ...]) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Return layers of which the last is a membrane if its threshold is out of reach, and what to say of it.

    A membrane ends 64 above the largest threshold that Loihi holds, so to say that it never fires leaves out these.
    """
    *others, last = layers
    neuron = last.neuron
    if not isinstance(neuron, CUBA) or neuron.graded or last.feedback is not None:
        return layers, ()
    if neuron.v_th_mant == THRESHOLD_MANT_MAX:
        fields = {name: getattr(neuron, name) for name in declared(LeakyIntegrator)}
        membrane = LeakyIntegrator(num_neurons=neuron.num_neurons, **fields)
        told = (
            f"{last.name}: its threshold, vThMant {neuron.v_th_mant}, is out of reach, so the answer is its membrane v."
        )
        return (*others, dataclasses.replace(last, neuron=membrane, axon=None)), (told,)
    if neuron.v_th_mant >= _FAR:
        told = f"{last.name}: its threshold, vThMant {neuron.v_th_mant}, is far off, as that of a layer whose membrane "
        return layers, (f"{told}v is read. Its spikes are counted here; v is in the trace.",)
    return layers, ()


def _late(layer: Layer) -> Layer:
    """Return a layer whose spikes come a step later."""
    if not layer.neuron.fires:
        return layer
    delay = np.ones(layer.num_neurons, np.int64) if layer.axon is None else layer.axon.delay.astype(np.int64) + 1
    return dataclasses.replace(layer, axon=Axon(delay=delay))


def _steps(file: h5py.File) -> int:
    """Return the sample period that SLAYER's predecessor wrote, or the default."""
    if "simulation" not in file.keys():
        return DEFAULT_STEPS
    group = member(file, "simulation", h5py.Group)
    return stock_layers.scalar(group, "tSample", DEFAULT_STEPS) // max(1, stock_layers.scalar(group, "Ts", 1))
