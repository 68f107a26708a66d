"""The local time of a layer in a Lava network."""

from __future__ import annotations


def local_step(time_step: int, latency: int, period: int) -> int | None:
    """Return which step of its sample a layer computes.

    Parameters
    ----------
    time_step : int
        Lava's counter, 1 in the first step.
    latency : int
        Steps by which the layer works behind the network's input.
    period : int
        Length of a sample in steps.

    Returns
    -------
    int or None
        0..period - 1, or None before the layer's first sample begins.

    Examples
    --------
    >>> [local_step(t, latency=1, period=2) for t in range(1, 6)]
    [None, 0, 1, 0, 1]
    """
    elapsed = time_step - 1 - latency
    return elapsed % period if elapsed >= 0 else None
