"""The commands that prove: one file a verb."""
