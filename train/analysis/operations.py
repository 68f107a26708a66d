"""What an answer of a floating-point sequence model costs, counted from its spikes as papers count.

- Where spikes arrive, each of them is one accumulate for every weight behind it. Sums of spikes are whole numbers; a 2
  is two spikes, and such a sum itself costs nothing. Where other numbers arrive, every weight is a multiply-accumulate.
- A LIF neuron decays in each step, a multiply-accumulate, and is reset by each spike, an accumulate. Norms are folded
  into the weights.
- The columns of a code cost what they cost in the layers that hear them. An oscillator moves its phase in each step,
  an accumulate; a table is read for nothing, as tables of temporal encoding are.
- Attention adds up what its spikes select, in the order in which the model multiplies. One that counts agreeing bits
  adds a number for each of them.
- The read-out adds up spikes and multiplies their averages.

Networks of real numbers are counted by torch: half of its floating-point operations are multiply-accumulates. Norms,
activations and the softmax of attention are left out there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ...export.arithmetic import Arithmetic
from ..sequence import encoders
from ..sequence.counterparts import Counterpart
from ..sequence.gru import GRULayer
from ..sequence.layer import Layer
from ..sequence.model import SequenceModel
from ..sequence.position import LearnedOscillators
from ..sequence.spikformer import Attention, XNORAttention

CODE = "code"
"""The part that a positional code is: its oscillators, and its columns' way into layers."""


class _Counter:
    """Multiply-accumulates and accumulates of each part, while a model runs."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.parts: dict[str, list[float]] = {}

    def add(self, part: str, mac: float = 0.0, ac: float = 0.0) -> None:
        """Count for a part."""
        found = self.parts.setdefault(part, [0.0, 0.0])
        found[0] += mac
        found[1] += ac

    def arrive(self, part: str, x: torch.Tensor, targets: int, times: int = 1) -> None:
        """Count what arrives at `targets` weights each, `times` times."""
        if bool((x == x.round()).all()):
            self.add(part, ac=float(x.abs().sum(dtype=torch.float64)) * targets * times)
        else:
            self.add(part, mac=float(x.numel()) * targets * times)

    def neurons(self, part: str, spikes: torch.Tensor) -> None:
        """Count LIF neurons that sent these spikes."""
        self.add(part, mac=spikes.numel(), ac=float(spikes.sum(dtype=torch.float64)))


def _layer(count: _Counter, layer: Layer, given: tuple[torch.Tensor, ...], spikes: torch.Tensor) -> None:
    targets = layer.synapse.out_features
    x, *code = given
    count.arrive("layers", x, targets)
    if code and code[0] is not None:
        count.arrive(CODE, code[0], targets, times=count.samples)
    count.neurons("layers", spikes)


def _mixed(
    count: _Counter, attention: Attention, project: nn.Module, given: tuple[torch.Tensor, ...], spikes: torch.Tensor
) -> None:
    """Count what attention does with its queries, keys and values, which are the spikes of a layer."""
    steps, samples, length, width = spikes.shape
    split = spikes.view(steps * samples, length, 3, attention.heads, -1).double()
    q, k, v = split.permute(2, 0, 3, 1, 4)
    if isinstance(attention, XNORAttention):
        agreed = steps * samples * length**2 * width // 3
        count.add("attention", ac=agreed + float(v.sum()) * length)
    elif length > q.shape[-1]:  # keys and values first
        kept = k.transpose(-1, -2) @ v
        count.add("attention", ac=float((k.sum(-1) * v.sum(-1)).sum()))
        count.add("attention", ac=float((q.sum(-2) * (kept != 0).sum(-1)).sum()))
    else:
        met = q @ k.transpose(-1, -2)
        count.add("attention", ac=float((q.sum(-2) * k.sum(-2)).sum()))
        count.add("attention", ac=float(((met != 0).sum(-2) * v.sum(-1)).sum()))
    count.add("attention", mac=spikes.numel() // 3)  # the decays of the neurons behind it


def _resets(count: _Counter, out: nn.Module, given: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
    """Count the resets of the neurons behind attention, whose spikes a layer hears."""
    count.add("attention", ac=float(given[0].sum(dtype=torch.float64)))


def _gates(count: _Counter, layer: GRULayer, given: tuple[torch.Tensor, ...], h: torch.Tensor) -> None:
    """Count a gated layer: both linear maps, and a gate's accumulate in each step."""
    count.arrive("layers", given[0], layer.synapse.out_features)
    count.arrive("layers", h[:, :, :-1], layer.recurrent.out_features)
    count.add("layers", ac=h.numel())


