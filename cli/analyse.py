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
) -> None:
    """Draw how a run learned, what its encoding repeats and where its gradients reach; writes RUN/analysis/."""
    from ..train.analysis import analyses, figures

    if run.is_file():
        raise InputError(
            f"{run} is a file. What is drawn here, how a network learned, is in the folder of its training run. For a "
            "network file there are spikeproof inspect and spikeproof map."
        )
    opened, module, task = inputs.open_run(run, to_export=False)
    some = task.test.take(np.arange(min(samples, len(task.test.y))))
    steps, result = some.x.shape[-1], opened.result()
    with console.progress() as show:
        drawn = {"learning": figures.learning_curve(analyses.learning_curve(opened), result["metric"])}
        encoding = _encoding(opened, module, steps)
        if encoding is not None:
            drawn["encoding"] = figures.encoding_similarity(analyses.encoding_similarity(encoding))
        drawn["gradients"] = figures.gradients_over_time(analyses.gradients_over_time(module, some, task.objective))
        if landscape:
            found = analyses.loss_landscape(module, some, task.objective, progress=partial(show, "loss landscape"))
            drawn["landscape"] = figures.loss_landscape(*found)
    (run / "analysis").mkdir(exist_ok=True)
    for name, figure in drawn.items():
        path = run / "analysis" / f"{name}.png"
        figures.save(figure, path)
        console.OUT.print(str(path), markup=False)
    for line in [*_saturated(opened), *_energy(opened, task, some.x)]:
        console.OUT.print(line, markup=False)


def _encoding(run: Any, module: Any, steps: int) -> Any:
    """Return the temporal encoding of a run's network, shape (steps, neurons); None if it has none."""
    if run.recipe().deployable:
        return run.net().encoding(steps)
    encoding = getattr(module, "encoding", None)
    return None if encoding is None else encoding.detach().numpy().T


def _saturated(run: Any) -> list[str]:
    """Return how much of an integer network is at an end of its register, in words."""
    from ..train.analysis import analyses

    if not run.recipe().deployable:
        return []
    shares = analyses.saturated(run.net())
    return ["at an end of their register: " + ", ".join(f"{share:.1%} of {name}" for name, share in shares.items())]


def _energy(run: Any, task: Any, x: Any) -> list[str]:
    """Return what the network costs by papers' counting, in words."""
    from ..export.arithmetic import SOURCE
    from ..train.analysis import analyses

    if run.recipe().floating:
        return [f"energy: not counted for model = {run.recipe().model}; papers' counting here is for stacks of layers"]
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
