"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Samples = Annotated[str, typer.Option("--samples", "-n", help="Number of samples, or 'all'.")]
Deadline = Annotated[float | None, typer.Option(help="Seconds that Lava may take.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a setting of the recipe, key=value.")]
