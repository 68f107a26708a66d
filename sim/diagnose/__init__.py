"""Where and why two traces of one network differ."""
