"""What trained networks do: rates, energy, encodings and timing, as tables and figures."""
