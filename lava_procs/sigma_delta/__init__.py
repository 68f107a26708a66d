"""Lava's sigma-delta neuron, given the exact integers and a reset."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
