"""``spikeproof simulate``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from . import console, inputs
from .options import AsJson, Deadline


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
    from ..export.files import replacing
    from ..export.formats import load
    from ..sim.simulate import simulate as run

    x = inputs.read_array(input_file)
    record = load(net, steps=x.shape[-1] if x.ndim else None)
    with console.progress() as show:
        lava = partial(show, "Lava steps")
        trace = run(record, x, backend=backend, deadline=deadline, progress=lava)  # type: ignore[arg-type]
    if output is not None:
        arrays = {f"{layer}.{name}": array for layer, of in trace.layers.items() for name, array in of.items()}
        with replacing(output) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # numpy types the names too narrowly
    spikes = {layer: int(of["s"].sum()) for layer, of in trace.layers.items() if "s" in of}
    outputs = trace.output(record)
    if as_json:
        console.print_json({"backend": backend, "samples": len(outputs), "spikes": spikes, "output": outputs.tolist()})
        return
    console.OUT.print(
        f"{len(outputs)} samples on {backend}; spikes: " + ", ".join(f"{k} {v:,}" for k, v in spikes.items())
    )
    for i, row in enumerate(outputs):
        console.OUT.print(f"sample {i}: output {row.tolist()}, largest at {int(row.argmax())}")
