"""The network record: its input, its layers and what holds them together."""

from .input import Input
from .layer import Layer, sent_exp
from .net import DEFAULT_STEPS, SCHEMA_VERSION, Net

__all__ = ["DEFAULT_STEPS", "SCHEMA_VERSION", "Input", "Layer", "Net", "sent_exp"]
