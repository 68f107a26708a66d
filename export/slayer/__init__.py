"""PyTorch modules of SLAYER's blocks and ours -> network records."""

from .network import blocks, export_netx, record

__all__ = ["blocks", "export_netx", "record"]
