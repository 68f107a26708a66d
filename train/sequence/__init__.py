"""Spiking sequence models, in floating point: what the positional encodings are compared on.

Tensors are (T_s, N, L, D): spike steps, samples, positions of the sequence, channels. A model is a spike encoder, a
positional code, a first layer and a body, and answers with a linear layer on spikes averaged over T_s, then over L.
"""

from __future__ import annotations

from .model import BODIES, SequenceModel

__all__ = ["BODIES", "SequenceModel"]
