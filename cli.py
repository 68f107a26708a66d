"""The command line: one function a verb.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done or exact, 1 a mismatch or a failed run, 2 bad
input or usage. A user's mistake is one message without a traceback.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from . import __version__
from .contract.errors import InputError, SpikeproofError, UnsupportedError

app = typer.Typer(
    name="spikeproof",
    help="Train with SLAYER blocks, export to NetX, run on Lava's fixed-point models, prove every spike.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console(highlight=False, soft_wrap=True)
_LAVA_SAMPLES = 24
_err = Console(stderr=True, highlight=False, soft_wrap=True)

Samples = Annotated[str, typer.Option("--samples", "-n", help="Number of samples, or 'all'.")]
LavaSamples = Annotated[int | None, typer.Option(min=1, help="Samples that Lava runs too; default all up to 24.")]
Deadline = Annotated[float | None, typer.Option(help="Seconds that Lava may take.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a setting of the recipe, key=value.")]


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except SpikeproofError as error:
        _err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _err.print("interrupted")
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        _out.print(__version__)
        raise typer.Exit


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    samples: Samples = "24",
    settings: Settings = None,
    deadline: Deadline = None,
    encodings: Annotated[
        bool, typer.Option("--encodings", help="Train a second network whose encoding CPG oscillators drive; compare.")
    ] = False,
    pretrained: Annotated[
        str | None, typer.Option(help="Prove a network of examples/pretrained instead of training one.")
    ] = None,
) -> None:
    """Train CE-LIF with CPG codes on the digits, export, run on Lava, prove parity, write report.html."""
    from .export.describe import describe
    from .export.formats import load
    from .train.run import Run

    if pretrained is not None:
        kept = _pretrained(pretrained)
        folder = Path("runs") / pretrained
        folder.mkdir(parents=True, exist_ok=True)
        _verify_run(kept, samples, folder / "report.html", {"deadline": deadline, "registers": False})
        return
    _demo("digits", folder, samples, settings, deadline)
    if not encodings:
        return
    driven = folder.with_name(f"{folder.name}-driven")
    _demo("digits-driven", driven, samples, settings, deadline)
    table = Table("temporal encoding", "bytes a neuron", "test accuracy", "run", title="Table and CPG-driven encoding")
    for run in (Run(folder), Run(driven)):
        te = describe(load(run.net_path))["te"]
        table.add_row(te["kind"], str(te["bytes_a_neuron"]), _score(run.result()), str(run.folder))
    _out.print(table)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a TOML file; an unknown name lists them.")],
    settings: Settings = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/<recipe>.")] = None,
    force: Force = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine that share each batch.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that share each batch.")] = 1,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto.")] = "auto",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard logs too.")] = False,
) -> None:
    """Train a recipe; writes runs/<name>/ and goes on where an interrupted run of the same recipe was."""
    from .train.recipe import find
    from .train.run import Run

    chosen = find(recipe).replace(settings or [])
    run = Run(folder or Path("runs") / Path(recipe).stem)
    if run.finished and not force:
        raise InputError(f"{run.folder} holds a finished run. Name another --folder, or replace it with --force.")
    if run.started and run.recipe() != chosen and not force:
        raise InputError(
            f"{run.folder} holds an unfinished run of another recipe. Name another --folder, or replace it with "
            "--force."
        )
    _train(chosen, run.folder, devices=devices, nodes=nodes, accelerator=accelerator, tensorboard=tensorboard)


@app.command()
def analyse(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Test samples to look at.")] = 64,
    landscape: Annotated[bool, typer.Option("--landscape", help="Also the loss around the network: 225 runs.")] = False,
) -> None:
    """Draw how a run learned, what its encoding repeats and where its gradients reach; writes RUN/analysis/."""
    from .train import analyses
    from .train import analysis_figures as figures

    opened, module, task = _open(run, to_export=False)
    some = task.test.take(np.arange(min(samples, len(task.test.y))))
    steps, result = some.x.shape[-1], opened.result()
    with _progress() as progress:
        drawn = {"learning": figures.learning_curve(analyses.learning_curve(opened), result["metric"])}
        encoding = _encoding(opened, module, steps)
        if encoding is not None:
            drawn["encoding"] = figures.encoding_similarity(analyses.encoding_similarity(encoding))
        drawn["gradients"] = figures.gradients_over_time(analyses.gradients_over_time(module, some, task.objective))
        if landscape:
            found = analyses.loss_landscape(module, some, task.objective, progress=partial(progress, "loss landscape"))
            drawn["landscape"] = figures.loss_landscape(*found)
    (run / "analysis").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        path = run / "analysis" / f"{name}.png"
        figures.save(figure, path)
        _out.print(str(path), markup=False)
    for line in _energy(opened, task, some.x):
        _out.print(line, markup=False)


def _encoding(run: Any, module: Any, steps: int) -> Any:
    """Return the temporal encoding of a run's network, shape (steps, neurons); None if it has none."""
    if run.recipe().deployable:
        return run.net().encoding(steps)
    encoding = getattr(module, "encoding", None)
    return None if encoding is None else encoding.detach().numpy().T


