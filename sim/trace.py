"""What a backend saw: every layer's spikes and registers at every step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..contract.errors import InputError
from ..contract.fixed import DECAY_ONE
from ..contract.net import Layer, Net
from ..contract.neurons import KINDS, SPIKES
from ..contract.neurons.readout import Readout
from ..contract.synapses.axon import arrivals
from ..export.quoted import did_you_mean, listed, plain

if TYPE_CHECKING:
    from .pictures.svg import Picture

__all__ = ["SPIKES", "VARIABLES", "IntArray", "Trace", "without_registers"]

IntArray = npt.NDArray[np.int32]

VARIABLES: dict[type[Any], tuple[str, ...]] = {
    kind: ((SPIKES,) if kind.fires else ()) + kind.registers for kind in KINDS.values()
}
"""What is traced of each kind of layer."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The trace of a batch of samples.

    Parameters
    ----------
    backend : str
        Who computed it, "torch" say.
    layers : mapping of layer name to mapping of variable to ndarray of int32, shape (samples, neurons, steps)
        Spikes under ``"s"`` (their payloads, if they are graded) and registers under the contract's names, in the
        layer's own local time: latencies are taken out. A read-out has no spikes.
    """

    backend: str
    layers: Mapping[str, Mapping[str, IntArray]]
    answer: Any = None
    """What ``module(x)`` returned in this run, of torch; else None."""

    @property
    def num_samples(self) -> int:
        """Number of samples."""
        variables = next(iter(self.layers.values()))
        return len(next(iter(variables.values())))

    def output(self, net: Net) -> npt.NDArray[np.int64]:
        """Return the network's main answer, int64 of shape (samples, outputs).

        The read-out's register after the last step of a sample; without a read-out, what came out of each neuron of
        the layer in the sample's steps: how many spikes, or the sum of their payloads.
        """
        return self.outputs(net)[net.answers[0]]

    def outputs(self, net: Net) -> dict[str, npt.NDArray[np.int64]]:
        """Return what each layer that the network answers with does, see `output`."""
        return {name: self._answer(net.layers[net.index(name)]) for name in net.answers}

    def _answer(self, layer: Layer) -> npt.NDArray[np.int64]:
        of = self.layers[layer.name]
        if not layer.neuron.fires:
            return of["v"][..., -1].astype(np.int64)
        return np.asarray(arrivals(layer.axon, of[SPIKES]).sum(-1, dtype=np.int64))

    def plot(self, sample: int = 0, *, layers: Sequence[str] | None = None) -> Picture:
        """Return a picture of a sample's spikes, which a notebook shows; ``.save("spikes.svg")`` writes it.

        Parameters
        ----------
        sample : int
            Which sample.
        layers : sequence of str, optional
            Which layers. Default: all that fire.

        Raises
        ------
        InputError
            There is no such sample or layer, or nothing has spikes.
        """
        from .pictures.figures import raster
        from .pictures.svg import Picture

        if not 0 <= sample < self.num_samples:
            raise InputError(f"sample {sample}: there are {self.num_samples}, counted from 0.")
        for name in layers or ():
            if name not in self.layers:
                near = did_you_mean(name, self.layers)
                raise InputError(f"No layer is called {plain(name)!r}; there are {listed(self.layers)}.{near}")
        found = raster(self, sample, layers or tuple(self.layers))
        if found is None:
            raise InputError(f"Nothing that fires is in {listed(layers or self.layers)}. Name layers with spikes.")
        return Picture((found,))

    def __repr__(self) -> str:
        return f"Trace({self.backend!r}, {self.num_samples} samples: {self._shapes()})"

    def _shapes(self) -> str:
        told = []
        for name, of in self.layers.items():
            shape = next(iter(of.values())).shape if of else ()
            told.append(f"{name} {' '.join(of)} {shape[1:]}")
        return listed(told)

    def _repr_html_(self) -> str:
        from .pictures import cards

        return cards.trace(self)

    def predictions(self, net: Net) -> npt.NDArray[np.int64]:
        """Return the class of each sample, the first of the largest outputs; int64 of shape (samples,)."""
        return np.asarray(self.output(net).argmax(-1), dtype=np.int64)


def without_registers(trace: Trace, net: Net, stepwise: Collection[str] = ()) -> Trace:
    """Return a trace's spikes, and of a read-out what it answers with.

    That is its register in every step, or after the last one if it adds up what arrived in all of them and is none of
    those that answer step by step all the same, which `stepwise` names.
    """
    layers: dict[str, Mapping[str, IntArray]] = {}
    for layer in net.layers:
        of = trace.layers[layer.name]
        if SPIKES in of:
            layers[layer.name] = {SPIKES: of[SPIKES]}
        else:
            adds_up = isinstance(layer.neuron, Readout) and layer.neuron.v_decay != DECAY_ONE
            adds_up &= layer.name not in stepwise
            layers[layer.name] = {"v": of["v"][..., -1:] if adds_up else of["v"]}
    return Trace(backend=trace.backend, layers=layers, answer=trace.answer)