def _encoder(count: _Counter, encoder: nn.Module, given: tuple[torch.Tensor, ...], spikes: torch.Tensor) -> None:
    x = given[0]
    if isinstance(encoder, encoders.Conv):
        count.add("encoder", mac=x.numel() * encoder.synapse.weight.numel())
    elif isinstance(encoder, encoders.Delta):
        count.add("encoder", mac=x.numel() * encoder.synapse.weight.numel(), ac=x.numel())
    count.neurons("encoder", spikes)


def _read(count: _Counter, readout: nn.Linear, body: nn.Module, given: Any, spikes: torch.Tensor) -> None:
    count.add("read-out", mac=count.samples * readout.weight.numel(), ac=float(spikes.sum(dtype=torch.float64)))


def _oscillate(count: _Counter, position: nn.Module, given: Any, rows: torch.Tensor) -> None:
    if isinstance(position, LearnedOscillators) or getattr(position, "params", None) is not None:
        count.add(CODE, ac=count.samples * rows.numel())


def _hooks(model: SequenceModel, count: _Counter) -> list[tuple[nn.Module, Callable[..., None]]]:
    found: list[tuple[nn.Module, Callable[..., None]]]
    found = [(model.encoder, partial(_encoder, count)), (model.body, partial(_read, count, model.readout))]
    if model.position is not None:
        found.append((model.position, partial(_oscillate, count)))
    for module in model.modules():
        if isinstance(module, Attention):
            found += [(module.project, partial(_mixed, count, module)), (module.out, partial(_resets, count))]
        elif isinstance(module, GRULayer):
            found.append((module, partial(_gates, count)))
        elif isinstance(module, Layer):
            found.append((module, partial(_layer, count)))
    return found


def count(module: nn.Module, x: npt.ArrayLike) -> Mapping[str, Arithmetic]:
    """Count what a trained model does for an answer.

    Parameters
    ----------
    module : SequenceModel or Counterpart
        The model; it is left in the mode of evaluation.
    x : array_like, shape (N, C, L), or (N, 1, L) of tokens
        Inputs, over which is averaged.

    Returns
    -------
    dict of str to Arithmetic
        Part -> its share of an answer's operations. `CODE` is there if the model hears a positional code.

    Raises
    ------
    TypeError
        `module` is another kind of model.
    """
    module.eval()
    given = torch.as_tensor(np.array(x))
    if isinstance(module, Counterpart):
        # Torch does not count its fused encoder, which it takes without gradients, nor fused attention.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
            module(given)
        return {"layers": Arithmetic(mac=flops.get_total_flops() / 2 / len(given), ac=0.0)}
    if not isinstance(module, SequenceModel):
        raise TypeError(f"{type(module).__name__} is no sequence model; its arithmetic is counted elsewhere.")
    counter = _Counter(len(given))
    hooks = [part.register_forward_hook(hook) for part, hook in _hooks(module, counter)]
    try:
        with torch.no_grad():
            module(given)
    finally:
        for hook in hooks:
            hook.remove()
    return {part: Arithmetic(mac=mac / len(given), ac=ac / len(given)) for part, (mac, ac) in counter.parts.items()}
