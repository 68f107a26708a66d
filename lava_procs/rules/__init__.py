"""Neurons that Lava has no exact process for, as Lava processes: adapters around the contract's steps."""

from ..compat import apply

apply()  # before the first Lava import of this folder's modules
