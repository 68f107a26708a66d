"""``spikeproof analyse``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..contract.errors import InputError
from .given import inputs
from .terminal import console


def analyse(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Test samples to look at.")] = 64,
    landscape: Annotated[bool, typer.Option("--landscape", help="Also the loss around the network: 225 runs.")] = False,
    sample: Annotated[int, typer.Option(min=0, help="Test sample of the picture of a neuron.")] = 0,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run, whose learning is drawn beside this one's. More than once.")
    ] = None,
) -> None:
    """Draw how a run learned, what its encoding repeats and where its gradients reach; writes RUN/analysis/.

    Of a CE-LIF network also what a neuron does while it reads a sample.
    """
    from ..export import files
    from ..train.analysis import analyses, figures
    from ..train.runs.run import Run

    if run.is_file():
        raise InputError(
            f"{run} is a file. What is drawn here, how a network learned, is in the folder of its training run. For a "
            "network file there are spikeproof inspect and spikeproof map."
        )
    opened, module, task = inputs.open_run(run, to_export=False)
    some = task.test.take(np.arange(min(samples, len(task.test.y))))
    if sample >= len(task.test.y):
        raise InputError(f"--sample {sample}: the test part has samples 0 to {len(task.test.y) - 1}.")
    steps, result = some.x.shape[-1], opened.result()
    with console.progress() as show:
        curve = analyses.learning_curve(opened)
        drawn = {"learning": figures.learning_curve(curve, result["metric"])}
        if beside:
            others = {str(path): analyses.learning_curve(Run.open(path)) for path in beside}
            drawn["beside"] = figures.learning_curves({str(run): curve} | others, result["metric"])
        folder = files.folder(run / "analysis")  # before what takes long
        encoding = _encoding(opened, module, steps)
        if encoding is not None:
            start = analyses.initial_encoding(opened.recipe(), task)
            before = None if start is None else analyses.encoding_similarity(start)
            drawn["encoding"] = figures.encoding_similarity(before, analyses.encoding_similarity(encoding))
        read = _reading(opened, task, sample)
        if read is not None:
            drawn["neuron"] = read
        drawn["gradients"] = figures.gradients_over_time(analyses.gradients_over_time(module, some, task.objective))
        if landscape:
            found = analyses.loss_landscape(module, some, task.objective, progress=partial(show, "loss landscape"))
            drawn["landscape"] = figures.loss_landscape(*found)
    for name, figure in drawn.items():
        path = folder / f"{name}.png"
        figures.save(figure, path)
        console.OUT.print(str(path), markup=False)
    for line in [*_saturated(opened), *_energy(opened, module, task, some.x)]:
        console.OUT.print(line, markup=False)


def _encoding(run: Any, module: Any, steps: int) -> Any:
    """Return the temporal encoding of a run's network, shape (steps, neurons); None if it has none."""
    if run.recipe().deployable:
        return run.net().encoding(steps)
    encoding = getattr(module, "encoding", None)
    return None if encoding is None else encoding.detach().numpy().T


def _reading(run: Any, task: Any, sample: int) -> Any:
    """Return the picture of a neuron that reads a test sample; None of a network that has none to show."""
    from ..train.analysis import figures, neurons

    if not run.recipe().deployable:
        return None
    from ..sim.simulate import simulate

    net, x = run.net(), task.test.x[sample : sample + 1]
    found = neurons.reading(net, simulate(net, x, backend="engine").layers, x[0])
    if found is None:
        return None
    label = task.test.y[sample]
    image = None if task.images is None else task.images.of(x[0, 0])
    return figures.reading(found, image, int(label) if np.ndim(label) == 0 and label.dtype.kind == "i" else None)


def _saturated(run: Any) -> list[str]:
    """Return how much of an integer network is at an end of its register, in words."""
    from ..train.analysis import analyses

    if not run.recipe().deployable:
        return []
    shares = analyses.saturated(run.net())
    return ["at an end of their register: " + ", ".join(f"{share:.1%} of {name}" for name, share in shares.items())]


def _of_sequence(module: Any, x: Any) -> str:
    """Return what an answer of a sequence model costs, in words, with the share of its positional code."""
    from ..train.analysis import operations

    parts = operations.count(module, x)
    mac, ac, joules = (sum(getattr(one, of) for one in parts.values()) for of in ("mac", "ac", "joules"))
    code = f", {parts[operations.CODE].joules * 1e6:.3g} uJ of it the code" if operations.CODE in parts else ""
    return (
        f"energy: {joules * 1e6:.3g} uJ an answer ({mac:,.0f} MAC, {ac:,.0f} AC{code}); counted over {len(x)} samples"
    )


def _energy(run: Any, module: Any, task: Any, x: Any) -> list[str]:
    """Return what the network costs by papers' counting, in words."""
    from ..export.arithmetic import SOURCE
    from ..train.analysis import analyses

    if run.recipe().floating:
        return [_of_sequence(module, x), SOURCE]
    if run.recipe().deployable:
        from ..export.loihi2.mapping import place
        from ..sim.cost import energy, operations

        net = run.net()
        cost = energy.cost(net, operations.count(net, x), place(net)).arithmetic
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
