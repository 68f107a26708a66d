"""The parity report: one self-contained HTML page for people and a JSON file for machines, made from a verdict."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...export import files
from ...export.describe import describe
from ...export.lint.check import lint
from ..bounds import Bound
from ..pictures import graph, style
from ..pictures.of_verdict import figures_of
from ..verify.gaps import FLOAT, FloatGap
from ..verify.scores import Right
from ..verify.verdict import Verdict
from . import machine, places

_MAX_CLASSES = 40
"""A confusion matrix of more classes is left to the JSON file."""

_OURS = {"title", "exact", "comparisons", "network", "repeat"}
"""Keys of what stands beside a page, by which it is told from a file of somebody else."""


def confusion(verdict: Verdict, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how often the first backend took a class (column) for a true one (row), shape (classes, classes)."""
    answers = next(iter(verdict.answers.values()))
    true = classes[answers.samples]
    columns = answers.output if answers.scores is None or answers.scores.ndim == 1 else answers.scores
    number = max(columns.shape[1], int(true.max()) + 1, int(answers.predictions.max()) + 1)
    counts = np.zeros((number, number), np.int64)
    np.add.at(counts, (true, answers.predictions), 1)
    return counts


def check(path: str | os.PathLike[str], read: Iterable[str | os.PathLike[str] | None] = ()) -> Path:
    """Refuse a place for a report before the work for it is done.

    Parameters
    ----------
    path : path-like
        Where the page shall be.
    read : iterable of path-like or None
        What is read for the report, which it may not replace.

    Returns
    -------
    Path
        Where the JSON file beside it will be.

    Raises
    ------
    InputError
        A folder cannot be written to, the page would be the JSON file beside it, or what stands in the place of either
        is no report.
    """
    page = Path(path)
    beside = page.with_suffix(".json")
    if page.suffix.lower() == ".json":
        raise InputError(
            f"{page}: a report is a page of HTML, and the same for machines stands beside it as {beside.name}. Name it "
            f"{page.with_suffix('.html').name}."
        )
    read = list(read)
    places.check(page, read=read)
    places.check(beside, _is_beside, "what stands beside the page", f"another file than {page}", read)
    return beside


def _is_beside(path: Path) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and _OURS <= found.keys()


def write(
    verdict: Verdict,
    path: str | os.PathLike[str],
    *,
    title: str,
    whole_test: tuple[float, int] | None = None,
    net_path: str | os.PathLike[str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report and, beside it, the same for machines; each file appears whole or not at all.

    Parameters
    ----------
    verdict : Verdict
        With its traces.
    path : path-like
        Where to; the JSON file has the same name with the ending ``.json``.
    title : str
        Heading of the page.
    whole_test : (float, int), optional
        Accuracy of the trained module over its whole test part, and how many samples that has. What the samples of the
        verdict are worth stands in it.
    net_path : path-like, optional
        The network file, for its SHA-256.
    facts : mapping, optional
        Further lines for the table of facts, such as the recipe.

    Returns
    -------
    Path
        The JSON file.

    Raises
    ------
    InputError
        `check` refuses the place.
    """
    beside = check(path)
    scores, test = verdict.scores, None
    matrix = confusion(verdict, scores.classes) if scores.classes is not None and verdict.answers else None
    if whole_test is not None and scores.classes is not None:
        accuracy, samples = whole_test
        test = Right(round(accuracy * samples), round(accuracy * samples), samples)
    repeat = {
        "network file, SHA-256": hashlib.sha256(Path(net_path).read_bytes()).hexdigest() if net_path else None,
        "input, SHA-256": verdict.input_sha256,
        **{key: str(value) for key, value in (facts or {}).items()},
    }
    context: dict[str, Any] = {
        "title": title,
        "verdict": verdict,
        "lines": verdict.sentences(),
        "network": describe(verdict.net),
        "graph": graph.graph(verdict.net),
        "findings": lint(verdict.net),
        "accuracies": scores.right,
        "float_right": scores.right_float,
        "forecasts": scores.forecasts,
        "float_figures": scores.forecasts_float,
        "float_gap": verdict.float_gap if isinstance(verdict.float_gap, FloatGap) else None,
        "float_meaning": getattr(verdict.float_gap, "meaning", FLOAT),
        "confusion": None if matrix is None or len(matrix) > _MAX_CLASSES else matrix.tolist(),
        "repeat": {key: value for key, value in repeat.items() if value},
        "machine": machine.facts(),
        "test": test,
        "limits": _limits(verdict),
        "figures": figures_of(verdict),
        "style": style,
    }
    page = _template().render(context)
    plain = {
        "title": title,
        **verdict.as_dict(),
        "confusion": None if matrix is None else matrix.tolist(),
        "network": context["network"],
        "repeat": context["repeat"] | context["machine"],
    }
    for file, text in ((beside, json.dumps(plain, indent=2)), (Path(path), page)):
        with files.replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return beside


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, Path(graph.__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _limits(verdict: Verdict) -> dict[tuple[str, str], Bound]:
    """Return the bound for every input of each register, if bounds were computed."""
    found = () if verdict.bounds is None else verdict.bounds.found
    return {(bound.layer, bound.register): bound for bound in found}
