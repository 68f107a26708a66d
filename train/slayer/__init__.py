"""Faster training of SLAYER blocks, with the same results."""
