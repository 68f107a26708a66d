"""Synapses and neurons of SLAYER's that a forward pass calls one after the other, without a block around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_KINDS = {"Dense": "Dense", "Conv": "Conv", "Pool": "Pool", "ConvTranspose": "ConvT", "Unpool": "Unpool"}
"""Class of synapses -> kind of the block that has such."""


class Pair:
    """What a block of the same synapses and neurons is to the readers, without mask, delays or a step of its own.

    Parameters
    ----------
    synapse : lava.lib.dl.slayer.synapse.<kind>
        The synapses.
    neuron : lava.lib.dl.slayer.neuron.<family>.Neuron
        The neurons.
    """

    delay = None
    delay_shift = False
    count_log = False
    mask = None

    def __init__(self, synapse: Any, neuron: Any) -> None:
        self.synapse, self.neuron = synapse, neuron
        self.family = family_of(neuron)
        self.kind = next((_KINDS[one.__name__] for one in _slayers(synapse, "synapse") if one.__name__ in _KINDS), "")

    def modules(self) -> Any:
        """Yield the modules that both are made of."""
        yield from self.synapse.modules()
        yield from self.neuron.modules()

    def parameters(self) -> Any:
        """Yield the parameters of both."""
        yield from self.synapse.parameters()
        yield from self.neuron.parameters()

    def named_parameters(self) -> Any:
        """Yield (name, parameter) of both."""
        for name in ("synapse", "neuron"):
            for inner, parameter in getattr(self, name).named_parameters():
                yield f"{name}.{inner}", parameter


def family_of(neuron: Any) -> str:
    """Return the family of SLAYER's neurons that a neuron is of, "cuba" say; of others an empty string."""
    names = (one.__module__.rpartition(".")[2] for one in _slayers(neuron, "neuron"))
    return next((name for name in names if name != "base"), "")


def _slayers(part: Any, folder: str) -> Iterator[type]:
    """Yield the classes of SLAYER's that an object is of; one that is parametrized is of a class of its own."""
    where = f"lava.lib.dl.slayer.{folder}."
    return (one for one in type(part).__mro__ if f"{one.__module__}.".startswith(where))
