"""Trainable blocks of our own."""
