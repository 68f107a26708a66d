"""Training that keeps a network provable: no input can take a register of it out of its range, see `docs/proof.md`.

After an optimiser step, the weights and the bias of each neuron are made smaller by one factor if what they can add up
to is more than the neuron has room for. How much that is, `spikeproof.contract.room` says of the record, with intervals
in place of integers. Registers grow nearly as their input does, so an epoch's steps go by what the room was when it
began, and at its end the record is looked at again until it fits, before a score is taken or weights are kept.
"""

from __future__ import annotations

import torch
from torch import nn

from ..contract import room
from ..contract.errors import InputError
from ..export.slayer import blocks, record
from .blocks.synapse import Dense

_MARGIN = 0.995
"""What is left for rounding: a weight on the far side of a level becomes larger."""
_MOST_LOOKS, _FIRST_LOOKS = 40, 3
_HARDER = 0.85
"""Margin after some looks: a register far past its range is clipped there, so it seems nearer than it is."""
_TINY = 1e-9


class Keeper:
    """Keeps a network's weights within the room of their neurons.

    Parameters
    ----------
    module : Module
        Its blocks, each with synapses of our own; their weights are changed in place.
    steps : int
        Of a sample.
    part : float
        Part of its range that a register may take, up to 1.
    """

    def __init__(self, module: nn.Module, steps: int, part: float = 1.0) -> None:
        self._module, self._steps, self._part = module, steps, part
        self._synapses = [(block.module.synapse, getattr(block.module, "feedback", None)) for block in blocks(module)]
        self._largest = [1.0] * len(self._synapses)
        """What a sender of each layer can send, in SLAYER's units."""
        self._most: list[torch.Tensor] = []

    @torch.no_grad()
    def look(self) -> bool:
        """Look at the record, and say whether it fits as it is; what may arrive is kept for `cut_rows`."""
        net = record(self._module, steps=self._steps)
        fits, self._most = True, []
        for index, (synapse, feedback) in enumerate(self._synapses):
            used = room.used_by(net, index)
            assert used is not None  # there are bounds of both kinds that recipes train
            used = used / self._part
            fits &= bool((used < 1).all())
            source = net.incoming(index)[0].source
            self._largest[index] = net.max_payload(source) * 2.0 ** net.sent_exp(source)
            self._most.append(
                _arriving(synapse, feedback, self._largest[index])
                / torch.from_numpy(used).to(synapse.weight.device).clamp(min=_TINY)
            )
        return fits

    @torch.no_grad()
    def cut_rows(self, margin: float = _MARGIN) -> None:
        """Make rows smaller by which more can arrive than there is room for."""
        for (synapse, feedback), most, largest in zip(self._synapses, self._most, self._largest, strict=True):
            arriving = _arriving(synapse, feedback, largest)
            factor = torch.where(arriving > most, margin * most / arriving.clamp(min=_TINY), torch.ones_like(most))
            if (factor < 1).any():
                for each in filter(None, (synapse, feedback)):
                    each.weight.mul_(factor.to(each.weight)[:, None])
                    if each.bias is not None:
                        each.bias.mul_(factor.to(each.bias))

    def settle(self) -> None:
        """Cut rows until the record fits.

        Raises
        ------
        InputError
            It does not, however small the weights.
        """
        for looks in range(_MOST_LOOKS):
            if self.look():
                return
            self.cut_rows(_MARGIN if looks < _FIRST_LOOKS else _HARDER)
        raise InputError(
            f"keep_provable = {self._part:g}: a register takes more than this part of its range even with weights near "
            "0. Use a larger part, a larger scale, or shorter samples."
        )


def _arriving(synapse: Dense, feedback: Dense | None, largest: float) -> torch.Tensor:
    """Return how much can arrive at each neuron in a step, its bias included, as the forward pass rounds it."""
    weight, bias = synapse.quantized(more=None if feedback is None else feedback.bias)
    total = weight.double().abs().sum(1) * largest
    if feedback is not None:
        total = total + feedback.quantized()[0].double().abs().sum(1)
    return total if bias is None else total + bias.double().abs()
