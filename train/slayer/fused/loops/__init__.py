"""The compiled loops. Loops over many arrays are split into small functions, or numba's vectorizer gives up on them."""
