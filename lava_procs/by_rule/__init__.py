"""Lava processes of all kinds of neurons, whose models run the contract's own step."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
