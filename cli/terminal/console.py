"""What the command line prints: results to stdout, progress, notes and what went wrong to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from ...export.lint.finding import Finding


class _Words(Console):
    """A console that breaks a long line between words, where a person reads it; a file or a pipe gets it whole."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; text that is wider than the terminal goes on in lines that are indented."""
        if self.is_terminal and len(objects) == 1 and isinstance(objects[0], str):
            objects = ("\n".join(wrapped(line, self.width) for line in objects[0].split("\n")),)
        elif self.is_terminal and isinstance(objects[0] if objects else None, Text):
            options.setdefault("soft_wrap", False)
        super().print(*objects, **options)


def wrapped(line: str, width: int) -> str:
    """Return a line that is broken between words where it is too wide; no word is cut, and no space is lost before."""
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    on = indent + "    "
    return textwrap.fill(
        line.lstrip(),
        width,
        initial_indent=indent,
        subsequent_indent=on,
        break_long_words=False,
        break_on_hyphens=False,
    )


_PLAIN: dict[str, Any] = {"highlight": False, "soft_wrap": True, "markup": False, "emoji": False}
"""Names of files and layers are printed as they are: brackets in them are no markup."""
OUT = _Words(**_PLAIN)
"""Results."""
ERR = _Words(stderr=True, **_PLAIN)
"""What went wrong, and warnings."""
NOTE = _Words(stderr=True, **_PLAIN)
"""Progress, and what is worth knowing; nothing with -q."""
DETAIL = _Words(stderr=True, quiet=True, **_PLAIN)
"""What took how long; nothing without -v."""


def speak(*, quiet: bool, verbose: bool) -> None:
    """Say how much is told beside results and errors, as -q and -v ask for."""
    NOTE.quiet, DETAIL.quiet = quiet, not verbose


def print_json(value: Any, to: Console = OUT) -> None:
    """Print a result as JSON, to stdout if nothing else goes there."""
    stream = sys.stderr if to is ERR else sys.stdout
    stream.write(json.dumps(value, indent=2) + "\n")
    stream.flush()  # an error in it is told here, and not by Python when it ends


_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Names of this process's stdout."""


def destination(output: Path | None) -> tuple[Path | None, Console]:
    """Return where ``-o`` leads, "-" being stdout, and where words go then: to stderr, if a file goes to stdout."""
    if output is not None and str(output) in _STDOUT:
        return Path("/dev/stdout"), ERR
    return output, OUT


def print_findings(findings: list[Finding], to: Console) -> None:
    """Print what the linter found, the worst first, what is alike in several layers once."""
    colours = {"error": "bold red", "warning": "yellow", "info": "cyan"}
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for found in findings:
        alike.setdefault((found.severity, found.rule, found.why, found.fix), []).append(found)
    for (severity, rule, why, fix), places in alike.items():
        to.print(Text.assemble((severity, colours[severity]), f" {rule}: {why}. {fix[:1].upper()}{fix[1:]}."))
        for found in places:
            to.print(f"    {found.where}: {found.what}", markup=False)


class Rate(ProgressColumn):
    """How many things are done a second, or how many seconds one takes."""

    def render(self, task: Task) -> Text:
        """Return the rate, over the last seconds while the task runs."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each")


def progress_bar() -> Progress:
    """Return a bar of what is done, how fast and how much longer, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=NOTE, transient=True, disable=not NOTE.is_terminal)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function of (what runs, done, in all) that keeps a progress bar for each thing that runs."""
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}
        began: dict[str, float] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what], began[what] = bar.add_task(what, total=total), time.monotonic()
            bar.update(tasks[what], completed=done, total=total)
            if done >= total and what in began:
                DETAIL.print(f"{what}: {total:,} in {time.monotonic() - began.pop(what):.1f} s")

        yield show
