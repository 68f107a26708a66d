"""SLAYER synapses -> synapse records, one function a kind of block.

A reader takes a whole block and the shape of what arrives at it, (neurons,) or (channels, rows, columns), if that is
known. It returns the record of the synapses and the shape of the neurons; or it refuses, and its caller says which
layer that was. The live block is not touched (stock export strips its weight norm).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...contract.errors import RecordError, UnsupportedError
from ...contract.fixed import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from ...contract.synapses.conv import Conv
from ...contract.synapses.dense import Dense, Synapse
from ..parts.kinds import makes_weight
from ..refusal import refuse

Shape = tuple[int, ...]


def dense(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read all-to-all synapses; of complex ones, the real weights on top of the imaginary ones.

    SLAYER's are convolutions with a kernel as large as what arrives. A kernel of one pixel on images is one that sees
    every pixel by itself.
    """
    weight, sums = _weights(block)
    outputs, kernel = len(weight) // sums, weight.shape[2:]
    if shape is None or len(shape) == 1:
        return Dense(weight=weight.reshape(len(weight), -1)), (outputs,)
    if math.prod(kernel) == 1 and math.prod(shape[1:]) > 1:
        synapse = Conv(weight=weight, in_shape=_image(shape))
        return synapse, _of_neurons(synapse.out_shape, sums)
    if shape != weight.shape[1:]:
        raise UnsupportedError(
            f"in_neurons: the weights are for images of (channels, rows, columns) = {weight.shape[1:]}, but {shape} "
            "arrive. Flatten them, or build the block for them."
        )
    return Dense(weight=weight.reshape(len(weight), -1)), (outputs, 1, 1)


