"""``spikeproof new``: files to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...contract.errors import InputError
from ...export.quoted import plain
from ..given.options import Force, Settings
from ..terminal import console
from ..terminal.examples import COMMANDS, epilog
from ..terminal.verb import verb
from . import toml

new = typer.Typer(help="Write a file to begin with: a recipe.", no_args_is_help=True, rich_markup_mode=None)


@new.command("recipe", short_help=COMMANDS["new recipe"].short, epilog=epilog("new recipe"))
@verb
def recipe(
    path: Annotated[Path, typer.Argument(help="File to write, mine.toml say.")],
    like: Annotated[
        str, typer.Option(help="Recipe to begin from, by name or as a TOML file.", autocompletion=toml.names)
    ] = "digits",
    settings: Settings = None,
    force: Force = False,
) -> None:
    """Write a recipe with all its keys, and what each of them means."""
    from ...export import files
    from ...train.runs.recipe import find

    if path.suffix != ".toml":
        raise InputError(f"{path}: a recipe is a TOML file. Name it {path.name}.toml.")
    files.check(path, force=force)
    found = find(like).replace(settings or [])
    head = f"# Made from the recipe {plain(like)}. Train it with: spikeproof train {path.name}\n\n"
    with files.replacing(path) as temporary:
        temporary.write_text(head + toml.text(found, explained=True), encoding="utf-8", errors="backslashreplace")
    console.OUT.print(f"{path}: a recipe like {like}. Change it, and train it with: spikeproof train {path}")
