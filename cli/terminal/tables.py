"""Tables that fit the terminal: columns that have no room go on below, and no number is cut."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.segment import SegmentLines
from rich.table import Table

from . import console

_NUMBER = re.compile(r"[-+]?[\d,.]+(e[-+]?\d+)?( ?%)?|-?")
_FRAME = 3
"""Columns of a terminal that a column of a table takes beside its words."""
_WORDS = 28
"""Words in a cell may be broken into lines of this many letters; numbers may not."""
_LEAST, _UNBOUND = 20, 10_000
"""The fewest columns that anything is laid out for, and those that a file or a pipe has room for."""


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", to: Console = console.OUT
) -> None:
    """Print a table.

    Parameters
    ----------
    columns : sequence of str
        Headings; the first column says what a row is about, and is repeated in every part of a table that is too wide.
    rows : sequence of sequences of str
        As many cells each. A column of numbers is aligned to the right.
    title : str
        What stands above.
    to : Console
        Where to.
    """
    room = width_of(to)
    if title:
        to.print(title)
    for part in parts(columns, rows, room):
        table = Table()
        for i, width in zip(part, _widths(columns, rows, part, room), strict=True):
            justify: Literal["left", "right"] = "right" if _is_number(rows, i) else "left"
            table.add_column(columns[i], justify=justify, width=width, overflow="fold")
        for row in rows:
            if any(row[i] for i in part[1:]) or len(part) == 1:  # a row of totals has nothing in some columns
                table.add_row(*(row[i] for i in part))
        lines = to.render_lines(table, to.options.update_width(room), pad=False)
        to.print(SegmentLines(lines, new_lines=True), crop=False, soft_wrap=True, end="")


def width_of(to: Console) -> int:
    """Return how wide a line may be: of a terminal, or of what COLUMNS says; of a file it may have any width."""
    if to.is_terminal:
        return to.width
    stated = os.environ.get("COLUMNS", "")
    return max(int(stated), _LEAST) if stated.isascii() and stated.isdecimal() else _UNBOUND


def parts(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[list[int]]:
    """Return which columns stand side by side: as many as have room beside the first, and the others below."""
    widths = [_width(columns[i], rows, i) + _FRAME for i in range(len(columns))]
    found = [[0]]
    for i in range(1, len(columns)):
        if len(found[-1]) > 1 and 1 + sum(widths[j] for j in found[-1]) + widths[i] > room:
            found.append([0])
        found[-1].append(i)
    return found


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], part: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns side by side: what each needs, and of what is left over what it would like."""
    widths = [_width(columns[i], rows, i) for i in part]
    left = room - 1 - sum(widths) - _FRAME * len(part)
    for at, i in enumerate(part):
        more = max(len(columns[i]), *(len(row[i]) for row in rows), 0) - widths[at] if rows else 0
        more = max(0, min(more, left))
        widths[at] += more
        left -= more
    return widths


def _width(heading: str, rows: Sequence[Sequence[str]], i: int) -> int:
    """Return the least that a column needs: a number whole, words whole or in lines of some length."""
    longest = max((len(row[i]) for row in rows), default=0)
    words = max(map(len, heading.split()), default=0)
    return max(words, longest if _is_number(rows, i) else min(longest, _WORDS))


def _is_number(rows: Sequence[Sequence[str]], i: int) -> bool:
    return all(_NUMBER.fullmatch(row[i]) for row in rows)