def conv(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read a convolution."""
    synapse = getattr(block.synapse, "real", block.synapse)
    if shape is None:
        raise UnsupportedError("the size of its images is unknown. Pass sample=, an input.")
    weight, sums = _weights(block)
    groups = synapse.groups
    if sums > 1 and groups > 1:
        # Real and imaginary sums of a group do not follow each other, so all see all channels, most by weights of 0.
        outputs, inputs = weight.shape[0] // sums // groups, weight.shape[1]
        apart = weight.reshape(sums, groups, outputs, inputs, *weight.shape[2:])
        whole = np.zeros((sums, groups, outputs, groups, inputs, *weight.shape[2:]))
        for group in range(groups):
            whole[:, group, :, group] = apart[:, group]
        weight, groups = whole.reshape(len(weight), groups * inputs, *weight.shape[2:]), 1
    try:
        found = Conv(
            weight=weight,
            in_shape=_image(shape),
            stride=synapse.stride[:2],
            padding=synapse.padding[:2],
            dilation=synapse.dilation[:2],
            groups=groups,
        )
    except RecordError as error:
        raise UnsupportedError(str(error)) from None
    return found, _of_neurons(found.out_shape, sums)


def recurrent(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read the forward synapses of a recurrent block, or one of k winners; see `feedback` for the others."""
    weight = levels(block, forward(block))[..., 0]
    refuse({"in_neurons": (weight.shape[2:] != (1, 1), "images are not flattened for it. Flatten them")})
    if shape is not None and len(shape) != 1:
        raise UnsupportedError(f"its feedback takes (neurons,), but {shape} arrives. Flatten it.")
    return Dense(weight=weight[..., 0, 0]), (len(weight),)


def feedback(block: Any, exp: int) -> Dense | None:
    """Read the synapses of a block from its own spikes, or return None if it has none.

    What arrives beside these spikes is in units of ``2**exp``.
    """
    weight = feedback_weight(block)
    return None if weight is None else Dense(weight=_whole(block, weight), weight_exp=-exp)


def feedback_weight(block: Any) -> torch.Tensor | None:
    """Return what a forward pass multiplies a block's own spikes with, shape (n, n); None if nothing.

    In a block of k winners every spike excites its own neuron and inhibits all others alike.
    """
    with torch.no_grad():
        if hasattr(block, "recurrent_synapse"):
            synapse = block.recurrent_synapse  # the forward pass does not call it, so a weight norm has no part in it
            return _hooked(synapse, synapse.weight)[..., 0, 0, 0]
        if hasattr(block, "self_excitation"):
            excitation = block.self_excitation.clamp(0, 1)
            weight = (1 + excitation) * torch.eye(block.num_neurons, device=excitation.device) - 1
            quantised: torch.Tensor = block.neuron.quantize_8bit(weight)
            return quantised
    return None


def winners_bias(block: Any) -> float:
    """Return what the forward pass of a block of k winners adds to every sum."""
    n, neuron = block.num_neurons, block.neuron
    bias = torch.tensor([neuron.threshold * (n - 2 * block.num_winners) / n / neuron.w_scale])
    return float(neuron.quantize_8bit(bias))


def average(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read an average as the sums of its groups, which are neurons that follow each other."""
    if shape is None:
        raise UnsupportedError("the number of its inputs is unknown. Pass sample=, an input.")
    count, outputs = math.prod(shape), block.num_outputs
    refuse({"num_outputs": (count % outputs != 0, f"{count} neurons do not make {outputs} groups of one size")})
    return Dense(weight=np.kron(np.eye(outputs), np.full(count // outputs, WEIGHT_STEP))), (outputs,)


def forward(block: Any) -> Any:
    """Return what makes a block's sums of its input: its synapses, or what an input block does with its input."""
    if not hasattr(block, "synapse"):
        return block.input_synapse if hasattr(block, "input_synapse") else partial(_scaled, block)
    return block.synapse


def _scaled(block: Any, x: torch.Tensor) -> torch.Tensor:
    hook = block.pre_hook_fx
    z: torch.Tensor = hook(x) if block.weight is None else hook(x) * hook(block.weight)
    if block.bias is not None:
        z = z + hook(block.bias)
    return z


def given(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read what an input block does with its input: every neuron has one synapse."""
    shape = shape or block.neuron.shape
    if shape is None:
        raise UnsupportedError("the number of its inputs is unknown. Pass sample=, an input, or run the module once.")
    shape, hook = tuple(shape), block.pre_hook_fx
    own = hook == block.neuron.quantize_8bit
    refuse({"pre_hook_fx": (not own, "only the neuron's own quantize_8bit is known. Leave it at its default")})
    level = block.neuron.w_scale if block.weight is None else round(hook(block.weight, descale=True).item())
    if len(shape) == 3:
        weight = np.full((shape[0], 1, 1, 1), level)
        return Conv(weight=weight, in_shape=_image(shape), groups=shape[0]), shape
    return Dense(weight=level * np.eye(math.prod(shape), dtype=np.int64)), shape


def _weights(block: Any) -> tuple[npt.NDArray[Any], int]:
    """Return a block's integer weights, (outputs, inputs, rows, columns), and how many outputs a neuron has.

    The real weights of complex synapses stand before the imaginary ones.
    """
    synapse = block.synapse
    parts = (synapse.real, synapse.imag) if getattr(synapse, "complex", False) else (synapse,)
    return np.concatenate([levels(block, part)[..., 0] for part in parts]), len(parts)


def _of_neurons(shape: Shape, sums: int) -> Shape:
    """Return the shape of neurons that have `sums` sums each, from that of the sums."""
    return shape[0] // sums, *shape[1:]


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise UnsupportedError(f"a convolution takes images of (channels, rows, columns), but {shape} arrives.")
    return shape[0], shape[1], shape[2]


def levels(block: Any, synapse: Any) -> npt.NDArray[Any]:
    """Return the integer weights of one of a block's synapses, in the shape in which SLAYER keeps them."""
    masked = getattr(block, "mask", None) is not None
    refuse(
        {
            "mask": (
                masked and any(map(makes_weight, synapse._forward_pre_hooks.values())),
                "SLAYER's forward computes the weights anew, for a norm or pruning, after it has masked them, so the "
                "mask does nothing. Build the block with weight_norm=False",
            ),
        }
    )
    with torch.no_grad():
        weight = synapse.weight * block.mask if masked else _normed(synapse)
        return _whole(block, _hooked(synapse, weight))


def _normed(synapse: Any) -> torch.Tensor:
    """Return the weight that the next forward pass uses; a norm and pruning compute it then, from what was trained."""
    hooks = [hook for hook in synapse._forward_pre_hooks.values() if makes_weight(hook)]
    before, training = synapse.weight, synapse.training
    synapse.training = False  # in training, a spectral norm goes on with its power iteration
    for hook in hooks:
        hook(synapse, ())
    weight: torch.Tensor = synapse.weight
    synapse.training = training
    if hooks:
        synapse.weight = before
    return weight


def _hooked(synapse: Any, weight: torch.Tensor) -> torch.Tensor:
    hooked: torch.Tensor = weight if synapse.pre_hook_fx is None else synapse.pre_hook_fx(weight)
    return hooked


def _whole(block: Any, weight: torch.Tensor) -> npt.NDArray[Any]:
    """Return weights that a forward pass uses as integers, if they are levels of an 8-bit weight."""
    scale = block.neuron.w_scale
    scaled: npt.NDArray[Any] = weight.detach().cpu().numpy().astype(np.float64) * scale
    if scale & (scale - 1):  # such a scale is refused with the neuron
        scaled = np.round(scaled)
    wrong = (scaled % WEIGHT_STEP != 0) | (scaled < WEIGHT_MIN) | (scaled > WEIGHT_MAX)
    value = (scaled[wrong][0] if wrong.any() else 0) / scale
    refuse(
        {
            "pre_hook_fx": (
                bool(wrong.any()),
                f"the forward pass uses a weight of {value:g}, which is no 8-bit weight: a multiple of "
                f"{WEIGHT_STEP / scale:g} from {WEIGHT_MIN / scale:g} to {WEIGHT_MAX / scale:g}. Leave pre_hook_fx at "
                "its default, the neuron's quantize_8bit",
            )
        }
    )
    return scaled


def pool(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read a pooling, which is a convolution of each channel by itself, if none of its windows crosses an edge.

    SLAYER stacks the rows of all channels and pools the stack, after it has added rows and columns where the kernel
    does not divide an image; so a window can see two channels. What it makes of that is read as all-to-all synapses.
    """
    synapse = block.synapse
    if shape is None or getattr(synapse, "complex", False):
        return mapped(block, shape)
    (rows, columns, _), stride, dilation = synapse.kernel_size, synapse.stride[0], synapse.dilation[0]
    channels, height, width = _image(shape)
    inside = not height % rows and not height % stride and dilation * (rows - 1) < stride and not synapse.padding[0]
    if not inside or width % columns:
        return mapped(block, shape)
    weight = np.broadcast_to(levels(block, synapse)[..., 0], (channels, 1, rows, columns))
    found = Conv(
        weight=weight,
        in_shape=(channels, height, width),
        stride=synapse.stride[:2],
        padding=synapse.padding[:2],
        dilation=synapse.dilation[:2],
        groups=channels,
    )
    return found, found.out_shape


def mapped(block: Any, shape: Shape | None) -> tuple[Synapse, Shape]:
    """Read what synapses make of every single input, as all-to-all synapses."""
    if shape is None:
        raise UnsupportedError("the size of its images is unknown. Pass sample=, an input.")
    count = math.prod(_image(shape))
    parameter = next(block.parameters())
    with torch.no_grad():
        try:
            made = block.synapse(torch.eye(count, device=parameter.device).reshape(count, *shape, 1))
        except RuntimeError as error:
            raise UnsupportedError(f"it does not take images of {shape}: {error}") from None
        parts = made if isinstance(made, tuple) else (made,)
        size = count * len(parts) * parts[0][0].numel()
        refuse({"size": (size > _MOST_WEIGHTS, f"{size} weights are too many. Put it on smaller images")})
        weight = np.concatenate([_whole(block, part).reshape(count, -1).T for part in parts])
    return Dense(weight=weight), tuple(parts[0].shape[1:-1])


_MOST_WEIGHTS = 2**25
"""What a file may hold in one dataset."""

READERS: dict[str, Callable[[Any, Shape | None], tuple[Synapse, Shape]]] = {
    "Dense": dense,
    "Output": dense,
    "Affine": dense,
    "Conv": conv,
    "ConvT": mapped,
    "Pool": pool,
    "Unpool": mapped,
    "Recurrent": recurrent,
    "KWTA": recurrent,
    "Input": given,
}
"""Kind of block, as its class in ``lava.lib.dl.slayer.block.<family>`` is called -> its reader."""
