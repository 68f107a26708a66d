"""The CE-LIF neuron as a Lava process."""
