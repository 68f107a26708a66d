"""The trained module as a backend."""
