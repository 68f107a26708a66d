"""The comparison of a trained run or a network file with the engine and Lava, and what it says: exit 0 or 1."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from . import console, inputs


def prove_run(
    folder: Path, samples: str, report: Path | None, options: dict[str, Any], *, as_json: bool = False
) -> None:
    """Compare a trained run with the engine and Lava on its test part."""
    from ..sim import report as reports
    from ..sim.forecasts import forecasts, without_rounding
    from ..sim.verify import verify as run_verify

    run, module, task = inputs.open_run(folder)
    count = inputs.count(samples, len(task.test.y))
    x, stored = task.test.x[:count], run.net_path if run.net_path.exists() else None
    with console.progress() as show:
        if run.recipe().floating:
            verdict = _prove_folded(module, x, {"progress": show, **options})
        else:
            verdict = run_verify(module, x, file=run.net_path, progress=show, **options)
    result = run.result()
    labels, worth, float_worth = None, {}, None
    if task.test.y.dtype.kind == "f":
        if verdict.answers:
            judge = judge_of(task)
            worth = forecasts(verdict, judge)
            verdict, float_worth = without_rounding(verdict, judge)
    elif task.objective.read == "mean":  # one class a sample
        labels = reports.Labels(task.test.y[:count], result["test_score"], result["test_samples"])
    right, right_float = {}, None
    if verdict.answers and labels is not None:
        right, right_float = reports.accuracies(verdict, labels), reports.float_accuracy(verdict, labels)
    if report is not None:
        reports.write(
            verdict,
            report,
            title=f"{folder.name}: {task.name} on torch and on Lava",
            labels=labels,
            forecasts=worth,
            float_figures=float_worth,
            net_path=stored,
            facts={
                "command": shlex.join(["spikeproof", *sys.argv[1:]]),
                "recipe": run.recipe(),
                **result["versions"],
            },
        )
    _finish(verdict, report, as_json, right, right_float, worth, float_worth)


def _prove_folded(module: Any, x: Any, options: dict[str, Any]) -> Any:
    """Compare the engine and Lava on the record of a floating-point sequence model; all samples run on the engine."""
    from ..sim.gaps import FloatGap
    from ..sim.simulate import simulate as run
    from ..sim.verify import Answers
    from ..sim.verify import verify as run_verify
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
    samples: str,
    input_file: Path | None,
    report: Path | None,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Compare a network file's record with the engine and Lava, and with the graph that it was imported from."""
    from ..sim import report as reports
    from ..sim.verify import verify as run_verify

    x = None if input_file is None else inputs.read_array(input_file)
    net, imported = inputs.read_net(path, x)
    if x is not None:
        x = x[: inputs.count(samples, len(x))] if x.ndim else x
    else:
        shape = (inputs.count(samples, None), net.input.num_channels, net.steps)
        random = np.random.default_rng(0)
        largest = net.input.max_payload * 2.0**net.input.exp
        x = random.uniform(0, min(1.0, largest), shape) if net.input.bits else random.integers(0, 2, shape)
        console.ERR.print("No --input given: random input, seed 0.")
    with console.progress() as show:
        verdict = run_verify(net, x, progress=show, **options)
    if imported is not None:
        from ..sim.nir_gap import gap
        from ..sim.simulate import simulate as run

        verdict = replace(verdict, float_gap=gap(imported, x, run(net, x, backend="engine")))
    if report is not None:
        reports.write(verdict, report, title=f"{path.name}: the contract and Lava", net_path=path)
    _finish(verdict, report, as_json, {})


def _finish(
    verdict: Any,
    report: Path | None,
    as_json: bool,
    right: dict[str, Any],
    float_right: Any = None,
    worth: dict[str, Any] | None = None,
    float_worth: Any = None,
) -> None:
    from ..sim.forecasts import lines
    from ..sim.forecasts import plain as plain_figures

    worth = worth or {}
    if as_json:
        plain = {name: found._asdict() for name, found in right.items()}
        more = {name: found.as_dict() for name, found in worth.items()}
        console.print_json(
            {
                **verdict.as_dict(),
                "right": plain,
                "right_float": float_right and float_right._asdict(),
                "forecasts": more,
                "forecasts_float": float_worth and plain_figures(float_worth),
            }
        )
    else:
        console.OUT.print(str(verdict), markup=False)
        if float_right is not None:
            console.OUT.print(f"right without rounding: {float_right.right}/{float_right.total}")
        if right:
            counts = ", ".join(f"{name} {found.right}/{found.total}" for name, found in right.items())
            console.OUT.print(f"right on these samples: {counts}")
        for line in lines(worth, float_worth):
            console.OUT.print(line, markup=False)
        if report is not None:
            console.OUT.print(f"report: {report}", markup=False)
    if not verdict.exact:
        raise typer.Exit(1)
