"""Relative positional encodings: what attention adds for a pair of positions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IN_ATTENTION = ("gray", "log")
"""Names of those encodings; "spikformer" with attention = xnor has them."""


def gray(positions: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Return the reflected Gray code of whole numbers, of which neighbours differ in one bit."""
    return positions ^ (positions >> 1)


def relative(kind: str, length: int) -> npt.NDArray[np.float32]:
    """Return what is added to attention.

    Parameters
    ----------
    kind : str
        "gray", "log", or any other encoding, for which nothing is.
    length : int
        Number of positions L.

    Returns
    -------
    ndarray, float32 of shape (L, L)
        Whole numbers, the same in every spike step.

        - "gray", Gray-PE: ``B - H(G(i), G(j))``, in how many of the ``B = ceil(log2 L)`` bits the Gray codes of both
          positions agree, which is what their bits beside those of queries and keys add to an XNOR. The authors number
          the rows of all spike steps, as for CPG-PE, by their code's issue 32; here the row is the position, so that
          what is added depends on positions alone.
        - "log", Log-PE: ``ceil(log2(L / (|i - j| + 1)))``, from ``ceil(log2 L)`` for a position itself to 0 for the two
          ends. The issue says that the formula of the authors' code is not that of their paper, and neither was at
          hand here: this one is ours, of the form that they describe, the logarithm of the distance.

    References
    ----------
    C. Lv et al., "Toward relative positional encoding in spiking transformers", arXiv 2501.16745. microsoft/SeqSNN,
    issues 31 and 32.
    """
    i = np.arange(length)
    if kind == "gray":
        bits = max(1, (length - 1).bit_length())
        differ = gray(i)[:, None] ^ gray(i)
        return (bits - np.sum([(differ >> bit) & 1 for bit in range(bits)], axis=0)).astype(np.float32)
    if kind == "log":
        # Exact: the least power of two that times the distance reaches L.
        apart = np.abs(i[:, None] - i) + 1
        powers = [apart * 2**power < length for power in range(length.bit_length())]
        return np.sum(powers, axis=0, dtype=np.float32)
    return np.zeros((length, length), np.float32)
