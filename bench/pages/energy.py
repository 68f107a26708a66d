"""The table of what a step of each neuron costs as papers count, from measured firing rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikeproof.train.analysis import analyses
from spikeproof.train.runs.recipe import find

from .markdown import Line, by_seed, rates, table

_NAMES = {"ce-lif-float": "CE-LIF", "lif": "LIF", "plif": "PLIF", "alif": "ALIF", "glif": "GLIF", "lstm": "LSTM"}
_BUDGET = "epochs=30"


def neurons(lines: Sequence[Line]) -> str:
    """Return a row for each neuron, of the runs at its recipe's own learning rate."""
    rows = []
    for settings, same in by_seed(lines):
        recipe = find("digits-plain").replace(settings)
        if settings[-1] != _BUDGET or recipe.neuron not in _NAMES:
            continue
        task = recipe.load_task()
        measured = np.mean([line["result"]["firing_rates"] for line in same], axis=0)
        cost = analyses.arithmetic(recipe, task, measured)  # type: ignore[arg-type]  # of a stack
        joules, steps = cost.joules * 1e9, task.test.x.shape[-1]
        cells = _NAMES[recipe.neuron], rates(same) or "none", f"{cost.mac:,.0f}", f"{cost.ac:,.0f}"
        rows.append((*cells, f"{joules:.2f}", f"{joules * steps / 1e3:.3f}"))
    return table(("neuron", "firing rates", "MAC a step", "AC a step", "nJ a step", "uJ a sample"), rows)
