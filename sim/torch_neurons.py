"""SLAYER neurons -> their spikes and registers as the contract's integers, one function a kind.

A function takes a SLAYER neuron and what its synapses deliver, and returns each variable as SLAYER keeps it, with the
unit of that variable. SLAYER's own dynamics run; what it keeps from before a reset is put after it, as registers are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..contract.adrf import ADRF
from ..contract.alif import ALIF
from ..contract.cuba import CUBA
from ..contract.rf import RF
from ..contract.rf_iz import RFIZ
from .trace import SPIKES

Variables = dict[str, torch.Tensor]


def variables(kind: type[Any], neuron: Any, dendrites: Any) -> dict[str, npt.NDArray[np.int32]]:
    """Return a SLAYER neuron's variables.

    Parameters
    ----------
    kind : type
        The kind of its record.
    neuron : lava.lib.dl.slayer.neuron.<family>.Neuron
        The neuron.
    dendrites : tensor, or pair of tensors, shape (samples, ..., steps)
        What the synapses deliver.

    Returns
    -------
    dict of variable to ndarray of int32, shape (samples, ..., steps)
    """
    found = _DYNAMICS[kind](neuron, dendrites)
    sent = integers(found.pop(SPIKES), payload_unit(neuron))
    return {SPIKES: sent} | {name: integers(value, 1 / neuron.s_scale) for name, value in found.items()}


def payload_unit(neuron: Any) -> float:
    """Return what a payload of 1 means in SLAYER's units: a spike, or the unit of the register that travels."""
    return 1 / neuron.s_scale if neuron.graded_spike else 1.0


def integers(x: torch.Tensor, unit: float) -> npt.NDArray[np.int32]:
    """Return what SLAYER keeps in units of `unit` as integers."""
    return torch.round(x.to(torch.float64) / unit).to(torch.int32).cpu().numpy()


def _cuba(neuron: Any, dendrites: Any) -> Variables:
    u, v = neuron.dynamics(dendrites)
    spikes = neuron.spike(v)
    return {SPIKES: spikes, "u": u, "v": v * (spikes == 0)}


def _alif(neuron: Any, dendrites: Any) -> Variables:
    u, v, theta, r = neuron.dynamics(dendrites)
    return {SPIKES: neuron.spike(v, theta, r), "u": u, "v": v, "theta": theta, "r": r}


def _adrf(neuron: Any, dendrites: Any) -> Variables:
    real, imag, theta, r = neuron.dynamics(dendrites)
    return {SPIKES: neuron.spike(real, imag, theta, r), "real": real, "imag": imag, "theta": theta, "r": r}


def _rf(neuron: Any, dendrites: Any) -> Variables:
    real, imag = neuron.dynamics(dendrites)
    return {SPIKES: neuron.spike(real, imag), "real": real, "imag": imag}


def _rf_iz(neuron: Any, dendrites: Any) -> Variables:
    real, imag = neuron.dynamics(dendrites)
    sent = neuron.spike(real, imag)
    fired = imag >= neuron.threshold
    below = imag.new_tensor(neuron.threshold - 1 / neuron.s_scale)
    return {SPIKES: sent, "real": real * ~fired, "imag": torch.where(fired, below, imag)}


_DYNAMICS: dict[type[Any], Callable[[Any, Any], Variables]] = {
    CUBA: _cuba,
    ALIF: _alif,
    ADRF: _adrf,
    RF: _rf,
    RFIZ: _rf_iz,
}
