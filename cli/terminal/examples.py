"""What every command is for, in a few words, and an example of it; help and documentation show both."""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """What is shown of a command."""

    short: str
    """What it does, in words that fit beside its name on a narrow terminal."""
    example: str
    """One line that a user types."""


COMMANDS = {
    "demo": Shown("Train, export, run and prove a small network", "spikeproof demo --pretrained s-mnist"),
    "train": Shown(
        "Train a recipe into runs/<name>/", "spikeproof train digits --set epochs=20 --set hidden=32,32 --folder runs/a"
    ),
    "recipes": Shown("List recipes, or show one with all its keys", "spikeproof recipes digits"),
    "networks": Shown("List the trained networks that come along", "spikeproof networks"),
    "new recipe": Shown("Write a recipe to begin with", "spikeproof new recipe mine.toml --like fsdd"),
    "analyse": Shown("Draw how a run learned", "spikeproof analyse runs/digits"),
    "export": Shown("Write or convert a network file", "spikeproof export runs/digits -o net.net"),
    "inspect": Shown("Show layers, parameters and what lint finds", "spikeproof inspect net.net"),
    "diff": Shown("Show what differs between two networks", "spikeproof diff runs/digits runs/a"),
    "simulate": Shown("Run samples through a network", "spikeproof simulate net.net -i x.npy -o trace.npz"),
    "compare": Shown("Show where two traces differ first", "spikeproof compare trace.npz other.npz"),
    "plot": Shown("Draw the spikes of a trace", "spikeproof plot trace.npz -o spikes.png --sample 3"),
    "verify": Shown(
        "Compare torch, engine and Lava, spike by spike",
        "spikeproof verify runs/digits --samples all --lava-samples 100 --report report.html",
    ),
    "prove": Shown("Bound every register, for every input", "spikeproof prove net.net"),
    "map": Shown("Place a network on Loihi 2's cores", "spikeproof map net.net -i x.npy"),
    "doctor": Shown("Say what is installed and works", "spikeproof doctor"),
}
"""Command -> what is shown of it."""


def epilog(name: str) -> str:
    """Return the last line of a command's help."""
    return f"Example: {COMMANDS[name].example}"
