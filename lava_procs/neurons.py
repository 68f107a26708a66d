"""The Lava process of a layer's neurons.

Where Lava has neurons that can be made exact, its own arithmetic runs: CUBA layers are Lava's ``LIFReset``, given what
it needs to be exact, the reset that falls on the layer's local time; RF, RF-IZ and sigma-delta layers run Lava's own
models in a process that hands them the exact integers and resets them. Every other kind, and what does not fit those,
runs by the contract's rule, `spikeproof.lava_procs.by_rule`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import compat

compat.apply()  # before the first Lava import

from ..contract.fixed import ACCUMULATOR_SHIFT  # noqa: E402
from ..contract.net import Layer  # noqa: E402
from ..contract.neurons.cuba import CUBA  # noqa: E402
from ..contract.neurons.rf import RF  # noqa: E402
from ..contract.neurons.rf_iz import RFIZ  # noqa: E402
from ..contract.neurons.sigma_delta import SigmaDelta  # noqa: E402
from .by_rule.process import PROCESSES  # noqa: E402
from .lif.process import LIFReset  # noqa: E402
from .resonators import process as resonators  # noqa: E402
from .sigma_delta.process import SigmaDelta as SigmaDeltaProcess  # noqa: E402

STOCK_LIMIT = 2 ** (31 - ACCUMULATOR_SHIFT)
"""Lava's own neurons shift their input in 32 bits; larger sums overflow."""


class Place(NamedTuple):
    """Where a layer stands in its network."""

    latency: int
    """Steps by which it works behind the network's input."""
    period: int
    """Length of a sample in steps."""
    bound: int
    """The largest magnitude that one of its dendritic sums can reach."""
    te: np.ndarray | None
    """A CE-LIF layer's temporal encoding as a table, int8 of shape (te_steps, n); None if it comes through synapses."""


def process(layer: Layer, place: Place, *, by_rule: bool = False) -> Any:
    """Return a layer's neurons as a Lava process with the port ``a_in``, and ``s_out`` unless it never fires.

    The registers that are traced are Vars under their names. `by_rule` keeps Lava's own neurons out.
    """
    kind = type(layer.neuron)
    if kind in _STOCK and not by_rule:
        fits, build = _STOCK[kind]
        if fits(layer.neuron, place):
            return build(layer, place)
    return _started(PROCESSES[kind], layer, place, te=place.te if kind.takes_te else None)


def _started(process: Any, layer: Layer, place: Place, **more: Any) -> Any:
    return process(params=layer.neuron, latency=place.latency, period=place.period, name=layer.name, **more)


def _unary(neuron: Any, place: Place) -> bool:
    """Whether Lava's own arithmetic computes a layer: unary spikes, through 32 bits."""
    unary = neuron.a_shift == ACCUMULATOR_SHIFT and not neuron.graded
    return getattr(neuron, "stock", unary) and place.bound < STOCK_LIMIT


def _cuba(layer: Layer, place: Place) -> Any:
    neuron = layer.neuron
    assert isinstance(neuron, CUBA)
    return LIFReset(
        shape=(neuron.num_neurons,),
        du=neuron.u_decay - 1,  # Lava's LIF adds one
        dv=neuron.v_decay,
        bias_mant=neuron.bias_mant,
        bias_exp=ACCUMULATOR_SHIFT,
        vth=neuron.v_th_mant,
        reset_interval=place.period,
        # LIFReset resets before it computes, in steps t (counted from 1) with t % interval == offset % interval.
        reset_offset=1 + place.latency,
        name=layer.name,
    )


_STOCK: dict[type[Any], tuple[Callable[[Any, Place], bool], Callable[[Layer, Place], Any]]] = {
    CUBA: (_unary, _cuba),
    RF: (_unary, lambda layer, place: _started(resonators.RF, layer, place)),
    RFIZ: (_unary, lambda layer, place: _started(resonators.RFIZ, layer, place)),
    SigmaDelta: (
        lambda neuron, place: neuron.state_exp >= 0,
        lambda layer, place: _started(SigmaDeltaProcess, layer, place),
    ),
}
"""Kind that Lava has neurons for -> (where they are exact, what makes them)."""
