"""SLAYER neurons -> neuron records, one function a family.

A reader takes a block's neuron, the shape of the layer, channels first, and the power of two that a payload of 1 means
to it. It returns its record with one value a neuron, in the order of the flattened shape; or it refuses, and its caller
says which layer that was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..contract.adrf import ADRF
from ..contract.adrf_iz import ADRFIZ
from ..contract.alif import ALIF
from ..contract.cuba import CUBA
from ..contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE
from ..contract.neurons import Neuron
from ..contract.readout import Readout
from ..contract.rf import RF
from ..contract.rf_iz import RFIZ
from ..contract.sigma_delta import SigmaDelta
from .refusal import refuse

_TIE_SAFE_THRESHOLD = 4096
"""From this threshold mantissa on, SLAYER's float32 comparison fires at equality and Lava does not."""


_NORMS = ("MeanOnlyBatchNorm", "WgtScaleBatchNorm")


def per_channel(values: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return one value, or one a channel, as one value for each neuron of a layer.

    Parameters
    ----------
    values : array_like, shape (), (1,) or (shape[0],)
        What SLAYER keeps: shared by all neurons, or one a channel.
    shape : tuple of int
        Shape of the layer, channels first.

    Returns
    -------
    ndarray, shape (prod(shape),)
    """
    array = np.asarray(values)
    return np.broadcast_to(array.reshape(-1, *[1] * (len(shape) - 1)), shape).reshape(-1)


def refuse_common(neuron: Any, *, may_normalise: bool = False, fires: bool = True) -> None:
    """Refuse what no family of SLAYER's neurons can be exact with.

    Parameters
    ----------
    neuron : lava.lib.dl.slayer.neuron.<family>.Neuron
        The neuron.
    may_normalise : bool
        Whether SLAYER's own normalisations have a place in the family's record.
    fires : bool
        Whether the block's forward pass runs the neuron, which draws each neuron's parameters.

    Raises
    ------
    UnsupportedError
        Naming the option, the reason and the mend.
    """
    refuse(
        {
            "norm": (
                _has_norm(neuron) and not (may_normalise and type(neuron.norm).__name__ in _NORMS),
                f"there is no place for it but in CUBA neurons, and there for {' and '.join(_NORMS)}. Build it without",
            ),
            "shared_param": (
                fires and not neuron.shared_param and neuron.shape is None,
                "each neuron's parameters are drawn in the first forward pass. Run the module once",
            ),
            "dropout": (neuron.drop is not None and neuron.training, "the module is in training mode. Call .eval()"),
            "scale": (
                neuron.w_scale & (neuron.w_scale - 1) != 0,
                f"{neuron.w_scale} is not a power of two. Use 64, SLAYER's default, or another power of two",
            ),
        }
    )


def cuba(neuron: Any, shape: tuple[int, ...], exp: int) -> CUBA:
    """Read a current-based leaky integrate-and-fire neuron."""
    refuse_common(neuron, may_normalise=True)
    refuse(
        {
            "threshold": (
                neuron.v_th_mant >= _TIE_SAFE_THRESHOLD,
                f"SLAYER's float32 comparison fires at equality from {_TIE_SAFE_THRESHOLD / neuron.w_scale:g} on, "
                "Lava does not. Use a lower threshold or scale",
            ),
        }
    )
    return CUBA(
        num_neurons=math.prod(shape),
        u_decay=per_channel(neuron.cx_current_decay, shape),
        v_decay=per_channel(neuron.cx_voltage_decay, shape),
        v_th_mant=neuron.v_th_mant,
        **_normalisation(neuron, shape),
        **_ends(neuron, exp),
    )


def _normalisation(neuron: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read what a normalisation does in evaluation: it takes a mean from the current and divides by a power of two."""
    norm = neuron.norm
    if norm is None:
        return {}
    mean = norm.pre_hook_fx(norm.running_mean, descale=True)
    exponent = np.log2(norm.std(norm.running_var).item()) if hasattr(norm, "std") else 0
    return {"bias_mant": per_channel(-np.round(mean.cpu().numpy()), shape), "u_shift": -int(exponent)}


def alif(neuron: Any, shape: tuple[int, ...], exp: int) -> ALIF:
    """Read an adaptive leaky integrate-and-fire neuron."""
    refuse_common(neuron)
    return ALIF(
        num_neurons=math.prod(shape),
        u_decay=per_channel(neuron.cx_current_decay, shape),
        v_decay=per_channel(neuron.cx_voltage_decay, shape),
        th_decay=per_channel(neuron.cx_threshold_decay, shape),
        ref_decay=per_channel(neuron.cx_refractory_decay, shape),
        v_th_mant=neuron.v_th_mant,
        v_th_step=neuron.v_th_step,
        **_ends(neuron, exp),
    )


def rf(neuron: Any, shape: tuple[int, ...], exp: int) -> RF:
    """Read a resonate-and-fire neuron."""
    refuse_common(neuron)
    return RF(
        num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape), **_ends(neuron, exp)
    )


def rf_iz(neuron: Any, shape: tuple[int, ...], exp: int) -> RFIZ:
    """Read a resonate-and-fire neuron with Izhikevich's reset."""
    refuse_common(neuron)
    return RFIZ(
        num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape), **_ends(neuron, exp)
    )


