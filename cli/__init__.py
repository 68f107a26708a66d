"""The command line: one file a verb.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done or exact, 1 a mismatch or a failed run, 2 bad
input or usage. A user's mistake is one message without a traceback.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import __version__
from ..contract.errors import SpikeproofError
from .analyse import analyse
from .console import ERR, OUT
from .demo import demo
from .doctor import doctor
from .export import export
from .inspect import inspect
from .map import map_
from .simulate import simulate
from .train import train
from .verify import verify

app = typer.Typer(
    name="spikeproof",
    help="Train with SLAYER blocks, export to NetX, run on Lava's fixed-point models, prove every spike.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (demo, train, analyse, export, inspect, simulate, verify, map_, doctor):
    app.command(verb.__name__.rstrip("_"))(verb)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        OUT.print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except SpikeproofError as error:
        ERR.print(f"error: {error}", markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        ERR.print("interrupted")
        sys.exit(130)
