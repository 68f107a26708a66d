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

from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, THRESHOLD_MANT_MAX
from ...contract.neurons import Neuron
from ...contract.neurons.adrf import ADRF
from ...contract.neurons.adrf_iz import ADRFIZ
from ...contract.neurons.alif import ALIF
from ...contract.neurons.cuba import CUBA, TIE_SAFE_THRESHOLD
from ...contract.neurons.delta import Delta
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ..parts.constants import NORMS, exponent, holds_bias, mean, norms
from ..refusal import refuse


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


def is_complex(neuron: Any) -> bool:
    """Whether a neuron takes two sums, the real one and the imaginary one."""
    return hasattr(neuron, "sin_decay")


def refuse_common(neuron: Any, shape: tuple[int, ...] = (), *, fires: bool = True) -> None:
    """Refuse what no family of SLAYER's neurons can be exact with.

    Parameters
    ----------
    neuron : lava.lib.dl.slayer.neuron.<family>.Neuron
        The neuron.
    shape : tuple of int
        Shape of the layer, channels first, if its forward pass lays parameters of single channels along the last axis.
    fires : bool
        Whether the block's forward pass runs the neuron, which draws each neuron's parameters.

    Raises
    ------
    UnsupportedError
        Naming the option, the reason and the fix.
    """
    refuse(
        {
            "norm": (
                any(type(norm).__name__ not in NORMS for norm in norms(neuron)),
                f"integers can do what {' and '.join(NORMS)} do, and no other. Build it without",
            ),
            "shared_param=False": (
                not neuron.shared_param and len(shape) > 1,
                "SLAYER's forward pass on the CPU lays one value a channel along the columns of images, and raises if "
                "their numbers differ. Build it with shared_param=True",
            ),
            "shared_param": (
                fires and not neuron.shared_param and neuron.shape is None,
                "each neuron's parameters are drawn in the first forward pass. Run the module once",
            ),
            "scale": (
                neuron.w_scale & (neuron.w_scale - 1) != 0,
                f"{neuron.w_scale} is not a power of two. Use 64, SLAYER's default, or another power of two",
            ),
        }
    )


def _refuse_firing(neuron: Any, shape: tuple[int, ...]) -> None:
    """Refuse what no reader of neurons with a threshold accepts, one that no record holds among it."""
    refuse_common(neuron, shape)
    refuse(
        {
            "threshold": (
                not 0 <= neuron.v_th_mant <= THRESHOLD_MANT_MAX,
                f"it is {neuron.v_th_mant} in units of 1/{neuron.w_scale}, and a record holds 0 to "
                f"{THRESHOLD_MANT_MAX}. Build the block with a threshold from 0 to "
                f"{THRESHOLD_MANT_MAX / neuron.w_scale:g}",
            )
        }
    )


def cuba(neuron: Any, shape: tuple[int, ...], exp: int) -> CUBA:
    """Read a current-based leaky integrate-and-fire neuron."""
    _refuse_firing(neuron, shape)
    refuse(
        {
            "threshold": (
                neuron.v_th_mant >= TIE_SAFE_THRESHOLD,
                f"SLAYER's float32 comparison fires at equality from {TIE_SAFE_THRESHOLD / neuron.w_scale:g} on, "
                "Lava does not. Use a lower threshold or scale",
            ),
        }
    )
    return CUBA(v_th_mant=neuron.v_th_mant, graded=int(neuron.graded_spike), **_integrator(neuron, shape, exp))


def _integrator(neuron: Any, shape: tuple[int, ...], exp: int) -> dict[str, Any]:
    """Read current and membrane of a CUBA neuron; a normalisation acts on the current that charges the membrane."""
    found = {
        "num_neurons": math.prod(shape),
        "u_decay": per_channel(_decay(neuron, "current_decay"), shape),
        "v_decay": per_channel(_decay(neuron, "voltage_decay"), shape),
        "a_shift": ACCUMULATOR_SHIFT + exp,
    }
    norm = neuron.norm
    if norm is None:
        return found
    if not holds_bias(neuron):
        again = "SLAYER's recurrent block divides what is left of the current in every step. Use MeanOnlyBatchNorm"
        refuse({"norm": (hasattr(norm, "std"), again)})
        return found
    return found | {"bias_mant": per_channel(-mean(norm), shape), "u_shift": -exponent(norm)}


def alif(neuron: Any, shape: tuple[int, ...], exp: int) -> ALIF:
    """Read an adaptive leaky integrate-and-fire neuron."""
    _refuse_firing(neuron, shape)
    return ALIF(
        num_neurons=math.prod(shape),
        u_decay=per_channel(_decay(neuron, "current_decay"), shape),
        v_decay=per_channel(_decay(neuron, "voltage_decay"), shape),
        th_decay=per_channel(_decay(neuron, "threshold_decay"), shape),
        ref_decay=per_channel(_decay(neuron, "refractory_decay"), shape),
        v_th_mant=neuron.v_th_mant,
        v_th_step=neuron.v_th_step,
        **_ends(neuron, exp),
    )


def rf(neuron: Any, shape: tuple[int, ...], exp: int) -> RF:
    """Read a resonate-and-fire neuron."""
    _refuse_firing(neuron, shape)
    return RF(
        num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape), **_ends(neuron, exp)
    )


def rf_iz(neuron: Any, shape: tuple[int, ...], exp: int) -> RFIZ:
    """Read a resonate-and-fire neuron with Izhikevich's reset."""
    _refuse_firing(neuron, shape)
    return RFIZ(
        num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape), **_ends(neuron, exp)
    )


