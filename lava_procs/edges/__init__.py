"""Synapses that each have a delay of their own, as a Lava process."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
