"""Training runs: recipes, their networks, the loop, and the folder that a run leaves."""
