"""The commands about recipes and the networks that came of them: one file a verb."""
