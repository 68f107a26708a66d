"""Many Lava runs in parallel, whose results are kept as they come."""

from .sweep import Sweep

__all__ = ["Sweep"]
