"""Compiled stand-ins for what stock SLAYER computes on a CPU; `places` lists what is replaced."""
