"""The parts that bounds of a network are made of: what arrives, what a layer can do with it, what is assumed."""
