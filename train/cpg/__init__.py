"""Oscillators for training: positional encodings in spike form, their design, their training and their certificates."""

from .blocks import Concat, Dense, Design, DrivenEncoding, Encoding, concat, design, position
from .learned import Learned

__all__ = ["Concat", "Dense", "Design", "DrivenEncoding", "Encoding", "Learned", "concat", "design", "position"]
