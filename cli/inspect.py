"""``spikeproof inspect``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..export import drawing
from .given import inputs
from .given.options import AsJson, ClampDelays, DelayShift, Dt, InputShape, Steps, network_of, reading
from .terminal import console, tables
from .terminal.tables import print_table


def inspect(
    net: Annotated[Path, typer.Argument(help="Network file, or folder of a training run.")],
    steps: Steps = None,
    input_shape: InputShape = None,
    delay_shift: DelayShift = False,
    dt: Dt = None,
    clamp_delays: ClampDelays = False,
    as_json: AsJson = False,
) -> None:
    """Show the layers and parameters of a network file, and what the linter finds in it."""
    from ..export.describe import describe
    from ..export.lint.check import lint

    net = network_of(net)
    reads = reading(steps, input_shape, delay_shift, dt=dt, clamp_delays=clamp_delays)
    findings = lint(net, **reads)
    refused = [finding for finding in findings if finding.severity == "error"]
    record, imported = (None, None) if refused else inputs.read_net(net, **reads)
    found = {} if record is None else describe(record) | ({} if imported is None else imported.as_dict())
    if as_json:
        console.print_json(found | {"findings": [asdict(finding) for finding in findings]})
    elif found:
        _print_network(found, str(net))
    if not as_json:
        console.print_findings(findings, console.OUT)
    if refused:
        raise typer.Exit(2)


def _print_network(found: dict[str, Any], title: str) -> None:
    if found["chain"]:
        _print_chain(found, title)
    else:
        width = min(tables.width_of(console.OUT), drawing.WIDTH)
        for line in [title, *drawing.drawing(found, width)]:
            console.OUT.print(line)
    console.OUT.print(f"steps a sample: {found['steps']}")
    if found["te"]:
        te = found["te"]
        console.OUT.print(
            f"temporal encoding: {te['kind']}, {te['steps']} steps, {te['neurons']} neurons, "
            f"{te['bytes_a_neuron']} bytes a neuron"
        )
    for where, note in (("before", found["host"]["before"]), ("after", found["host"]["after"])):
        if note:
            console.OUT.print(f"on the host {where} the network, and not in this file: {note}", markup=False)


def _print_chain(found: dict[str, Any], title: str) -> None:
    layers, source = found["layers"], found["input"]
    columns = ["name", "neuron", "inputs", "cpg", "neurons", "shape", "weights", "latency", "scale"]
    if all(len(layer["shape"]) == 1 for layer in layers):
        columns.remove("shape")
    if not any(layer["cpg"] for layer in layers):
        columns.remove("cpg")
    rows = [tuple(_cell(layer, column) for column in columns) for layer in layers]
    totals = {"name": "in all", **{key: f"{found['totals'][key]:,}" for key in ("neurons", "weights")}}
    print_table(columns, [*rows, tuple(totals.get(column, "") for column in columns)], title=title)
    for layer in layers:
        parameters = ", ".join(f"{key} {value}" for key, value in layer["parameters"].items())
        console.OUT.print(f"{layer['name']}: {parameters}")
    images = f" as {drawing.shape(source['shape'])}" if len(source["shape"]) > 1 else ""
    console.OUT.print(
        f"input: {source['channels']:,} channel{'s' * (source['channels'] != 1)}{images}, {source['kind']}"
    )


def _cell(layer: dict[str, Any], column: str) -> str:
    value = layer[column]
    if column == "shape":
        return drawing.shape(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
