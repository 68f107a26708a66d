"""``python -m spikeproof`` is the command ``spikeproof``."""

from .cli import main

main()
