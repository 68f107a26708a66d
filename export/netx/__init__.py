"""Records <-> NetX HDF5 files."""

from .file import load, write

__all__ = ["load", "write"]
