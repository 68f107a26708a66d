"""Loihi 2: what a network takes of its cores, from public sources. A projection, not Intel's compiler."""
