"""Network files that stock lava-dl wrote."""

from .file import is_stock, load, notes, read, refusals

__all__ = ["is_stock", "load", "notes", "read", "refusals"]
