"""SLAYER neurons -> neuron records, one function a family.

A reader takes a block's neuron and the shape of the layer, channels first, and returns its record with one value a
neuron, in the order of the flattened shape; or it refuses, and its caller says which layer that was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract.adrf import ADRF
from ..contract.alif import ALIF
from ..contract.cuba import CUBA
from ..contract.errors import UnsupportedError
from ..contract.neurons import Neuron
from ..contract.rf import RF
from ..contract.rf_iz import RFIZ
from .refusal import refuse

_TIE_SAFE_THRESHOLD = 4096
"""From this threshold mantissa on, SLAYER's float32 comparison fires at equality and Lava does not."""


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


def refuse_common(neuron: Any) -> None:
    """Refuse what no family of SLAYER's neurons can be exact with.

    Raises
    ------
    UnsupportedError
        Naming the option, the reason and the mend.
    """
    refuse(
        {
            "graded_spike": (neuron.graded_spike, "Lava's LIF sends unary spikes. Build it with graded_spike=False"),
            "norm": (_has_norm(neuron), "NetX applies its bias a step early. Build it without, or fold it"),
            "persistent_state": (neuron.persistent_state, "samples must start from reset. Set it to False"),
            "dropout": (neuron.drop is not None and neuron.training, "the module is in training mode. Call .eval()"),
            "scale": (
                neuron.w_scale & (neuron.w_scale - 1) != 0,
                f"{neuron.w_scale} is not a power of two. Use 64, SLAYER's default, or another power of two",
            ),
        }
    )


def cuba(neuron: Any, shape: tuple[int, ...]) -> CUBA:
    """Read a current-based leaky integrate-and-fire neuron."""
    refuse_common(neuron)
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
    )


def alif(neuron: Any, shape: tuple[int, ...]) -> ALIF:
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
        graded=int(neuron.graded_spike),
    )


def rf(neuron: Any, shape: tuple[int, ...]) -> RF:
    """Read a resonate-and-fire neuron."""
    refuse_common(neuron)
    return RF(num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape))


def rf_iz(neuron: Any, shape: tuple[int, ...]) -> RFIZ:
    """Read a resonate-and-fire neuron with Izhikevich's reset."""
    refuse_common(neuron)
    return RFIZ(num_neurons=math.prod(shape), v_th_mant=neuron.v_th_mant, **_rotation(neuron, shape))


def adrf(neuron: Any, shape: tuple[int, ...]) -> ADRF:
    """Read an adaptive resonate-and-fire neuron."""
    refuse_common(neuron)
    return ADRF(
        num_neurons=math.prod(shape),
        th_decay=per_channel(_rounded(neuron.threshold_decay), shape),
        ref_decay=per_channel(_rounded(neuron.refractory_decay), shape),
        v_th_mant=neuron.v_th_mant,
        v_th_step=neuron.v_th_step,
        **_rotation(neuron, shape),
    )


def adrf_iz(neuron: Any, shape: tuple[int, ...]) -> Neuron:
    """Refuse an adaptive resonate-and-fire neuron with Izhikevich's spikes, whose forward pass raises in SLAYER."""
    raise UnsupportedError(
        "SLAYER's adrf_iz has no forward pass to be exact with: it calls its own spike() with one argument too few. "
        "Use adrf or rf_iz."
    )


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


READERS: dict[str, Callable[[Any, tuple[int, ...]], Neuron]] = {
    "cuba": cuba,
    "alif": alif,
    "adrf": adrf,
    "adrf_iz": adrf_iz,
    "rf": rf,
    "rf_iz": rf_iz,
}
"""Family, as the module ``lava.lib.dl.slayer.block.<family>`` is called -> its reader."""