def adrf(neuron: Any, shape: tuple[int, ...], exp: int) -> ADRF:
    """Read an adaptive resonate-and-fire neuron."""
    refuse_common(neuron)
    return ADRF(num_neurons=math.prod(shape), **_adaptive_rotation(neuron, shape), **_ends(neuron, exp))


def adrf_iz(neuron: Any, shape: tuple[int, ...], exp: int) -> ADRFIZ:
    """Read an adaptive resonate-and-fire neuron that fires on its imaginary part."""
    refuse_common(neuron)
    return ADRFIZ(num_neurons=math.prod(shape), **_adaptive_rotation(neuron, shape), **_ends(neuron, exp))


def affine(neuron: Any, shape: tuple[int, ...], exp: int) -> Readout:
    """Read what an affine block without dynamics puts out: its sums, in a register that remembers nothing."""
    refuse(
        {
            "dynamics": (
                neuron.threshold is not None,
                "a membrane that never fires has no record. Build it with dynamics=False, or end in spikeproof.Readout",
            )
        }
    )
    return Readout(num_neurons=math.prod(shape), v_decay=DECAY_ONE)


def sigma_delta(neuron: Any, shape: tuple[int, ...], exp: int) -> SigmaDelta:
    """Read a sigma-delta ReLU unit; its registers are in the units of its sums."""
    _refuse_sigma_delta(neuron)
    unit = 2.0**exp / neuron.w_scale
    # The forward pass keeps the threshold at least at a payload's unit. A change is a whole number of units, so that it
    # reaches the threshold if it reaches the next whole number.
    threshold = np.maximum(neuron.delta.threshold.detach().cpu().double().numpy(), 1 / neuron.s_scale)
    bias = neuron.bias.detach().cpu().double().numpy() / unit if neuron.bias_is_set else 0
    return SigmaDelta(
        num_neurons=math.prod(shape),
        v_th=per_channel(np.ceil(threshold / unit), shape),
        state_exp=-ACCUMULATOR_SHIFT - exp,
        bias=np.broadcast_to(bias, shape).reshape(-1),
    )


def sigma(neuron: Any, shape: tuple[int, ...], exp: int) -> Readout:
    """Read the sums that a sigma-delta output block adds up."""
    _refuse_sigma_delta(neuron, fires=False)  # the block adds up what arrives and leaves its neuron alone
    return Readout(num_neurons=math.prod(shape), a_shift=0)


def _refuse_sigma_delta(neuron: Any, *, fires: bool = True) -> None:
    refuse_common(neuron, fires=fires)
    activation = neuron.activation
    rectifies = isinstance(activation, nn.ReLU) or activation in (torch.relu, nn.functional.relu)
    refuse(
        {
            "activation": (not rectifies, "Lava's SigmaDelta rectifies. Use torch.nn.functional.relu"),
            "cum_error": (neuron.delta.cum_error, "SLAYER's own forward pass raises with it. Set it to False"),
        }
    )


def _ends(neuron: Any, exp: int) -> dict[str, int]:
    """Read what a neuron makes of payloads of unit ``2**exp``, and whether it sends such itself."""
    return {"a_shift": ACCUMULATOR_SHIFT + exp, "graded": int(neuron.graded_spike)}


def _has_norm(neuron: Any) -> bool:
    return any(getattr(neuron, name, None) is not None for name in ("norm", "real_norm", "imag_norm"))


def _rounded(decay: Any) -> npt.NDArray[Any]:
    """Return a decay as SLAYER's forward pass quantises it, half to even."""
    rounded: npt.NDArray[Any] = np.round(decay.detach().cpu().numpy())
    return rounded


def _rotation(neuron: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read a complex neuron's decays as its forward pass uses them; ``cx_sin_decay`` would change the live neuron."""
    sin, cos = (getattr(neuron, name).detach().cpu().numpy() for name in ("sin_decay", "cos_decay"))
    if neuron.requires_grad:  # then its forward pass clamps them first
        gain = np.sqrt(sin**2 + cos**2)
        scale = gain.clip(0, np.float32(neuron.p_scale - 1)) / gain
        sin, cos = (sin * scale).clip(1, None), (cos * scale).clip(0, None)
    return {"sin_decay": per_channel(np.round(sin), shape), "cos_decay": per_channel(np.round(cos), shape)}


def _adaptive_rotation(neuron: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read the parameters that ADRF and ADRF-IZ have in common."""
    return {
        "th_decay": per_channel(_rounded(neuron.threshold_decay), shape),
        "ref_decay": per_channel(_rounded(neuron.refractory_decay), shape),
        "v_th_mant": neuron.v_th_mant,
        "v_th_step": neuron.v_th_step,
        **_rotation(neuron, shape),
    }


READERS: dict[str, Callable[[Any, tuple[int, ...], int], Neuron]] = {
    "cuba": cuba,
    "alif": alif,
    "adrf": adrf,
    "adrf_iz": adrf_iz,
    "rf": rf,
    "rf_iz": rf_iz,
    "sigma_delta": sigma_delta,
    "sigma_delta.Output": sigma,
    "cuba.Affine": affine,
}
"""Family, as the module ``lava.lib.dl.slayer.block.<family>`` is called, or one of its blocks -> its reader."""
