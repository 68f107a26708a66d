"""The batch engine: many samples at once, compiled, exact to the reference."""

from .session import Session, run, stream

__all__ = ["Session", "run", "stream"]
