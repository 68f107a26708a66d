"""Tables of what trained sequence models do inside: what an answer costs, and which position a layer's spikes tell."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from grids import converged

from spikeproof.export.arithmetic import Arithmetic
from spikeproof.train.analysis import operations

from .markdown import Line, spread, table

_HEAD = ("dataset, horizon", "model", "position", "seeds")


def _place(line: Line) -> tuple[Any, ...]:
    listed = (*converged.FIRST, *converged.REST, *converged.IN_ATTENTION)
    datasets, models = [*converged.DATASETS], [*converged.MODELS]
    dataset, model = datasets.index(line["dataset"]), models.index(line["model"])
    return dataset, line["horizon"], model, listed.index(line["position"]), line["seed"]


def _groups(lines: Iterable[Line]) -> Iterable[tuple[list[str], list[Line]]]:
    """Return the first cells of a row, and the lines of all its seeds."""
    ordered = sorted(lines, key=_place)
    for _, group in itertools.groupby(ordered, lambda line: _place(line)[:-1]):
        same = list(group)
        first = same[0]
        dataset = f"{first['dataset']}, {first['horizon']}" if first["horizon"] else first["dataset"]
        yield [dataset, first["model"], first["position"], str(len(same))], same


def energy(lines: Iterable[Line]) -> str:
    """Return the table of what an answer costs."""
    rows = []
    for cells, same in _groups(lines):
        whole = [_sum(line["parts"].values()) for line in same]
        code = [_sum([line["parts"].get(operations.CODE, (0, 0))]) for line in same]
        mac, ac = (statistics.fmean(getattr(one, of) for one in whole) for of in ("mac", "ac"))
        spent = spread([one.joules * 1e6 for one in whole], 2)
        of_code = statistics.fmean(one.joules for one in code) * 1e6
        cells += [f"{mac:,.0f}", f"{ac:,.0f}", spent, f"{of_code:.2f}" if of_code else ""]
        rows.append(cells)
    return table((*_HEAD, "MAC", "AC", "µJ an answer", "µJ of the code"), rows)


def _sum(parts: Iterable[Sequence[float]]) -> Arithmetic:
    mac, ac = (sum(of) for of in zip(*parts, strict=True))
    return Arithmetic(mac=mac, ac=ac)


def told(lines: Iterable[Line]) -> str:
    """Return the table of how often the spikes of the encoder, the first and the last layer name a position, in %."""
    rows = []
    for cells, same in _groups(line for line in lines if line["probes"]):
        columns = zip(*([exact for _, exact, _ in line["probes"]] for line in same), strict=True)
        shares = [spread([100 * share for share in column]) for column in columns]
        names = [name for name, *_ in same[0]["probes"]]
        chance = f"{100 * same[0].get('chance', 1 / same[0]['positions']):.1f}"
        cells += [chance, shares[names.index("encoder")], shares[names.index("first")], shares[-1]]
        rows.append(cells)
    return table((*_HEAD, "by chance", "encoder", "first layer", "last layer"), rows)
