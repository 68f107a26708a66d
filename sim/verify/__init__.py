"""`spikeproof.verify`: torch, engine and Lava compared, and what there is to say about the outcome."""
