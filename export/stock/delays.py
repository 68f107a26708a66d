"""Delays of layers in files that stock lava-dl, or a tool that writes its format, wrote.

A delay for each neuron of the layer, or one for all, is SLAYER's: it delays the layer's spikes. Stock NetX delays what
the neurons receive instead, with the same spikes in the end but for a bias. A delay for each synapse, (neurons,
inputs), or for each input, delays what arrives at the layer's own synapses; where there are as many neurons as inputs,
stock NetX takes a row of numbers for the neurons', and so does this module.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.synapses.axon import Axon
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Synapse
from ..members import numbers
from ..refusal import refuse
from .neurons import Shape, per_neuron

MAX_DELAY = 62
"""Loihi's longest delay, to which stock NetX clamps longer ones."""


class Delays(NamedTuple):
    """Delays of a layer."""

    axon: Axon | None
    """Of its spikes."""
    own: Any
    """Of its own synapses, as `spikeproof.contract.net.Layer.delay`."""
    notes: tuple[str, ...]
    """What was changed."""


def read(handle: h5py.Group, synapse: Synapse, shape: Shape, clamp: bool) -> Delays:
    """Read the delays of a layer, where it has any.

    Parameters
    ----------
    handle : h5py.Group
        The layer's group.
    synapse : Dense or Conv
        Its own synapses, without what holds a bias.
    shape : tuple of int
        Shape of its neurons.
    clamp : bool
        Whether longer delays than `MAX_DELAY` become that long, and are not refused.

    Raises
    ------
    UnsupportedError
        A delay is too long, or there is none for each neuron, input or synapse.
    """
    if "delay" not in handle.keys():
        return Delays(None, 0, ())
    # A fraction of a step is cut off, by SLAYER as by stock NetX.
    given = np.floor(numbers(handle, "delay"))
    far = given[given > MAX_DELAY]
    least, most = (given.min(), given.max()) if given.size else (0, 0)
    wrong = bool(far.size and not clamp) or not bool((given >= 0).all())
    refuse(
        {
            "delay": (
                wrong,
                f"{least:g} to {most:g} steps; Loihi holds 0 to {MAX_DELAY}, to which "
                "stock NetX clamps longer ones. Train with shorter delays, or pass clamp_delays=True (--clamp-delays)",
            )
        }
    )
    notes = f"{far.size} of {given.size} delays, of up to {most:g} steps, were cut to {MAX_DELAY} steps."
    axon, own = _placed(np.minimum(given, MAX_DELAY), synapse, shape)
    return Delays(axon, own, (notes,) if far.size else ())


def _placed(delay: npt.NDArray[Any], synapse: Synapse, shape: Shape) -> tuple[Axon | None, Any]:
    """Return the axon, and the delays of the layer's own synapses, that a layer's delays are."""
    row = () if delay.ndim == 0 else tuple(n for n in delay.shape if n != 1) or (1,)
    of_sums = isinstance(synapse, Conv) or synapse.num_neurons != math.prod(shape)
    if not of_sums and delay.shape == (synapse.num_neurons, synapse.num_inputs) and delay.size > len(delay):
        return None, delay
    if not of_sums and row == (synapse.num_inputs,) != (shape[0],):
        return None, delay.reshape(-1)
    refuse(
        {
            "delay": (
                row not in ((), (shape[0],)) and not (row == (1,) == (shape[0],)),
                f"{delay.size} for {shape[0]} channels. Run the module before its export"
                + ("" if of_sums else f", or give one for each of {synapse.num_inputs} inputs, or for each synapse"),
            )
        }
    )
    steps = per_neuron("delay", delay, shape)
    return (Axon(delay=steps) if steps.any() else None), 0
