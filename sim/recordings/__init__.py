"""Recordings that a chip or another simulator made of a network, and how they are compared with it."""
