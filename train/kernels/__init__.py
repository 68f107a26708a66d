"""Kernels that run a layer of neurons over a whole sequence, forward and backward.

`api` says what kernels are. `select` chooses among `reference` (eager PyTorch, the readable oracle), `cpu` (numba) and
`cuda` (Triton).
"""
