"""Spike-RNN."""

from __future__ import annotations

from .coded import Body, layer


def spike_rnn(width: int, depth: int, columns: int = 0) -> Body:
    """Return `depth` layers of a linear map, a norm and LIF neurons, each beside so many columns of a code.

    The recurrence is that of the membranes along the spike steps. There is none along the sequence, as in the authors'
    code: without a positional encoding only the spike encoder knows the order of the sequence.

    References
    ----------
    SeqSNN (arXiv 2402.01533) and its code; its cells have no norm.
    """
    return Body(*(layer(width, width, columns) for _ in range(depth)))
