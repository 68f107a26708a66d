"""A whole network as a Lava process."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
