"""Compiled loops of the batch engine, a module a kind of neuron; each registers itself when it is imported.

A kind without one runs by the contract's own step, see `spikeproof.sim.engine.neurons`.
"""
