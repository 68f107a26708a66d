"""``spikeproof recipes``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..given.options import AsJson
from ..terminal import console
from ..terminal.tables import print_table
from . import toml


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(help="Show this one with all its keys: a name, or a TOML file.", autocompletion=toml.names),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes that come with spikeproof, or show all keys of one."""
    from ...train.runs.recipe import find

    if name is not None:
        recipe = find(name)
        console.OUT.print(recipe.to_json() if as_json else toml.text(recipe, explained=True).rstrip())
        return
    found = {each: find(each) for each in toml.names()}
    if as_json:
        plain = {each: recipe.model_dump(mode="json") | {"for": toml.purpose(each)} for each, recipe in found.items()}
        console.print_json(plain)
        return
    rows = [
        (
            each,
            recipe.neuron if recipe.model == "stack" else recipe.model,
            ", ".join(map(str, recipe.hidden)),
            str(recipe.epochs),
            toml.purpose(each),
        )
        for each, recipe in found.items()
    ]
    print_table(("recipe", "network", "hidden", "epochs", "for"), rows)
    console.NOTE.print("spikeproof recipes NAME shows all keys of one, and spikeproof train NAME trains it.")
