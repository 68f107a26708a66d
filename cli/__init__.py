"""The command line: one file a verb.

Results go to stdout, progress and errors to stderr. Exit codes: 0 done or exact, 1 a mismatch or a failed run, 2 bad
input or usage, 70 a fault of ours. A user's mistake is one message without a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback as traceback_of
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..contract.errors import InputError, InterruptedRunError, SpikeproofError
from .analyse import analyse
from .compare import compare
from .demo import demo
from .diff import diff
from .doctor import doctor
from .export import export
from .inspect import inspect
from .map import map_
from .plot import plot
from .proof.prove import prove
from .proof.verify import verify
from .recipes.networks import networks
from .recipes.new import new
from .recipes.recipes import recipes
from .simulate import simulate
from .terminal.console import ERR, OUT
from .terminal.examples import COMMANDS, epilog
from .terminal.verb import verb
from .train import train

app = typer.Typer(
    name="spikeproof",
    help="Train with SLAYER blocks, export to NetX, run on Lava's fixed-point models, prove every spike.",
    no_args_is_help=True,
    context_settings={"max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # frames leave too little room in a narrow terminal, and cut the names of options
)
VERBS = (
    *(demo, train, recipes, networks, analyse),
    *(export, inspect, diff, simulate, compare, plot, verify, prove, map_, doctor),
)
for each in VERBS:
    name = each.__name__.rstrip("_")
    app.command(name, short_help=COMMANDS[name].short, epilog=epilog(name))(verb(each))
app.add_typer(new, name="new")


_INTERRUPTED, _TERMINATED = 130, 143
_received: list[signal.Signals] = []
"""Signals that ended the command."""
_FAULT = 70
"""Exit code of a fault of ours, as sysexits.h calls it."""
_ISSUES = "the project's issue tracker"
_UNREACHABLE = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR}
"""What the system says of a place that a user named and that cannot be reached."""


@app.callback(invoke_without_command=True)
def _common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in spikeproof an unexpected error comes from; any place.")
    ] = False,
) -> None:
    if version:
        OUT.print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and exit."""
    wanted = "--traceback" in sys.argv[1:]
    sys.argv = [sys.argv[0], *(part for part in sys.argv[1:] if part != "--traceback")]
    _print_any_name()
    with contextlib.suppress(ValueError):  # where this is no main thread, nothing ends it by a signal
        signal.signal(signal.SIGTERM, _terminated)
        signal.signal(signal.SIGINT, _interrupted)
    _received.clear()
    hook, sys.unraisablehook = sys.unraisablehook, _once_more
    try:
        app()
    except SpikeproofError as error:
        if _received and not isinstance(error, InterruptedRunError):
            _end_by_signal()
        if wanted and error.__cause__ is not None:  # what was taken for a damaged file may be a fault of ours
            traceback_of.print_exception(error)
        ERR.print(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        ERR.print("interrupted")
        sys.exit(_INTERRUPTED)
    except SystemExit as ended:  # Typer ends at Ctrl-C by itself, without a word
        if ended.code == _INTERRUPTED:
            ERR.print("interrupted")
        raise
    except BrokenPipeError:  # who read the output has gone
        _drop_stdout()
        sys.exit(141)
    except Exception as error:
        if _received:
            _end_by_signal()
        if wanted:
            raise
        if isinstance(error, OSError) and error.errno in _UNREACHABLE and _named_by_the_user(error.filename):
            ERR.print(f"error: {error.filename}: {error.strerror}. Name another place, or fix its rights.")
            sys.exit(InputError.exit_code)
        ERR.print(_told(error))
        if _disk_is_full(error):
            _drop_stdout()
        sys.exit(1 if isinstance(error, MemoryError) or _disk_is_full(error) else _FAULT)
    finally:
        sys.unraisablehook = hook
        _let_signals_end_it()


def _named_by_the_user(place: object) -> bool:
    """Whether a place is one that the command line names, or lies in such a one."""
    if not isinstance(place, str):
        return False
    named = [part.rpartition("=")[2] for part in sys.argv[1:]]
    return any(Path(os.path.abspath(place)).is_relative_to(os.path.abspath(one)) for one in named if one)


def _print_any_name() -> None:
    """Let names of files that are no UTF-8, or that the terminal cannot show, be printed with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _told(error: Exception) -> str:
    """Return what is said of an error that is none of ours."""
    if isinstance(error, MemoryError):
        return "error: there is not enough memory for this. Use fewer samples, fewer steps or a smaller network."
    if _disk_is_full(error):
        return "error: the disk is full. Free some space, or write to another folder."
    first = str(error).strip().splitlines()[:1]
    words = f"{type(error).__name__}: {first[0][:300] if first else 'no words'}"
    return (
        f"error: this is a fault of spikeproof {__version__}, and not of yours: {words}. The same command with "
        f"--traceback shows where. Please report both to {_ISSUES}."
    )


def _drop_stdout() -> None:
    """Send what is left for stdout nowhere: Python would write it at its end, fail once more, and exit with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _disk_is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _once_more(unraisable: Any) -> None:
    """Send a signal again that came while Python ran a destructor or a callback of its own, where it is swallowed."""
    swallowed = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}
    if unraisable.exc_type not in swallowed:
        sys.__unraisablehook__(unraisable)
        return
    again = threading.Timer(0.05, os.kill, (os.getpid(), swallowed[unraisable.exc_type]))
    again.daemon = True
    again.start()


def _let_signals_end_it() -> None:
    """Leave signals to the system: the work is done, and in Python's own clearing away they would print tracebacks."""
    with contextlib.suppress(ValueError):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)


def _terminated(*_: object) -> None:
    """End at SIGTERM as at the end of the program, so that temporary folders and child processes are cleared away."""
    _received.append(signal.SIGTERM)
    sys.exit(_TERMINATED)


def _interrupted(number: int, frame: Any) -> None:
    """Do at Ctrl-C what Python does, and note it."""
    _received.append(signal.SIGINT)
    signal.default_int_handler(number, frame)


def _end_by_signal() -> NoReturn:
    """End as at the signal that came: a library, HDF5's say, may turn what it raised into an error of its own."""
    if _received[-1] == signal.SIGINT:
        ERR.print("interrupted")
        sys.exit(_INTERRUPTED)
    sys.exit(_TERMINATED)
