"""What carries payloads to neurons: weights, convolutions, and the delays of what neurons send."""
