"""The linter: what a network would lose on its way, by named rules."""
