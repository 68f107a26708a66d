"""A Lava process that streams spikes and state registers into NumPy files."""
