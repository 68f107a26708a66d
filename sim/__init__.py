"""Runs records on the reference and Lava backends, compares traces and reports parity."""
