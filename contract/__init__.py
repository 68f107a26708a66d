"""The numeric contract: integer rules, one neuron a file, the network record and every error class."""
