"""Kernels that run a layer of neurons over a whole sequence, forward and backward.

`select` chooses among `reference` (eager PyTorch, the readable oracle), `cpu` (numba) and `cuda` (Triton).
"""
