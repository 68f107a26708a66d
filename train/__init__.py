"""PyTorch side: SLAYER-compatible blocks whose forward pass is the integer contract, and training."""
