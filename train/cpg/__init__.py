"""Oscillators for training: positional encodings in spike form, their design and their certificates."""

from .blocks import Concat, Dense, Design, DrivenEncoding, Encoding, concat, design, position

__all__ = ["Concat", "Dense", "Design", "DrivenEncoding", "Encoding", "concat", "design", "position"]
