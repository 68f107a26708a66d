"""``spikeproof simulate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from .given import inputs
from .given.options import (
    AsJson,
    Backend,
    ClampDelays,
    Deadline,
    DelayShift,
    Dt,
    Force,
    InputShape,
    Steps,
    network_of,
    reading,
)
from .terminal import console


def simulate(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    input_file: Annotated[
        Path, typer.Option("--input", "-i", help=".npy, or .npz with an array x: samples, channels, steps.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help=".npz for all spikes and registers.")] = None,
    backend: Annotated[
        Backend, typer.Option(help="Lava's fixed-point models, the batch engine, or the contract's steps in NumPy.")
    ] = Backend.lava,
    deadline: Deadline = None,
    force: Force = False,
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Run samples through a network file."""
    from ..export import files
    from ..sim.arrays import arrays
    from ..sim.simulate import simulate as run

    output, to = console.destination(output)
    if output is not None:
        files.check(output, force=force, read=[network_of(net), input_file])
    x = inputs.read_array(input_file)
    record, _ = inputs.read_net(
        network_of(net), x, **reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    )
    with console.progress() as show:
        lava = partial(show, "Lava steps")
        trace = run(record, x, backend=backend.value, deadline=deadline, progress=lava)
    if output is not None:
        with files.replacing(output) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays(trace))  # type: ignore[arg-type]  # numpy types the names too narrowly
    sent = {layer: of["s"] for layer, of in trace.layers.items() if "s" in of}
    spikes = {layer: int(np.count_nonzero(raster)) for layer, raster in sent.items()}
    graded = {layer: int(raster.sum()) for layer, raster in sent.items() if raster.size and np.abs(raster).max() > 1}
    outputs = trace.output(record)
    if as_json:
        found = {"backend": backend.value, "samples": len(outputs), "spikes": spikes, "payloads": graded}
        console.print_json(found | {"output": outputs.tolist()}, to)
        return
    told = (f"{k} {v:,}" + (f" with payloads of {graded[k]:,}" if k in graded else "") for k, v in spikes.items())
    to.print(f"{len(outputs)} samples on {backend.value}; spikes: " + ", ".join(told))
    for i, row in enumerate(outputs):
        largest = f", largest at {int(row.argmax())}" if len(row) > 1 else ""
        to.print(f"sample {i}: output {row.tolist()}{largest}")
