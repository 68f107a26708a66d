"""A folder with which a person who has a chip, and no spikeproof, records what it does with a network."""