def adrf(neuron: Any, shape: tuple[int, ...], exp: int) -> ADRF:
    """Read an adaptive resonate-and-fire neuron."""
    _refuse_firing(neuron, shape)
    return ADRF(num_neurons=math.prod(shape), **_adaptive_rotation(neuron, shape), **_ends(neuron, exp))


def adrf_iz(neuron: Any, shape: tuple[int, ...], exp: int) -> ADRFIZ:
    """Read an adaptive resonate-and-fire neuron that fires on its imaginary part."""
    _refuse_firing(neuron, shape)
    return ADRFIZ(num_neurons=math.prod(shape), **_adaptive_rotation(neuron, shape), **_ends(neuron, exp))


def affine(neuron: Any, shape: tuple[int, ...], exp: int) -> LeakyIntegrator | Readout:
    """Read what an affine block puts out: its membrane, or its sums, in a register that remembers nothing."""
    if neuron.threshold is None:
        return Readout(num_neurons=math.prod(shape), v_decay=DECAY_ONE)
    refuse_common(neuron, shape)
    return LeakyIntegrator(**_integrator(neuron, shape, exp))


def sigma_delta(neuron: Any, shape: tuple[int, ...], exp: int) -> SigmaDelta:
    """Read a sigma-delta ReLU unit; its registers are in the units of its sums."""
    _refuse_sigma_delta(neuron)
    bias = np.zeros(shape)
    if neuron.bias_is_set:
        bias += neuron.bias.detach().cpu().double().numpy() / (2.0**exp / neuron.w_scale)
    if neuron.norm is not None:
        refuse({"norm": (hasattr(neuron.norm, "std"), "sigma-delta units do not divide. Use MeanOnlyBatchNorm")})
        bias -= per_channel(mean(neuron.norm), shape).reshape(shape) * 2.0**-exp
    return SigmaDelta(num_neurons=math.prod(shape), bias=bias.reshape(-1), **_changes(neuron, shape, exp))


def _changes(neuron: Any, shape: tuple[int, ...], exp: int) -> dict[str, Any]:
    """Read which changes a sigma-delta neuron sends, and in what units."""
    # The forward pass keeps the threshold at least at a payload's unit. A change is a whole number of units, so that it
    # reaches the threshold if it reaches the next whole number.
    threshold = np.maximum(neuron.delta.threshold.detach().cpu().double().numpy(), 1 / neuron.s_scale)
    unit = 2.0**exp / neuron.w_scale
    return {"v_th": per_channel(np.ceil(threshold / unit), shape), "state_exp": -ACCUMULATOR_SHIFT - exp}


def delta(neuron: Any, shape: tuple[int, ...], exp: int) -> Delta:
    """Read the encoder of a sigma-delta input block, which leaves the rest of its neuron alone."""
    refuse_common(neuron)
    refuse({"cum_error": (neuron.delta.cum_error, _CUM_ERROR)})
    return Delta(num_neurons=math.prod(shape), **_changes(neuron, shape, exp))


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
            "cum_error": (neuron.delta.cum_error, _CUM_ERROR),
        }
    )


_CUM_ERROR = "SLAYER's own forward pass raises with it. Set it to False"


def _ends(neuron: Any, exp: int) -> dict[str, int]:
    """Read what a neuron makes of payloads of unit ``2**exp``, normalised or not, and whether it sends such itself."""
    divided = {exponent(norm) for norm in norms(neuron)} or {0}
    refuse(
        {
            "norm": (
                len(divided) > 1,
                "real and imaginary sums are divided by different powers of two. Use MeanOnlyBatchNorm",
            )
        }
    )
    return {"a_shift": ACCUMULATOR_SHIFT + exp - divided.pop(), "graded": int(neuron.graded_spike)}


def _decay(neuron: Any, name: str) -> npt.NDArray[Any]:
    """Return a decay as SLAYER's forward pass quantises it, half to even; ``cx_...`` would clamp the live parameter."""
    decay = getattr(neuron, name).detach().cpu().numpy()
    if neuron.requires_grad:  # then its forward pass clamps it first
        decay = decay.clip(0, neuron.p_scale)
    rounded: npt.NDArray[Any] = np.round(decay)
    return rounded


def _rotation(neuron: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read a complex neuron's decays as its forward pass uses them; ``cx_sin_decay`` would change the live neuron."""
    sin, cos = (getattr(neuron, name).detach().cpu().numpy() for name in ("sin_decay", "cos_decay"))
    if neuron.requires_grad:  # then its forward pass clamps them first
        gain = np.sqrt(sin**2 + cos**2)
        refuse(
            {
                "sin_decay and cos_decay": (
                    bool((gain == 0).any()),
                    "SLAYER's forward pass divides by their length, which is 0 for a neuron. Train it further, or "
                    "start with a longer period",
                )
            }
        )
        scale = gain.clip(0, np.float32(neuron.p_scale - 1)) / gain
        sin, cos = (sin * scale).clip(1, None), (cos * scale).clip(0, None)
    return {"sin_decay": per_channel(np.round(sin), shape), "cos_decay": per_channel(np.round(cos), shape)}


def _adaptive_rotation(neuron: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read the parameters that ADRF and ADRF-IZ have in common."""
    return {
        "th_decay": per_channel(_decay(neuron, "threshold_decay"), shape),
        "ref_decay": per_channel(_decay(neuron, "refractory_decay"), shape),
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
    "sigma_delta.Input": delta,
    "sigma_delta.Output": sigma,
    "cuba.Affine": affine,
}
"""Family, as the module ``lava.lib.dl.slayer.block.<family>`` is called, or one of its blocks -> its reader."""
