"""Spike-RNN."""

from __future__ import annotations

from torch import nn

from .layer import Layer


def spike_rnn(width: int, depth: int) -> nn.Sequential:
    """Return `depth` layers of a linear map, a norm and LIF neurons.

    The recurrence is that of the membranes along the spike steps. There is none along the sequence, as in the authors'
    code: without a positional encoding only the spike encoder knows the order of the sequence.

    References
    ----------
    SeqSNN (arXiv 2402.01533) and its code; its cells have no norm.
    """
    return nn.Sequential(*(Layer(width, width) for _ in range(depth)))