def _energy(run: Any, task: Any, x: Any) -> list[str]:
    """Return what the network costs by papers' counting, in words."""
    from .export.arithmetic import SOURCE
    from .train import analyses

    if run.recipe().floating:
        return [f"energy: not counted for model = {run.recipe().model}; papers' counting here is for stacks of layers"]
    if run.recipe().deployable:
        from .export.loihi2.mapping import chart
        from .sim import energy, operations

        net = run.net()
        cost = energy.cost(net, operations.count(net, x), chart(net)).arithmetic
        if cost is None:
            return []
        how = f"counted over {len(x)} samples"
    else:
        cost = analyses.arithmetic(run.recipe(), task, run.result()["firing_rates"])
        how = "from the firing rates of the test part"
    step, sample = cost.joules * 1e9, cost.joules * x.shape[-1] * 1e6
    return [
        f"energy: {step:.3g} nJ a step ({cost.mac:,.0f} MAC, {cost.ac:,.0f} AC), {sample:.3g} uJ an inference of "
        f"{x.shape[-1]} steps; {how}",
        SOURCE,
    ]


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file to convert.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .nir, else NetX.")] = Path("net.net"),
    force: Force = False,
    dt: Annotated[
        float | None, typer.Option(min=0, help="Time step of another tool's .nir, in s; default 1e-4.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Sample period of another tool's file; default 100.")] = None,
    delay_shift: Annotated[
        bool, typer.Option("--delay-shift", help="The blocks of a stock lava-dl file had SLAYER's delay_shift.")
    ] = False,
) -> None:
    """Write a trained network to a file, or convert one: NetX HDF5 or NIR; another tool's NIR is quantised."""
    from .export import formats
    from .export.slayer import record

    if output.exists() and not force:
        raise InputError(f"{output} exists. Name another -o file, or replace it with --force.")
    if not source.is_dir():
        what = _convert(source, output, dt, steps, delay_shift)
    else:
        opened, module, task = _open(source)
        formats.write(record(module, steps=task.test.x.shape[-1]), output)
        what = opened.recipe().task
    _out.print(f"{output}: {what} network, {output.stat().st_size:,} bytes")


@app.command()
def inspect(net: Annotated[Path, typer.Argument(help="Network file.")], as_json: AsJson = False) -> None:
    """Show the layers and parameters of a network file, and what the linter finds in it."""
    from .export.describe import describe
    from .export.formats import load
    from .export.lint.check import lint

    findings = lint(net)
    refused = [finding for finding in findings if finding.severity == "error"]
    found = {} if refused else describe(load(net))
    if as_json:
        _print_json(found | {"findings": [asdict(finding) for finding in findings]})
    elif found:
        _print_network(found, str(net))
    if not as_json:
        _print_findings(findings)
    if refused:
        raise typer.Exit(2)


def _print_findings(findings: list[Any]) -> None:
    """Print what the linter found, the worst first, what is alike in several layers once."""
    colours = {"error": "bold red", "warning": "yellow", "info": "cyan"}
    alike: dict[tuple[str, ...], list[Any]] = {}
    for found in findings:
        alike.setdefault((found.severity, found.rule, found.why, found.mend), []).append(found)
    for (severity, rule, why, mend), places in alike.items():
        _out.print(Text.assemble((severity, colours[severity]), f" {rule}: {why}. {mend[:1].upper()}{mend[1:]}."))
        for found in places:
            _out.print(f"    {found.where}: {found.what}", markup=False)


