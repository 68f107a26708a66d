"""Tables of what a step costs as papers count, from measured firing rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikeproof.export.arithmetic import LSTM, spiking
from spikeproof.train.analysis import analyses
from spikeproof.train.runs.recipe import find

from .digits import budget
from .markdown import Line, by_seed, code, rates, table

_NAMES = {"ce-lif-float": "CE-LIF", "lif": "LIF", "plif": "PLIF", "alif": "ALIF", "glif": "GLIF", "lstm": "LSTM"}
_STEPS, _CLASSES = 784, 10
_LSTMS = ((82, 82), (112, 112))
"""With as many parameters as the two networks of CE-LIF."""
_PAPER = {"the paper's CE-LIF, [64, 152, 152]": 13.5, "the paper's LSTM": 774.9}
"""nJ a step."""


def networks(lines: Sequence[Line]) -> str:
    """Return a row for each run of sequential MNIST whose rates are known, for LSTMs of their size, and the paper's."""
    rows: list[Sequence[object]] = []
    for line in lines:
        recipe, result = find(line["recipe"]).replace(line["settings"]), line["result"]
        if recipe.task in ("s-mnist", "ps-mnist") and recipe.deployable and result["firing_rates"]:
            cost = spiking(recipe.neuron, 1, recipe.hidden, _CLASSES, result["firing_rates"])
            surrogate = [code(one.replace("=", " = ")) for one in line["settings"] if one.startswith("half_width")]
            name = ", ".join([code(line["recipe"]), str(list(recipe.hidden)), *surrogate])
            rows.append((name, f"{result['parameters']:,}", rates([line]), *_cost(cost.joules * 1e9)))
    for hidden in _LSTMS:
        lstm = LSTM(inputs=1, hidden=hidden, outputs=_CLASSES)
        rows.append((f"an LSTM, {list(hidden)}", f"{lstm.parameters:,}", "", *_cost(lstm.arithmetic.joules * 1e9)))
    rows += [(name, "", "", f"{joules}", "") for name, joules in _PAPER.items()]
    return table(("network", "parameters", "firing rates", "nJ a step", "µJ an inference of 784 steps"), rows)


def _cost(joules: float) -> tuple[str, str]:
    return f"{joules:.3g}", f"{joules * _STEPS / 1e3:.3g}"


def neurons(lines: Sequence[Line]) -> str:
    """Return a row for each neuron, of the runs at its recipe's own learning rate."""
    rows = []
    for settings, same in by_seed(lines):
        recipe = find("digits-plain").replace(settings)
        if budget(same[0]) != "fast" or recipe.neuron not in _NAMES:
            continue
        task = recipe.load_task()
        measured = np.mean([line["result"]["firing_rates"] for line in same], axis=0)
        cost = analyses.arithmetic(recipe, task, measured)  # type: ignore[arg-type]  # of a stack
        joules, steps = cost.joules * 1e9, task.test.x.shape[-1]
        cells = _NAMES[recipe.neuron], rates(same) or "none", f"{cost.mac:,.0f}", f"{cost.ac:,.0f}"
        rows.append((*cells, f"{joules:.2f}", f"{joules * steps / 1e3:.3f}"))
    return table(("neuron", "firing rates", "MAC a step", "AC a step", "nJ a step", "µJ a sample"), rows)
