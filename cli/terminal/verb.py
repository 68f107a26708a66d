"""What every command has: -q and -v."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from ...contract.errors import InputError
from . import console

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes: the result alone.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr how long each part took.")]


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has --quiet and --verbose beside its own options."""

    @functools.wraps(function)
    def command(*arguments: Any, quiet: bool = False, verbose: bool = False, **options: Any) -> None:
        if quiet and verbose:
            raise InputError("-q and -v are opposites. Give one of them.")
        console.speak(quiet=quiet, verbose=verbose)
        began = time.monotonic()
        try:
            function(*arguments, **options)
        finally:
            console.DETAIL.print(f"{function.__name__.rstrip('_')}: {time.monotonic() - began:.1f} s in all")

    own = inspect.signature(function)
    more = {"quiet": _Quiet, "verbose": _Verbose}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in more.items()
    ]
    hints = get_type_hints(function, include_extras=True)
    command.__signature__ = own.replace(  # type: ignore[attr-defined]  # what typer reads
        parameters=[*(each.replace(annotation=hints[name]) for name, each in own.parameters.items()), *added]
    )
    command.__annotations__ = {**hints, **more}
    return command
