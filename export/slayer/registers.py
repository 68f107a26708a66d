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

from ...contract.fixed import WEIGHT_STEP
from ...contract.neurons import SPIKES
from ...contract.neurons.adrf import ADRF
from ...contract.neurons.adrf_iz import ADRFIZ
from ...contract.neurons.alif import ALIF
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.delta import Delta
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ..parts.state import at_reset
from . import synapses

Variables = dict[str, torch.Tensor]


def variables(kind: type[Any], neuron: Any, dendrites: Any, exp: int = 0) -> dict[str, npt.NDArray[np.int32]]:
    """Return a SLAYER neuron's variables.

    Parameters
    ----------
    kind : type
        The kind of its record.
    neuron : lava.lib.dl.slayer.neuron.<family>.Neuron
        The neuron.
    dendrites : tensor, or pair of tensors, shape (samples, ..., steps)
        What the synapses deliver.
    exp : int
        The power of two that a payload of 1 means to the synapses.

    Returns
    -------
    dict of variable to ndarray of int32, shape (samples, ..., steps)
    """
    found = _DYNAMICS[kind](neuron, dendrites)
    register = register_unit(kind, neuron, exp)
    return {
        name: integers(value, payload_unit(neuron) if name == SPIKES else register) for name, value in found.items()
    }


def recurrent_variables(kind: type[Any], block: Any, x: torch.Tensor) -> dict[str, npt.NDArray[np.int32]]:
    """Return the variables of the neurons of a recurrent block, step by step as SLAYER's forward pass runs them.

    Parameters
    ----------
    kind : type
        The kind of the neurons' record.
    block : lava.lib.dl.slayer.block.<family>.Recurrent or KWTA
        The block.
    x : tensor, shape (samples, inputs, steps)
        What arrives.

    Returns
    -------
    dict of variable to ndarray of int32, shape (samples, neurons, steps)
    """
    dendrites, weight = synapses.forward(block)(x), synapses.feedback_weight(block)
    assert weight is not None
    spikes = torch.zeros_like(dendrites[..., 0])
    found: list[dict[str, npt.NDArray[np.int32]]] = []
    with at_reset(block):
        for dendrite in dendrites.unbind(-1):
            found.append(variables(kind, block.neuron, (dendrite + spikes @ weight.T)[..., None]))
            spikes = torch.as_tensor(found[-1][SPIKES][..., 0], dtype=dendrite.dtype, device=dendrite.device)
    return {name: np.concatenate([step[name] for step in found], axis=-1) for name in found[0]}


def averaged(block: Any, output: torch.Tensor, inputs: int, exp: int) -> npt.NDArray[np.int32]:
    """Return the sums of which an average put out the means, in the units of its record.

    Parameters
    ----------
    block : lava.lib.dl.slayer.block.<family>.Average
        The block.
    output : tensor, shape (samples, groups, steps)
        What it put out.
    inputs : int
        Number of neurons that it averages.
    exp : int
        The power of two that a payload of 1 means to it.
    """
    return WEIGHT_STEP * integers(output.double() * (inputs // block.num_outputs), 2.0**exp)


def payload_unit(neuron: Any) -> float:
    """Return what a payload of 1 means in SLAYER's units: a spike, or the unit of the register that travels."""
    return 1 / neuron.s_scale if neuron.graded_spike else 1.0


def register_unit(kind: type[Any], neuron: Any, exp: int) -> float:
    """Return what 1 in a register means in SLAYER's units, if a payload of 1 that arrives means ``2**exp``."""
    return 2.0**exp / float(neuron.w_scale) if kind in _IN_UNITS_OF_SUMS else 1 / float(neuron.s_scale)


def integers(x: torch.Tensor, unit: float) -> npt.NDArray[np.int32]:
    """Return what SLAYER keeps in units of `unit` as integers."""
    return torch.round(x.to(torch.float64) / unit).to(torch.int32).cpu().numpy()


def _cuba(neuron: Any, dendrites: Any) -> Variables:
    u, v = neuron.dynamics(dendrites)
    spikes = neuron.spike(v)
    return {SPIKES: spikes, "u": _current(neuron, u), "v": v * (spikes == 0)}


def _membrane(neuron: Any, dendrites: Any) -> Variables:
    """Return what an affine block with dynamics puts out, and the current behind it."""
    u, v = neuron.dynamics(dendrites)
    return {"u": _current(neuron, u), "v": v}


def _current(neuron: Any, u: torch.Tensor) -> torch.Tensor:
    """Return the current that decays, given the one that charges the membrane."""
    # What a norm made of the current decays only where SLAYER keeps that from step to step.
    if neuron.norm is not None and not neuron.persistent_state:
        mean = neuron.norm.pre_hook_fx(neuron.norm.running_mean)
        divisor = neuron.norm.std(neuron.norm.running_var) if hasattr(neuron.norm, "std") else 1.0
        u = u * divisor + mean.reshape(-1, *[1] * (u.ndim - 2))
    return u


def _alif(neuron: Any, dendrites: Any) -> Variables:
    u, v, theta, r = neuron.dynamics(dendrites)
    return {SPIKES: neuron.spike(v, theta, r), "u": u, "v": v, "theta": theta, "r": r}


def _adaptive_resonator(neuron: Any, dendrites: Any) -> Variables:
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


def _sigma_delta(neuron: Any, dendrites: Any) -> Variables:
    sigma = neuron.sigma(dendrites)
    received = sigma if neuron.norm is None else neuron.norm(sigma)
    act = neuron.activation(received + neuron.bias[..., None] if neuron.bias_is_set else received)
    return {"sigma": sigma, **_delta(neuron, act)}


def _delta(neuron: Any, act: Any) -> Variables:
    sent = neuron.delta(act)
    # What is held back is the change since the last spike; the threshold is at least a payload of 1.
    steps = torch.arange(1, act.shape[-1] + 1, device=act.device)
    last = (steps * (sent != 0)).cummax(-1).values
    residue = act - torch.cat([torch.zeros_like(act[..., :1]), act], -1).gather(-1, last)
    return {SPIKES: sent, "act": act, "residue": residue}


def _sigma(neuron: Any, dendrites: Any) -> Variables:
    """Return what a sigma-delta output adds up, or what an affine block puts out as it is."""
    return {"v": neuron.sigma(dendrites) if hasattr(neuron, "sigma") else dendrites}


_IN_UNITS_OF_SUMS: set[type[Any]] = {SigmaDelta, Delta, Readout}
"""Kinds whose registers are not in the units of SLAYER's states."""

_DYNAMICS: dict[type[Any], Callable[[Any, Any], Variables]] = {
    CUBA: _cuba,
    ALIF: _alif,
    ADRF: _adaptive_resonator,
    ADRFIZ: _adaptive_resonator,
    RF: _rf,
    RFIZ: _rf_iz,
    SigmaDelta: _sigma_delta,
    Delta: _delta,
    LeakyIntegrator: _membrane,
    Readout: _sigma,
}
