"""A Lava process that streams spikes and state registers into NumPy files."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
