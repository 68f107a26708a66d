"""What a network costs: operations counted from its spikes, and energy from published figures."""
