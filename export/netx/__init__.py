"""Records <-> NetX HDF5 files."""

from .file import load, write
from .stock_forms import require

__all__ = ["load", "require", "write"]
