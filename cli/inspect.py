"""``spikeproof inspect``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from . import console, inputs
from .options import AsJson, ClampDelays, DelayShift, Dt, InputShape, Steps, network_of, reading


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
        from ..export.drawing import drawing

        for line in [title, *drawing(found)]:
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
    columns = ("name", "neuron", "inputs", "cpg", "neurons", "weights", "latency", "scale")
    table = Table(*columns, title=title)
    for layer in found["layers"]:
        table.add_row(*(str(layer[key]) for key in columns))
    console.OUT.print(table)
    for layer in found["layers"]:
        parameters = ", ".join(f"{key} {value}" for key, value in layer["parameters"].items())
        console.OUT.print(f"{layer['name']}: {parameters}", markup=False)
    console.OUT.print(f"input: {found['input']['channels']} channels, {found['input']['kind']}")