def _print_network(found: dict[str, Any], title: str) -> None:
    columns = ("name", "neuron", "inputs", "cpg", "neurons", "weights", "latency", "scale")
    table = Table(*columns, title=title)
    for layer in found["layers"]:
        table.add_row(*(str(layer[key]) for key in columns))
    _out.print(table)
    for layer in found["layers"]:
        parameters = ", ".join(f"{key} {value}" for key, value in layer["parameters"].items())
        _out.print(f"{layer['name']}: {parameters}", markup=False)
    _out.print(f"input: {found['input']['channels']} channels, {found['input']['kind']}")
    _out.print(f"steps a sample: {found['steps']}")
    if found["te"]:
        te = found["te"]
        _out.print(
            f"temporal encoding: {te['kind']}, {te['steps']} steps, {te['neurons']} neurons, "
            f"{te['bytes_a_neuron']} bytes a neuron"
        )


@app.command()
def simulate(
    net: Annotated[Path, typer.Argument(help="Network file.")],
    input_file: Annotated[
        Path, typer.Option("--input", "-i", help=".npy, or .npz with an array x: samples, channels, steps.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help=".npz for all spikes and registers.")] = None,
    backend: Annotated[str, typer.Option(help="lava, engine or reference.")] = "lava",
    deadline: Deadline = None,
    as_json: AsJson = False,
) -> None:
    """Run samples through a network file."""
    from .export.files import replacing
    from .export.formats import load
    from .sim.simulate import simulate as run

    x = _read_array(input_file)
    record = load(net, steps=x.shape[-1] if x.ndim else None)
    with _progress() as progress:
        lava = partial(progress, "Lava steps")
        trace = run(record, x, backend=backend, deadline=deadline, progress=lava)  # type: ignore[arg-type]
    if output is not None:
        arrays = {f"{layer}.{name}": array for layer, of in trace.layers.items() for name, array in of.items()}
        with replacing(output) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # numpy types the names too narrowly
    spikes = {layer: int(of["s"].sum()) for layer, of in trace.layers.items() if "s" in of}
    outputs = trace.output(record)
    if as_json:
        _print_json({"backend": backend, "samples": len(outputs), "spikes": spikes, "output": outputs.tolist()})
        return
    _out.print(f"{len(outputs)} samples on {backend}; spikes: " + ", ".join(f"{k} {v:,}" for k, v in spikes.items()))
    for i, row in enumerate(outputs):
        _out.print(f"sample {i}: output {row.tolist()}, largest at {int(row.argmax())}")


@app.command()
def verify(
    target: Annotated[Path, typer.Argument(help="Folder of a training run, or a network file.")],
    samples: Samples = "20",
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", help="Input for a network file; default random.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report to this HTML file.")] = None,
    lava_samples: LavaSamples = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of Lava's samples.")] = 0,
    registers: Annotated[
        bool,
        typer.Option(
            "--registers/--spikes-only",
            help="Whether torch and the engine are compared in every register too; Lava always is.",
        ),
    ] = True,
    deadline: Deadline = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", help="Spread Lava's samples over so many processes.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Spread Lava's samples over the Dask cluster at this address.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="File for the results of -j or --scheduler; a run that ended early goes on.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples in one Lava run of -j or --scheduler.", min=1)] = 8,
    as_json: AsJson = False,
) -> None:
    """Compare every spike and register of torch, the batch engine and Lava; exit 0 if exact, 1 if not."""
    options: dict[str, Any] = {
        "lava_samples": lava_samples or _LAVA_SAMPLES,
        "seed": seed,
        "registers": registers,
        "deadline": deadline,
    }
    if workers is not None or scheduler is not None:
        from .sim.sweep import Sweep

        results = results or (target if target.is_dir() else target.parent)
        options["sweep"] = Sweep(workers=workers, scheduler=scheduler, results=results, batch=batch)
    elif results is not None:
        raise InputError("--results is for -j or --scheduler, which write their results as they come.")
    if target.is_dir():
        if input_file is not None:
            raise InputError("--input is for a network file; a training run is verified on its own test part.")
        _verify_run(target, samples, report, options, as_json=as_json)
    else:
        _verify_file(target, samples, input_file, report, options, as_json=as_json)


