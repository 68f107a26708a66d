"""Draw how networks learn the adding and the copy memory problem, beside the loss of remembering nothing.

Takes the lines of the grid ``memory`` of `grid.py`.

    python bench/memory.py bench/results/memory.jsonl --figure docs/memory.png
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grid
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pages.markdown import named

from spikeproof.train.analysis import figures as analysis_figures

_COLOURS = {"ce-lif": "C0", "alif": "C1", "lstm": "C2"}


def figure(lines: Sequence[dict[str, Any]]) -> Figure:
    """Draw a panel for each task and length: the training loss by epoch."""
    panels: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        panels[line["recipe"], int(named(line)["length"])].append(line)
    drawn = Figure(figsize=(4 * len(panels), 3.6), layout="constrained")
    for axis, (name, runs) in zip(
        drawn.subplots(1, len(panels), squeeze=False)[0], sorted(panels.items()), strict=True
    ):
        longest = max(int(named(run)["epochs"]) for run in runs)
        for run in runs:
            settings = named(run)
            style = "-" if int(settings["epochs"]) == longest else ":"
            axis.plot(
                run["curve"]["epoch"],
                run["curve"]["loss"],
                f"o{style}",
                markersize=2,
                linewidth=1,
                color=_COLOURS[settings["neuron"]],
            )
        baseline = runs[0]["result"]["baseline_loss"]
        axis.axhline(baseline, color="k", linestyle="--", linewidth=1)
        # The first epoch begins far above.
        axis.set(title=f"{name[0]}, T = {name[1]}", xlabel="epoch", ylabel="training loss", ylim=(0, 1.6 * baseline))
    lines = {name: (colour, "-") for name, colour in _COLOURS.items()}
    lines |= {"fewer epochs": ("gray", ":"), "remembers nothing": ("k", "--")}
    handles = [Line2D([], [], color=colour, linestyle=style, label=name) for name, (colour, style) in lines.items()]
    drawn.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    return drawn


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="JSON lines of the grid")
    parser.add_argument("--figure", type=Path, required=True, help="picture to write")
    asked = parser.parse_args()
    analysis_figures.save(figure(grid.read(asked.lines)), asked.figure)


if __name__ == "__main__":
    main()
