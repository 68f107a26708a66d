"""The Lava process of each kind of neuron, in one table.

CE-LIF, the read-out and what Lava has no exact process for are processes of this package. CUBA layers are Lava's own
``LIFReset``, given what it needs to be exact: the reset that falls on the layer's local time. RF and RF-IZ layers run
Lava's own models in a process that hands them the exact decays and resets them; sigma-delta layers likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import compat

compat.apply()  # before the first Lava import

from lava.proc.lif.process import LIFReset  # noqa: E402

from ..contract.fixed import ACCUMULATOR_SHIFT  # noqa: E402
from ..contract.net import Layer  # noqa: E402
from ..contract.neurons.adrf import ADRF  # noqa: E402
from ..contract.neurons.adrf_iz import ADRFIZ  # noqa: E402
from ..contract.neurons.alif import ALIF  # noqa: E402
from ..contract.neurons.celif import CELIF  # noqa: E402
from ..contract.neurons.cuba import CUBA  # noqa: E402
from ..contract.neurons.delta import Delta  # noqa: E402
from ..contract.neurons.membrane import Membrane  # noqa: E402
from ..contract.neurons.readout import Readout  # noqa: E402
from ..contract.neurons.rf import RF  # noqa: E402
from ..contract.neurons.rf_iz import RFIZ  # noqa: E402
from ..contract.neurons.sigma_delta import SigmaDelta  # noqa: E402
from .celif.process import CELIF as CELIFProcess  # noqa: E402
from .readout.process import Readout as ReadoutProcess  # noqa: E402
from .resonators import process as resonators  # noqa: E402
from .rules import process as rules  # noqa: E402
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


def process(layer: Layer, place: Place) -> Any:
    """Return a layer's neurons as a Lava process with the port ``a_in``, and ``s_out`` unless it never fires.

    The registers that are traced are Vars under their names.
    """
    return _PROCESSES[type(layer.neuron)](layer, place)


def _celif(layer: Layer, place: Place) -> Any:
    assert isinstance(layer.neuron, CELIF)
    return CELIFProcess(params=layer.neuron, te=place.te, latency=place.latency, period=place.period, name=layer.name)


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


def _sigma_delta(layer: Layer, place: Place) -> Any:
    assert isinstance(layer.neuron, SigmaDelta)
    return _ours(SigmaDeltaProcess if layer.neuron.state_exp >= 0 else rules.SigmaDelta)(layer, place)


def _ours(kind: Any) -> Callable[[Layer, Place], Any]:
    """Return what builds a process of this package that takes its parameters as a record."""

    def build(layer: Layer, place: Place) -> Any:
        return kind(params=layer.neuron, latency=place.latency, period=place.period, name=layer.name)

    return build


def _where_it_fits(stock: Callable[[Layer, Place], Any], rule: Any) -> Callable[[Layer, Place], Any]:
    """Return what builds Lava's own arithmetic where it fits, which is unary spikes through 32 bits, and ours else."""

    def build(layer: Layer, place: Place) -> Any:
        neuron: Any = layer.neuron
        unary = neuron.a_shift == ACCUMULATOR_SHIFT and not neuron.graded
        fits = getattr(neuron, "stock", unary) and place.bound < STOCK_LIMIT
        return (stock if fits else _ours(rule))(layer, place)

    return build


_PROCESSES: dict[type[Any], Callable[[Layer, Place], Any]] = {
    CELIF: _celif,
    CUBA: _where_it_fits(_cuba, rules.CUBA),
    Membrane: _ours(rules.Membrane),
    Readout: _ours(ReadoutProcess),
    ALIF: _ours(rules.ALIF),
    ADRF: _ours(rules.ADRF),
    ADRFIZ: _ours(rules.ADRFIZ),
    RF: _where_it_fits(_ours(resonators.RF), rules.RF),
    SigmaDelta: _sigma_delta,
    Delta: _ours(rules.Delta),
    RFIZ: _where_it_fits(_ours(resonators.RFIZ), rules.RFIZ),
}
