"""What the command line prints: results to stdout, progress and what went wrong to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
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
    from ..export.lint.finding import Finding

OUT = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
ERR = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
"""Names of files and layers are printed as they are: brackets in them are no markup."""


def print_json(value: Any, to: Console = OUT) -> None:
    """Print a result as JSON, to stdout if nothing else goes there."""
    stream = sys.stderr if to is ERR else sys.stdout
    stream.write(json.dumps(value, indent=2) + "\n")


def destination(output: Path | None) -> tuple[Path | None, Console]:
    """Return where ``-o`` leads, "-" being stdout, and where words go then: to stderr, if a file goes to stdout."""
    if output is not None and str(output) == "-":
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
    return Progress(*columns, TimeRemainingColumn(), console=ERR, transient=True)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function of (what runs, done, in all) that keeps a progress bar for each thing that runs."""
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
