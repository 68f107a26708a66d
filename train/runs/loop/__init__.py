"""The training loop: what Lightning is given, and what is kept of a run."""
