"""Lava processes around the contract's steps, a network builder and the Lava compatibility layer."""
