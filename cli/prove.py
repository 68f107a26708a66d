"""The comparison of a trained run or a network file with the engine and Lava, and what it says: exit 0 or 1."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import typer

from . import console, inputs
from .options import samples_of

if TYPE_CHECKING:
    from ..sim.report.page import Right
    from ..sim.verify.forecasts import Forecasts
    from ..sim.verify.verdict import Verdict


Reads = Callable[[Any], dict[str, Any]]
"""Gives the keywords with which a network file is read, for an input or None."""


class Worth(NamedTuple):
    """What the answers of a network are worth on its task, backend by backend."""

    right: Mapping[str, Right] = {}  # never changed
    right_float: Right | None = None
    """Without rounding; None if there is no such twin."""
    forecasts: Mapping[str, Forecasts] = {}  # never changed
    forecasts_float: Mapping[str, float] | None = None


def prove_run(
    folder: Path, samples: str | None, report: Path | None, options: dict[str, Any], *, as_json: bool = False
) -> None:
    """Compare a trained run with the engine and Lava on its test part."""
    from ..sim.report import page as reports
    from ..sim.verify.forecasts import forecasts, without_rounding
    from ..sim.verify.verify import verify as run_verify

    _check_report(report)
    run, module, task = inputs.open_run(folder)
    count = samples_of(samples, len(task.test.y))
    x, stored = task.test.x[:count], run.net_path if run.net_path.exists() else None
    with console.progress() as show:
        if run.recipe().floating:
            verdict = _prove_folded(module, x, {"progress": show, **options})
        else:
            verdict = run_verify(module, x, file=run.net_path, progress=show, **options)
    result = run.result()
    labels, worth = None, Worth()
    if task.test.y.dtype.kind == "f":
        if verdict.answers:
            judge = judge_of(task)
            found = forecasts(verdict, judge)
            verdict, without = without_rounding(verdict, judge)
            worth = Worth(forecasts=found, forecasts_float=without)
    elif task.objective.read == "mean":  # one class a sample
        labels = reports.Labels(task.test.y[:count], result["test_score"], result["test_samples"])
        if verdict.answers:
            worth = Worth(
                right=reports.accuracies(verdict, labels), right_float=reports.float_accuracy(verdict, labels)
            )
    _tell(verdict, worth, as_json=as_json)
    if report is not None:
        reports.write(
            verdict,
            report,
            title=f"{folder.name}: {task.name} on torch and on Lava",
            labels=labels,
            forecasts=worth.forecasts,
            float_figures=worth.forecasts_float,
            net_path=stored,
            facts={
                "command": shlex.join(["spikeproof", *sys.argv[1:]]),
                "recipe": run.recipe(),
                **result["versions"],
            },
        )
    _finish(verdict, report, as_json=as_json)


def _prove_folded(module: Any, x: Any, options: dict[str, Any]) -> Any:
    """Compare the engine and Lava on the record of a floating-point sequence model; all samples run on the engine."""
    from ..sim.simulate import simulate as run
    from ..sim.verify.gaps import FloatGap
    from ..sim.verify.verdict import Answers
    from ..sim.verify.verify import verify as run_verify
    from ..train.sequence import deploy

    net, spikes = deploy.deploy(module), deploy.inputs(module, x)
    verdict = run_verify(net, spikes, **options)
    registers = run(net, spikes, backend="engine").output(net)
    found = deploy.answers(module, x) * net.steps
    same = int((found.argmax(-1) == registers.argmax(-1)).sum())
    return replace(
        verdict,
        answers={**verdict.answers, "engine": Answers(np.arange(len(x)), registers)},
        float_gap=FloatGap(output=found, same_class=same, layers=(), meaning=deploy.FLOAT),
    )


def judge_of(task: Any) -> Any:
    """Return what makes figures of numbers that a network answered with to samples of the test part."""
    import torch

    def judge(outputs: Any, samples: Any) -> dict[str, float]:
        found, truth = torch.as_tensor(outputs), torch.as_tensor(task.test.y[samples])
        more = {} if task.objective.measures is None else task.objective.measures(found, truth)
        return {task.objective.metric: float(task.objective.score(found, truth.to(found.dtype))), **more}

    return judge


def prove_file(
    path: Path,
    samples: str | None,
    input_file: Path | None,
    report: Path | None,
    options: dict[str, Any],
    reads: Reads,
    *,
    as_json: bool,
) -> None:
    """Compare a network file's record with the engine and Lava, and with the graph that it was imported from."""
    from ..export import memory
    from ..sim.report import page as reports
    from ..sim.verify.verify import verify as run_verify

    _check_report(report)
    x = None if input_file is None else inputs.read_array(input_file)
    net, imported = inputs.read_net(path, x, **reads(x))
    if x is not None:
        x = x[: samples_of(samples, len(x))] if x.ndim else x
    else:
        shape = (samples_of(samples, None), net.input.num_channels, net.steps)
        what = f"random input of {shape[0]:,} samples"
        memory.refuse_more(8 * math.prod(shape), memory.available(), what, "--samples")
        random = np.random.default_rng(0)
        largest = net.input.max_payload * 2.0**net.input.exp
        x = random.uniform(0, min(1.0, largest), shape) if net.input.bits else random.integers(0, 2, shape)
        console.ERR.print("No --input given: random input, seed 0.")
    with console.progress() as show:
        verdict = run_verify(net, x, progress=show, **options)
    if imported is not None:
        from ..sim.simulate import simulate as run
        from ..sim.verify.nir_gap import gap

        verdict = replace(verdict, float_gap=gap(imported, x, run(net, x, backend="engine")))
    _tell(verdict, Worth(), as_json=as_json)
    if report is not None:
        reports.write(verdict, report, title=f"{path.name}: the contract and Lava", net_path=path)
    _finish(verdict, report, as_json=as_json)


def _check_report(report: Path | None) -> None:
    """Refuse a report that cannot be written before anything long is done."""
    from ..export import files

    if report is not None:
        files.check(report)
        files.check(report.with_suffix(".json"))


def _tell(verdict: Verdict, worth: Worth, *, as_json: bool) -> None:
    """Print what was found; a report that cannot be written after that takes nothing of it."""
    from ..sim.verify import forecasts

    if as_json:
        without = worth.forecasts_float
        console.print_json(
            {
                **verdict.as_dict(),
                "right": {name: found._asdict() for name, found in worth.right.items()},
                "right_float": worth.right_float and worth.right_float._asdict(),
                "forecasts": {name: found.as_dict() for name, found in worth.forecasts.items()},
                "forecasts_float": without and forecasts.plain(without),
            }
        )
        return
    console.OUT.print(str(verdict))
    if worth.right_float is not None:
        console.OUT.print(f"right without rounding: {worth.right_float.right}/{worth.right_float.total}")
    if worth.right:
        counts = ", ".join(f"{name} {found.right}/{found.total}" for name, found in worth.right.items())
        console.OUT.print(f"right on these samples: {counts}")
    for line in forecasts.lines(worth.forecasts, worth.forecasts_float):
        console.OUT.print(line)


def _finish(verdict: Verdict, report: Path | None, *, as_json: bool) -> None:
    """Say where the report is, and exit with 1 if the verdict is not exact."""
    if report is not None and not as_json:
        console.OUT.print(f"report: {report}")
    if not verdict.exact:
        raise typer.Exit(1)
