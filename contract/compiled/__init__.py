"""Steps of neurons as numba writes them into loops; they need numba, so nothing else in `contract` imports them.

A module a neuron: one function that advances one neuron by one step, on scalars. `registers` holds the rules of a
register, `compiling` says how numba compiles. The loops over steps and neurons belong to `sim.engine` and to
`train.kernels`, which share the steps.
"""
