"""The parts of networks in torch: what SLAYER's blocks are, what blocks of our own offer, what keeps state."""
