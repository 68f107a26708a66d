"""Neurons of files that stock lava-dl wrote -> neuron records, one function a type.

A reader takes a layer's group, the shape of its neurons, channels first, and the power of two that a payload of 1 means
to it, and returns a record with one value a neuron; or it refuses, and its caller says which layer that was. What a
field means is what SLAYER's forward pass made of it in training, not what stock NetX makes of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ...contract.errors import FileFormatError, UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, DECAY_ONE, THRESHOLD_MANT_MAX
from ...contract.neurons import Neuron
from ...contract.neurons.adrf import ADRF
from ...contract.neurons.adrf_iz import ADRFIZ
from ...contract.neurons.alif import ALIF
from ...contract.neurons.bases.integrator import Integrator
from ...contract.neurons.cuba import CUBA
from ...contract.neurons.delta import Delta
from ...contract.neurons.leaky_integrator import LeakyIntegrator
from ...contract.neurons.readout import Readout
from ...contract.neurons.rf import RF
from ...contract.neurons.rf_iz import RFIZ
from ...contract.neurons.sigma_delta import SigmaDelta
from ..members import flag, member, numbers, refuse_unknown, text
from ..quoted import quoted
from ..refusal import refuse

Shape = tuple[int, ...]

PAYLOAD_EXP = -12
"""A payload of 1 is worth ``2**-12`` between sigma-delta layers: six bits finer than a weight, as NetX has it."""

WEIGHT_EXP_MAX = 3
"""``WgtScaleBatchNorm`` clamps its exponent to this by default when it runs, and not when it is exported."""

_NEAR = 2.0**-10
"""Numbers that ought to be whole are, but for a scale that is no power of two, which float32 cannot undo."""

_SURROGATE = {"tauRho", "scaleRho", "theta"}
"""Fields of SLAYER's predecessor that only its training read."""


def read(handle: h5py.Group, shape: Shape, exp: int) -> Neuron:
    """Read the neurons of a layer, without their bias.

    Parameters
    ----------
    handle : h5py.Group
        The layer's group.
    shape : tuple of int
        Shape of its neurons.
    exp : int
        A payload of 1 that arrives means ``2**exp``.

    Raises
    ------
    UnsupportedError
        What the file says cannot be exact.
    FileFormatError
        Something is missing, unknown, or of the wrong kind.
    """
    if "neuron" not in handle.keys():
        return Readout(num_neurons=math.prod(shape), v_decay=DECAY_ONE)  # SLAYER's Affine(dynamics=False)
    group = member(handle, "neuron", h5py.Group)
    kind = text(group, "type")
    if kind not in READERS:
        raise UnsupportedError(f"neuron/type is {quoted(kind)}; SLAYER's are {', '.join(READERS)}.")
    try:
        return READERS[kind](group, shape, exp)
    except FileFormatError as error:
        raise FileFormatError(f"neuron/{error}") from None


def bias(handle: h5py.Group, shape: Shape) -> npt.NDArray[np.int64]:
    """Return a layer's bias in weight units, one a neuron; zeros if it has none."""
    if "bias" not in handle.keys():
        return np.zeros(math.prod(shape), np.int64)
    return per_neuron("bias", whole("bias", numbers(handle, "bias")), shape)


def holds_bias(neuron: Neuron) -> bool:
    """Whether a record of neurons has a place for a bias of their own."""
    return isinstance(neuron, Integrator | SigmaDelta)


def with_bias(neuron: Any, bias: npt.NDArray[np.int64], exp: int) -> Neuron:
    """Return neurons that hold a bias, with one in weight units."""
    field = {"bias": bias << -exp} if isinstance(neuron, SigmaDelta) else {"bias_mant": bias}
    changed: Neuron = dataclasses.replace(neuron, **field)
    return changed


