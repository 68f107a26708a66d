"""Tables of digits read pixel by pixel: what CE-LIF adds to its threshold, other neurons, and fewer spikes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from spikeproof.train.runs.recipe import find

from .markdown import Line, by_seed, code, named, rates, spread, table

_EMBEDDINGS = {
    "s": ("spikes", "68.66 %"),
    "u": ("membrane", "87.55 %"),
    "s+te": ("spikes + encoding", ""),
    "u+te": ("membrane + encoding", ""),
    "te": ("encoding", ""),
    "s*te": ("spikes x encoding", ""),
    "u*te": ("membrane x encoding", "98.84 %"),
}
"""Embedding -> what is added, and the paper's accuracy on S-MNIST with [64, 152, 152] where it is known which it is."""
_STEPS = 64
"""Pixels of an image, and so entries of a neuron's table."""
_NEURONS = {
    "ce-lif": "CE-LIF, fixed point",
    "ce-lif-float": "CE-LIF, float",
    "glif": "GLIF",
    "alif": "ALIF",
    "lif": "LIF",
    "ltmd": "LTMD",
    "plif": "PLIF",
    "lstm": "LSTM",
}


def ablation(lines: Sequence[Line]) -> str:
    """Return a row for each embedding."""
    runs = {named(same[0])["embedding"]: same for _, same in by_seed(lines)}
    best = max(runs, key=lambda name: _mean(runs[name]))
    rows = []
    for name, (added, paper) in _EMBEDDINGS.items():
        score = spread(_scores(runs[name]), unit=" %")
        score = f"**{score}**" if name == best else score
        rows.append((added, code(name), score, rates(runs[name]), paper))
    head = ("added to the threshold", "`embedding`", "test accuracy of 450, mean ± sd", "firing rates")
    return table((*head, "the paper's S-MNIST"), rows)


def neurons(lines: Sequence[Line]) -> str:
    """Return a row for each neuron, with a column for each learning rate and one for a larger budget."""
    runs = {(named(same[0])["neuron"], budget(same[0])): same for _, same in by_seed(lines)}
    best = max((name for name, which in runs if which == "fast"), key=lambda name: _mean(runs[name, "fast"]))
    rows = []
    for name, told in _NEURONS.items():
        cells = [spread(_scores(runs[name, which]), unit=" %") for which in ("fast", "slow")]
        cells[0] = f"**{cells[0]}**" if name == best else cells[0]
        longer = runs.get((name, "longer"))
        parameters = runs[name, "fast"][0]["result"]["parameters"]
        rows.append((told, f"{parameters:,}", *cells, spread(_scores(longer), unit=" %") if longer else ""))
    columns = ("test accuracy at 1e-2", "at 3e-3, clipped", "the same, 150 epochs, one seed")
    return table(("neuron", "parameters", *columns), rows)


def budget(line: Line) -> str:
    """Return how a neuron was trained: "fast", the recipe's way, "slow", or "longer", slow and with more epochs."""
    settings = named(line)
    if settings["epochs"] != "30":
        return "longer"
    return "slow" if "learning_rate" in settings else "fast"


def penalties(lines: Sequence[Line]) -> str:
    """Return a row for each penalty of firing."""
    rows = []
    for _, same in by_seed(lines):
        recipe = find("digits").replace(same[0]["settings"])
        layers = [statistics.fmean(of) for of in zip(*(line["result"]["firing_rates"] for line in same), strict=True)]
        spikes = sum(rate * neurons for rate, neurons in zip(layers, recipe.hidden, strict=True))
        score = spread(_scores(same), unit=" %")
        rows.append((f"{recipe.rate_penalty:g}", score, rates(same, 3), f"{spikes:.1f}"))
    return table(("`rate_penalty`", "test accuracy, mean ± sd", "firing rate of the layers", "spikes a step"), rows)


def encodings(lines: Sequence[Line]) -> str:
    """Return a row for a table as the temporal encoding, and one for oscillators that drive it."""
    rows = []
    for name, told in {"digits": "table", "digits-driven": "{} CPG channels"}.items():
        same = [line for line in lines if line["recipe"] == name]
        recipe, scores = find(name).replace(same[0]["settings"]), _scores(same)
        size = recipe.cpg_te or _STEPS
        between = f"{min(scores):.2f} to {max(scores):.2f} %"
        parameters = f"{same[0]['result']['parameters']:,}"
        rows.append((told.format(size), size, parameters, len(scores), between, spread(scores, 2, " %")))
    head = ("temporal encoding", "bytes a neuron", "parameters", "seeds", "test accuracy")
    return table((*head, "mean ± sd"), rows)


def _scores(lines: Sequence[Line]) -> list[float]:
    return [100 * line["result"]["test_score"] for line in lines]


def _mean(lines: Sequence[Line]) -> float:
    return statistics.fmean(_scores(lines))
