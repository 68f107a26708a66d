"""Network files that stock lava-dl wrote, and what it takes to run ours in stock NetX."""

from ..netx.stock_forms import arguments, reasons
from .file import is_stock, load, notes, read, refusals

__all__ = ["arguments", "is_stock", "load", "notes", "read", "reasons", "refusals"]
