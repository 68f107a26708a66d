"""Lava's LIF neurons with a reset, which can write down what they do."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
