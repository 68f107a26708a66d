"""What a user's module does: which blocks it calls, what stands before, between and after them."""
