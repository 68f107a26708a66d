"""The network record: its inputs, layers and edges, and what holds them together."""

from .edge import Edge
from .graph import Incoming
from .input import Input
from .layer import Layer, sent_exp
from .net import DEFAULT_STEPS, SCHEMA_VERSION, Net

__all__ = ["DEFAULT_STEPS", "SCHEMA_VERSION", "Edge", "Incoming", "Input", "Layer", "Net", "sent_exp"]