@app.command("map")
def map_(
    net: Annotated[Path, typer.Argument(help="Network file.")],
    limits: Annotated[Path | None, typer.Option(help="TOML file of limits, in place of the public ones.")] = None,
    chips: Annotated[int | None, typer.Option(min=1, help="Chips that there are.")] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", help="Input to count operations on: .npy, or .npz with an array x.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the map to this HTML file.")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="Say where each figure and limit comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Map a network to Loihi 2: cores, memory, cost, and what does not fit; exit 0 if all fits, 1 if not."""
    from .export.formats import load
    from .export.loihi2 import limits as limits_of
    from .export.loihi2.mapping import chart

    allowed = limits_of.load(limits)
    if chips is not None:
        allowed = allowed.replace({"chips": chips}, "--chips")
    x = None if input_file is None else _read_array(input_file)
    record = load(net, steps=x.shape[-1] if x is not None and x.ndim else None)
    found, cost = chart(record, allowed), None
    if x is not None:
        from .sim import energy, operations

        cost = energy.cost(record, operations.count(record, x), found)
    if report is not None:
        from .sim import map_report

        map_report.write(found, report, title=f"{net.name} on Loihi 2", cost=cost)
    if as_json:
        _print_json(found.as_dict() | {"cost": None if cost is None else cost.as_dict()})
    else:
        _print_map(found, str(net), cost, with_sources=sources)
        if report is not None:
            _out.print(f"report: {report}", markup=False)
    if not found.fits:
        raise typer.Exit(1)


@app.command()
def doctor(deadline: Deadline = 120.0, as_json: AsJson = False) -> None:
    """Say what is installed and what works, and how to mend what does not."""
    from .sim.doctor import examine

    findings = examine(deadline=deadline or 0.0)
    if as_json:
        _print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            _out.print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.name}: {finding.words}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _demo(recipe_name: str, folder: Path, samples: str, settings: list[str] | None, deadline: float | None) -> None:
    from .train.recipe import find
    from .train.run import Run

    recipe = find(recipe_name).replace(settings or [])
    if Run(folder).finished and Run(folder).recipe() == recipe:
        _err.print(f"{folder} holds this recipe's trained network already; remove the folder to train it again.")
    else:
        _train(recipe, folder)
    _verify_run(folder, samples, folder / "report.html", {"deadline": deadline})


def _pretrained(name: str) -> Path:
    folder = Path(__file__).parent / "examples" / "pretrained"
    names = sorted(path.parent.name for path in folder.glob("*/recipe.json"))
    if name not in names:
        raise InputError(f"No pretrained network is called {name!r}; in {folder} are {', '.join(names) or 'none'}.")
    return folder / name


def _train(recipe: Any, folder: Path, **options: Any) -> None:
    from .train.fit import Epoch, fit, leads

    with _progress_bar() as bar:
        task = bar.add_task("training", total=None)

        def epoch(found: Epoch) -> None:
            held_out = "" if found.validation_score is None else f", held out {found.validation_score:.4f}"
            words = f"epoch {found.epoch}: loss {found.loss:.3f}, score {found.train_score:.4f}{held_out}"
            bar.update(task, description=words)

        run = fit(
            recipe,
            folder,
            on_epoch=epoch,
            on_step=lambda done, total: bar.update(task, completed=done, total=total),
            **options,
        )
    if not leads():
        return
    result = run.result()
    _out.print(
        f"trained {recipe.task}, {list(recipe.hidden)}: {result['parameters']:,} parameters, test {result['metric']} "
        f"{_score(result)} of {result['test_samples']:,} samples (epoch {result['epoch']}), {result['seconds']} s"
    )
    if recipe.deployable:
        _out.print(f"exported {run.net_path}")


def _score(result: dict[str, Any]) -> str:
    score: float = result["test_score"]
    return f"{score:.4g}" if "error" in result["metric"] else f"{score:.2%}"


def _open(folder: Path, *, to_export: bool = True) -> tuple[Any, Any, Any]:
    """Return a run, its trained module and its task."""
    from .train.run import Run

    run = Run.open(folder)
    recipe = run.recipe()
    if to_export and not recipe.deployable and not recipe.floating:  # what the latter are made of is looked at later
        raise UnsupportedError(
            f"{folder}: {recipe.neuron} is a floating-point neuron to compare with, so there is nothing to export or "
            "verify. Train with --set neuron=ce-lif."
        )
    run.result()  # refuses a damaged one before anything long is done
    task = recipe.load_task()
    return run, run.load_into(recipe.module(task)), task


def _verify_run(
    folder: Path, samples: str, report: Path | None, options: dict[str, Any], *, as_json: bool = False
) -> None:
    from .sim import report as reports
    from .sim.forecasts import forecasts, without_rounding
    from .sim.verify import verify as run_verify

    run, module, task = _open(folder)
    count = _count(samples, len(task.test.y))
    x, stored = task.test.x[:count], run.net_path if run.net_path.exists() else None
    with _progress() as progress:
        if run.recipe().floating:
            verdict = _verify_folded(module, x, {"progress": progress, **options})
        else:
            verdict = run_verify(module, x, file=run.net_path, progress=progress, **options)
    result = run.result()
    labels, worth, float_worth = None, {}, None
    if task.test.y.dtype.kind == "f":
        if verdict.answers:
            judge = _judge(task)
            worth = forecasts(verdict, judge)
            verdict, float_worth = without_rounding(verdict, judge)
    elif task.objective.read == "mean":  # one class a sample
        labels = reports.Labels(task.test.y[:count], result["test_score"], result["test_samples"])
    right = reports.accuracies(verdict, labels) if verdict.answers and labels is not None else {}
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
    _finish(
        verdict, report, as_json, right, reports.float_accuracy(verdict, labels) if right else None, worth, float_worth
    )


def _verify_folded(module: Any, x: Any, options: dict[str, Any]) -> Any:
    """Compare the engine and Lava on the record of a floating-point sequence model; all samples run on the engine."""
    from .sim.gaps import FloatGap
    from .sim.simulate import simulate as run
    from .sim.verify import Answers
    from .sim.verify import verify as run_verify
    from .train.sequence import deploy

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


def _judge(task: Any) -> Any:
    """Return what makes figures of numbers that a network answered with to samples of the test part."""
    import torch

    def judge(outputs: Any, samples: Any) -> dict[str, float]:
        found, truth = torch.as_tensor(outputs), torch.as_tensor(task.test.y[samples])
        more = {} if task.objective.measures is None else task.objective.measures(found, truth)
        return {task.objective.metric: float(task.objective.score(found, truth.to(found.dtype))), **more}

    return judge


def _verify_file(
    path: Path,
    samples: str,
    input_file: Path | None,
    report: Path | None,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    from .sim import report as reports
    from .sim.verify import verify as run_verify

    x = None if input_file is None else _read_array(input_file)
    net, imported = _read_net(path, x)
    if x is not None:
        x = x[: _count(samples, len(x))] if x.ndim else x
    else:
        shape = (_count(samples, None), net.input.num_channels, net.steps)
        random = np.random.default_rng(0)
        largest = net.input.max_payload * 2.0**net.input.exp
        x = random.uniform(0, min(1.0, largest), shape) if net.input.bits else random.integers(0, 2, shape)
        _err.print("No --input given: random input, seed 0.")
    with _progress() as progress:
        verdict = run_verify(net, x, progress=progress, **options)
    if imported is not None:
        from .sim.nir_gap import gap
        from .sim.simulate import simulate as run

        verdict = replace(verdict, float_gap=gap(imported, x, run(net, x, backend="engine")))
    if report is not None:
        reports.write(verdict, report, title=f"{path.name}: the contract and Lava", net_path=path)
    _finish(verdict, report, as_json, {})


def _read_net(path: Path, x: Any) -> tuple[Any, Any]:
    """Return the record in a file, and what it was imported from if that is another tool's NIR graph."""
    from .export import formats

    if not formats.is_nir(path):
        return formats.load(path), None
    from .export import nir_file
    from .export.nir_foreign import Imported

    found = nir_file.read(path, steps=x.shape[-1] if x is not None and x.ndim else None)
    if not isinstance(found, Imported):
        return found, None
    for note in found.notes:
        _err.print(note, markup=False)
    return found.net, found


def _convert(source: Path, output: Path, dt: float | None, steps: int | None, delay_shift: bool) -> str:
    """Write a network file anew in the format of another; return what it was."""
    from .export import formats, stock

    if stock.is_stock(source):
        formats.write(stock.load(source, steps=steps, delay_shift=delay_shift), output)
        return "imported"
    if not formats.is_nir(source):
        formats.write(formats.load(source), output)
        return "converted"
    from .export import nir_file
    from .export.nir_foreign import Imported

    found = nir_file.read(source, dt=dt, steps=steps)
    if isinstance(found, Imported):
        for note in found.notes:
            _out.print(note, markup=False)
        formats.write(found.net, output)
        return "imported"
    formats.write(found, output)
    return "converted"


def _finish(
    verdict: Any,
    report: Path | None,
    as_json: bool,
    right: dict[str, Any],
    float_right: Any = None,
    worth: dict[str, Any] | None = None,
    float_worth: Any = None,
) -> None:
    from .sim.forecasts import lines
    from .sim.forecasts import plain as plain_figures

    worth = worth or {}
    if as_json:
        plain = {name: found._asdict() for name, found in right.items()}
        more = {name: found.as_dict() for name, found in worth.items()}
        _print_json(
            {
                **verdict.as_dict(),
                "right": plain,
                "right_float": float_right and float_right._asdict(),
                "forecasts": more,
                "forecasts_float": float_worth and plain_figures(float_worth),
            }
        )
    else:
        _out.print(str(verdict), markup=False)
        if float_right is not None:
            _out.print(f"right without rounding: {float_right.right}/{float_right.total}")
        if right:
            counts = ", ".join(f"{name} {found.right}/{found.total}" for name, found in right.items())
            _out.print(f"right on these samples: {counts}")
        for line in lines(worth, float_worth):
            _out.print(line, markup=False)
        if report is not None:
            _out.print(f"report: {report}", markup=False)
    if not verdict.exact:
        raise typer.Exit(1)


def _print_map(found: Any, title: str, cost: Any, *, with_sources: bool) -> None:
    from .export.loihi2 import view
    from .sim.energy import SOURCES

    header, *lines = view.rows(found)
    table = Table(title=f"{title} on Loihi 2; words of 64 bits in the fullest core of each layer")
    for column in header:
        table.add_column(column, justify="left" if column == "layer" else "right")
    for line in lines:
        table.add_row(*line)
    _out.print(table)
    words = [*view.details(found), str(found), view.basis(found)]
    if cost is not None:
        words += [*cost.lines(), "energy and time are estimates; --sources says from which figures and which hardware"]
    if with_sources:
        words += [*view.sources(found), *(SOURCES if cost is not None else ())]
    for line in words:
        _out.print(line, markup=False)


def _count(samples: str, available: int | None) -> int:
    if samples == "all" and available is not None:
        return available
    if not samples.isdecimal() or not int(samples):
        raise InputError(f"--samples {samples}: give a number from 1" + (", or 'all'." if available else "."))
    if available is not None and int(samples) > available:
        raise InputError(f"--samples {samples}: there are {available}.")
    return int(samples)


def _read_array(path: Path) -> np.ndarray[Any, Any]:
    """Read an input array; nothing is unpickled."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = loaded.files
            if "x" in names:
                return np.asarray(loaded["x"])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy or .npz file of numbers ({error}).") from None
    raise InputError(f"{path}: no array called x; it holds {', '.join(names)}.")


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


class _Rate(ProgressColumn):
    """How many things are done a second, or how many seconds one takes."""

    def render(self, task: Task) -> Text:
        """Return the rate, over the last seconds while the task runs."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each")


def _progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=_err, transient=True)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function of (what runs, done, in all) that keeps a progress bar for each thing that runs."""
    with _progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