def whole(name: str, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return numbers as the whole numbers that they are, but for float32's rounding of a scale; refuse fractions."""
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > 2**40:
        raise FileFormatError(f"{name} holds a value that is no finite number of sensible size.")
    rounded = np.round(values)
    wrong = np.abs(values - rounded) > _NEAR
    if wrong.any():
        raise UnsupportedError(
            f"{name} holds {np.ravel(values)[wrong.ravel()][0]:g}, a fraction, which stock NetX cuts off. Train with a "
            "quantising pre_hook_fx, the neuron's quantize_8bit say."
        )
    return rounded.astype(np.int64)


def per_neuron(name: str, values: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    """Return one value, or one a channel, or one a neuron, as one a neuron."""
    count = math.prod(shape)
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), (count,))
    if values.size == count:
        return values.reshape(-1)
    if values.size == shape[0]:
        return np.repeat(values.reshape(-1), count // shape[0])
    raise FileFormatError(f"{name} has {values.size} values; the layer has {shape[0]} channels and {count} neurons.")


def _values(group: h5py.Group, name: str, shape: Shape) -> npt.NDArray[Any]:
    return per_neuron(name, whole(name, numbers(group, name)), shape)


def _all_values(group: h5py.Group, names: dict[str, str], shape: Shape) -> dict[str, Any]:
    """Return what a record's fields are in a file that has other names for them."""
    return {field: _values(group, name, shape) for field, name in names.items()}


def _one(group: h5py.Group, name: str, default: int | None = None) -> int:
    """Return a field that holds one whole number."""
    if default is not None and name not in group.keys():
        return default
    values = whole(name, numbers(group, name))
    if values.size != 1:
        raise FileFormatError(f"{name} holds {values.size} numbers, not one.")
    return int(values.item())


def _threshold(group: h5py.Group) -> int:
    threshold = _one(group, "vThMant")
    if threshold < 0:
        raise FileFormatError(f"vThMant is {threshold}; a threshold is not negative.")
    return threshold


def _refuse_delay(group: h5py.Group) -> None:
    delay = _one(group, "refDelay", 1)
    refuse(
        {
            "refDelay": (
                delay not in (0, 1),  # mlGeNN writes 0 for what SLAYER calls 1: no step of rest
                f"{delay} steps of rest after a spike; Lava's neurons have one, and stock NetX does not read it. "
                "Train with a refractory delay of 1",
            )
        }
    )


def _ends(group: h5py.Group, exp: int) -> dict[str, int]:
    """Read what neurons make of payloads of unit ``2**exp``, and whether they send such themselves."""
    return {"a_shift": ACCUMULATOR_SHIFT + exp, "graded": int(flag(group, "gradedSpike"))}


def _cuba(group: h5py.Group, shape: Shape, exp: int) -> Neuron:
    """Read a current-based leaky integrate-and-fire neuron, or the membrane of an affine block, which never fires."""
    refuse_unknown(
        group, {"type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "wgtExp", "weight_exp"} | _SURROGATE
    )
    _refuse_delay(group)
    exponent, threshold = _one(group, "weight_exp", 0), _threshold(group)
    refuse(
        {
            "weight_exp": (
                abs(exponent) > WEIGHT_EXP_MAX,
                f"{exponent}, which WgtScaleBatchNorm clamps when it runs, to its weight_exp_bits, of which the file "
                "says nothing. Export the module with spikeproof.export_netx",
            ),
        }
    )
    values: dict[str, Any] = {
        "num_neurons": math.prod(shape),
        "u_decay": _values(group, "iDecay", shape),
        "v_decay": _values(group, "vDecay", shape),
        "u_shift": -exponent,
    }
    ends = _ends(group, exp + _one(group, "wgtExp", 0))
    if threshold <= THRESHOLD_MANT_MAX:
        return CUBA(v_th_mant=threshold, **values, **ends)
    return LeakyIntegrator(a_shift=ends["a_shift"], **values)


def _alif(group: h5py.Group, shape: Shape, exp: int) -> Neuron:
    """Read an adaptive leaky integrate-and-fire neuron."""
    decays = {"u_decay": "iDecay", "v_decay": "vDecay", "th_decay": "thDecay", "ref_decay": "refDecay"}
    refuse_unknown(group, {"type", "vThMant", "vThStep", "refDelay", "gradedSpike", *decays.values()})
    _refuse_delay(group)
    return ALIF(
        num_neurons=math.prod(shape),
        v_th_mant=_threshold(group),
        v_th_step=_one(group, "vThStep"),
        **_all_values(group, decays, shape),
        **_ends(group, exp),
    )


def _rotation(group: h5py.Group, shape: Shape) -> dict[str, Any]:
    """Read the integer sine and cosine as they are; stock NetX makes a period and a decay of them, and back."""
    return {"sin_decay": _values(group, "sinDecay", shape), "cos_decay": _values(group, "cosDecay", shape)}


def _resonator(kind: type[RF] | type[RFIZ]) -> Callable[[h5py.Group, Shape, int], Neuron]:
    def reader(group: h5py.Group, shape: Shape, exp: int) -> Neuron:
        refuse_unknown(group, {"type", "sinDecay", "cosDecay", "vThMant", "gradedSpike"})
        return kind(
            num_neurons=math.prod(shape), v_th_mant=_threshold(group), **_rotation(group, shape), **_ends(group, exp)
        )

    return reader


def _adaptive_resonator(kind: type[ADRF] | type[ADRFIZ]) -> Callable[[h5py.Group, Shape, int], Neuron]:
    decays = {"th_decay": "thDecay", "ref_decay": "refDecay"}

    def reader(group: h5py.Group, shape: Shape, exp: int) -> Neuron:
        refuse_unknown(group, {"type", "sinDecay", "cosDecay", "vThMant", "vThStep", "gradedSpike", *decays.values()})
        return kind(
            num_neurons=math.prod(shape),
            v_th_mant=_threshold(group),
            v_th_step=_one(group, "vThStep"),
            **_all_values(group, decays, shape),
            **_rotation(group, shape),
            **_ends(group, exp),
        )

    return reader


def encoder(handle: h5py.Group, shape: Shape, exp: int) -> Delta:
    """Read the neurons of a sigma-delta input layer, which send the changes of values of unit ``2**exp``."""
    group = member(handle, "neuron", h5py.Group)
    refuse_unknown(group, {"type", "activation", "vThMant"})
    return Delta(num_neurons=math.prod(shape), v_th=_threshold(group) << -exp, state_exp=-ACCUMULATOR_SHIFT - exp)


def _sigma_delta(group: h5py.Group, shape: Shape, exp: int) -> Neuron:
    """Read a sigma-delta ReLU unit, or the sums that an output block adds up."""
    refuse_unknown(group, {"type", "activation", "vThMant", "sigma_output"})
    activation = text(group, "activation") if "activation" in group.keys() else "relu"
    refuse(
        {
            "activation": (
                activation.lower() != "relu",
                f"{quoted(activation)}, which stock NetX does not read: Lava's SigmaDelta rectifies. Train with "
                "torch.nn.functional.relu",
            )
        }
    )
    if flag(group, "sigma_output"):
        return Readout(num_neurons=math.prod(shape))
    return SigmaDelta(
        num_neurons=math.prod(shape),
        v_th=_threshold(group) << -exp,
        state_exp=-ACCUMULATOR_SHIFT - exp,
    )


READERS: dict[str, Callable[[h5py.Group, Shape, int], Neuron]] = {
    "CUBA": _cuba,
    "LOIHI": _cuba,
    "ALIF": _alif,
    "RF_PHASE": _resonator(RF),
    "RF_IZHIKEVICH": _resonator(RFIZ),
    "ADRF_PHASE": _adaptive_resonator(ADRF),
    "ADRF_IZHIKEVICH": _adaptive_resonator(ADRFIZ),
    "SDNN": _sigma_delta,
}
"""``neuron/type`` in a file -> its reader. LOIHI is CUBA in files of SLAYER's predecessor."""
