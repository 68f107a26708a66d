"""The tables of the documentation, each made of lines in ``bench/results``; `bench/docs.py` has the list."""
