"""Tables of the recipes that were really run, and of sequential MNIST beside the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grids import mnist

from spikeproof.train.runs.recipe import Recipe, find

from .markdown import Line, code, table

PAPER: dict[mnist.Network, float] = {
    ("s-mnist", (64, 88, 88)): 98.19,
    ("ps-mnist", (64, 88, 88)): 97.90,
    ("s-mnist", (64, 152, 152)): 98.84,
    ("ps-mnist", (64, 152, 152)): 98.14,
}
"""Task, hidden layers -> test accuracy in % of arXiv 2308.15150, in floating point."""


def beside_the_paper(lines: Sequence[Line]) -> str:
    """Return a row for each network: the paper's figure, and those of each variant that was trained."""
    found = {(line["recipe"], tuple(line["settings"])): line["result"] for line in lines}
    rows = []
    for network in mnist.NETWORKS:
        task, hidden = network
        results = [found.get(mnist.point(network, variant)) for variant in mnist.VARIANTS]
        cells = [_score(result, PAPER[network]) if result else "not trained" for result in results]
        rows.append((task.upper(), list(hidden), f"{PAPER[network]:.2f}", *cells))
    return table(("task", "hidden layers", "the paper, floating point", *mnist.VARIANTS), rows)


def _score(result: dict[str, Any], paper: float) -> str:
    """Return the accuracy with its binomial standard error, bold where it passes the paper's."""
    share = result["test_score"]
    error = math.sqrt(share * (1 - share) / result["test_samples"])
    told = f"{100 * share:.2f} ± {100 * error:.2f}"
    return f"**{told}**" if 100 * share > paper else told


def runs(lines: Sequence[Line]) -> str:
    """Return a row for each run."""
    rows = []
    for line in lines:
        recipe, result = find(line["recipe"]).replace(line["settings"]), line["result"]
        told = ", ".join(code(one.replace("=", " = ", 1)) for one in line["settings"])
        paper = PAPER.get((recipe.task, recipe.hidden))
        held_out = result["validation_score"]
        rows.append(
            (
                ", ".join(filter(None, (code(line["recipe"]), told))),
                _network(recipe),
                f"{result['parameters']:,}",
                recipe.epochs,
                result["epoch"],
                f"{100 * held_out:.2f}" if held_out is not None else "",
                f"{100 * result['test_score']:.2f} of {result['test_samples']:,}",
                f"{paper:.2f}" if paper and recipe.neuron.startswith("ce-lif") else "",
                f"{result['seconds']:,.0f}",
                line["machine"]["cpu"],
            )
        )
    head = (
        "recipe",
        "network",
        "parameters",
        "epochs",
        "kept epoch",
        "held out, %",
        "test, %",
        "paper, %",
        "seconds",
        "CPU",
    )
    return table(head, rows)


def _network(recipe: Recipe) -> str:
    name = "CE-LIF in floating point" if recipe.neuron == "ce-lif-float" else "CE-LIF"
    beside = f" beside {recipe.cpg} CPG channels" if recipe.cpg else ""
    return f"{name}, {list(recipe.hidden)}{beside}"
