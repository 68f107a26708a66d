"""``spikeproof simulate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from . import console, inputs
from .options import AsJson, ClampDelays, Deadline, DelayShift, Dt, Force, InputShape, Steps, network_of, reading


def simulate(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    input_file: Annotated[
        Path, typer.Option("--input", "-i", help=".npy, or .npz with an array x: samples, channels, steps.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help=".npz for all spikes and registers.")] = None,
    backend: Annotated[str, typer.Option(help="lava, engine or reference.")] = "lava",
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
    from ..sim.simulate import simulate as run

    output, to = console.destination(output)
    if output is not None:
        files.check(output, force=force)
    x = inputs.read_array(input_file)
    record, _ = inputs.read_net(
        network_of(net), **reading(steps, input_shape, delay_shift, x, dt=dt, clamp_delays=clamp_delays)
    )
    with console.progress() as show:
        lava = partial(show, "Lava steps")
        trace = run(record, x, backend=backend, deadline=deadline, progress=lava)  # type: ignore[arg-type]
    if output is not None:
        arrays = {f"{layer}.{name}": array for layer, of in trace.layers.items() for name, array in of.items()}
        with files.replacing(output) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # numpy types the names too narrowly
    sent = {layer: of["s"] for layer, of in trace.layers.items() if "s" in of}
    spikes = {layer: int(np.count_nonzero(raster)) for layer, raster in sent.items()}
    graded = {layer: int(raster.sum()) for layer, raster in sent.items() if raster.size and np.abs(raster).max() > 1}
    outputs = trace.output(record)
    if as_json:
        found = {"backend": backend, "samples": len(outputs), "spikes": spikes, "payloads": graded}
        console.print_json(found | {"output": outputs.tolist()}, to)
        return
    told = (f"{k} {v:,}" + (f" with payloads of {graded[k]:,}" if k in graded else "") for k, v in spikes.items())
    to.print(f"{len(outputs)} samples on {backend}; spikes: " + ", ".join(told))
    for i, row in enumerate(outputs):
        largest = f", largest at {int(row.argmax())}" if len(row) > 1 else ""
        to.print(f"sample {i}: output {row.tolist()}{largest}")
