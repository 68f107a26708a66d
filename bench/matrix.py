"""Measure the parity matrix: what becomes of every SLAYER block and option here, beside what the stock path does.

For each cell, random small networks run through torch's own forward pass, the batch engine and, some of them, Lava's
fixed-point models; all spikes and registers of every layer are compared, over samples streamed without a gap. A network
counts if something fires in each of its layers. The page goes to stdout or to a file.

Exit code 1 if a cell is anything but exact, refused by a message of ours, told by `verify` where it must be, or a block
that SLAYER does not have or cannot build; the page then says what it is.

    python bench/matrix.py --output docs/parity_matrix.md
    python bench/matrix.py --nets 2 --lava 0 --only "Recurrent alif"
    python bench/matrix.py --only "Recurrent alif" --update docs/parity_matrix.md
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import re
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matrix_cells
import matrix_hostile
import matrix_options
import numpy as np
from matrix_cells import Cell

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.export.files import replacing
from spikeproof.sim.verify.verdict import Verdict
from spikeproof.sim.verify.verify import verify

TRIES = 6
"""How many networks are drawn for one that counts, before a cell is said not to fire."""
DEADLINE = 180.0
"""Seconds for a run of Lava."""

SECTIONS = (
    ("Families and blocks", "grid", tuple(matrix_cells.blocks())),
    ("Options and hostile settings", "list", (*matrix_options.options(), *matrix_hostile.cells())),
    ("Several samples through one network", "list", tuple(matrix_options.streams())),
)
"""Title, layout and cells of every section."""


class Outcome(NamedTuple):
    """What became of a cell."""

    kind: str
    """``exact``, ``refused``, ``told`` (by `verify`), ``absent``, ``unbuildable``, or ``FAULT``."""
    text: str


class Counts(NamedTuple):
    nets: int = 0
    spikes: int = 0
    registers: int = 0
    on_lava: int = 0


def measure(cell: Cell, nets: int, lava: int) -> Outcome:
    """Run networks of a cell until `nets` of them, which fire in every layer, are exact, or something else happens."""
    if cell.make is None:
        return Outcome("absent", "lava-dl has no such block")
    nets = min(nets, cell.nets or nets)
    counts, refusals, silent = Counts(), Counter[str](), 0
    for seed in range(TRIES * nets):
        try:
            module, x = cell.make(seed)
        except Exception as error:
            text = f"SLAYER's constructor raises {type(error).__name__}: {error}"
            known = "construction" in cell.stock and _is_slayers(error)
            return Outcome("unbuildable" if known else "FAULT", text)
        try:
            verdict = verify(module, x, input=cell.input, backends=("engine",))
            if cell.leaves_range:
                return _told(verdict)
            if verdict.exact and not busy(verdict):
                silent += 1
                continue
            if verdict.exact and counts.nets < lava:
                verdict = verify(module, x, input=cell.input, backends=("engine", "lava"), deadline=DEADLINE)
        except (UnsupportedError, InputError) as error:
            refusals[str(error)] += 1
        except Exception as error:
            return Outcome("FAULT", f"seed {seed}: {type(error).__name__}: {error}")
        else:
            if not (verdict.exact and busy(verdict)):
                if all(comparison.verdict == "nothing fired" for comparison in verdict.comparisons):
                    silent += 1
                    continue
                return Outcome("FAULT", f"seed {seed}: {verdict}")
            compared = verdict.comparisons[0]
            counts = Counts(
                counts.nets + 1,
                counts.spikes + compared.spikes_fired,
                counts.registers + compared.registers_compared,
                counts.on_lava + (len(verdict.comparisons) > 1),
            )
        if counts.nets + refusals.total() == nets:
            break
    if refusals:
        said = refusals.most_common(1)[0][0]
        if counts.nets or silent:
            return Outcome("FAULT", f"{counts.nets} networks exact, {silent} silent, but others refused: {said}")
        return Outcome("refused", said)
    if counts.nets < nets:
        return Outcome("FAULT", f"nothing fired in some layer of {silent} networks, {counts.nets} were exact")
    return Outcome(
        "exact",
        f"{counts.nets} nets, {counts.spikes:,} spikes, {counts.registers:,} registers; {counts.on_lava} on Lava",
    )


def _told(verdict: Verdict) -> Outcome:
    """Return whether a comparison that must fail, because registers leave their range, does and says why."""
    said = [line for line in verdict.sentences() if line.startswith("OUT OF RANGE")]
    if verdict.exact or not said:
        return Outcome("FAULT", f"registers should have left their range, but: {verdict}")
    return Outcome("told", f"`verify` fails: {said[0]}")


def busy(verdict: Verdict) -> bool:
    """Whether something fired in every layer, and every read-out held something."""
    layers = verdict.traces[1].layers
    readouts = [layers[name]["v"] for name in layers if "s" not in layers[name]]
    return not any(comparison.silent for comparison in verdict.comparisons) and all(np.any(v) for v in readouts)


def _is_slayers(error: Exception) -> bool:
    """Whether an error was raised under a call of a block's class of lava-dl, the first call that a cell makes."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(name.startswith("lava.lib.dl.slayer.block") for name in modules)


_WORDS = {"exact": "**exact**", "absent": "no such block", "unbuildable": "SLAYER cannot build it"}


def grid(measured: Sequence[tuple[Cell, Outcome]]) -> list[str]:
    """Return a table of rows and columns, ours above stock."""
    columns = list(dict.fromkeys(cell.column for cell, _ in measured))
    found = {(cell.row, cell.column): (cell, outcome) for cell, outcome in measured}
    lines = ["| block | " + " | ".join(f"`{column}`" for column in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in dict.fromkeys(cell.row for cell, _ in measured):
        texts = []
        for column in columns:
            if (row, column) not in found:
                texts.append("not run")
                continue
            cell, outcome = found[row, column]
            ours = _WORDS.get(outcome.kind, outcome.kind)
            texts.append(ours if outcome.kind == "absent" else f"{ours}<br>stock: {cell.stock}")
        lines.append(f"| {row} | " + " | ".join(texts) + " |")
    return lines


def details(measured: Sequence[tuple[Cell, Outcome]]) -> list[str]:
    """Return a line a cell that lava-dl has, with what was counted or said."""
    lines = ["| cell | ours | stock |", "|---|---|---|"]
    for cell, outcome in measured:
        if outcome.kind != "absent":
            ours = f"**exact** ({outcome.text})" if outcome.kind == "exact" else f"{outcome.kind}: {outcome.text}"
            lines.append(f"| {cell.row}, `{cell.column}` | {_inline(ours)} | {cell.stock} |")
    return lines


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_DETAIL = re.compile(r"\| (?P<row>.+?), `(?P<column>\w+)` \| (?P<ours>.*?) \| [^|]*\|")
_WAS_EXACT = re.compile(r"\*\*exact\*\* \((.*)\)")


def measured_before(page: str) -> dict[tuple[str, str, str], Outcome]:
    """Return what a page that this command wrote says of its cells, by title of the section, row and column."""
    found: dict[tuple[str, str, str], Outcome] = {}
    title = ""
    for line in page.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif cell := _DETAIL.fullmatch(line):
            ours = cell["ours"].replace("\\|", "|")
            exact = _WAS_EXACT.fullmatch(ours)
            kind, _, text = ("exact", "", exact[1]) if exact else ours.partition(": ")
            found[title, cell["row"], cell["column"]] = Outcome(kind, text)
    return found


def _known(before: Mapping[tuple[str, str, str], Outcome], title: str, cell: Cell) -> Outcome | None:
    return before.get((title, cell.row, cell.column)) if cell.make or not before else measure(cell, 0, 0)


def page(
    sections: Iterable[tuple[str, str, Sequence[tuple[Cell, Outcome]]]], nets: int, lava: int, *, in_parts: bool = False
) -> str:
    """Return the page, Markdown."""
    names = ("lava-dl", "lava-nc", "torch", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    parts = "" if not in_parts else ", some cells later than others (`python bench/matrix.py --only ... --update`)"
    lines = [
        "# Parity matrix",
        "",
        "Generated by `make matrix`; do not edit.",
        "",
        f"**Ours** was measured by that command{parts}, with {versions}, Python {platform.python_version()}:",
        f"{nets} random networks a cell, or as many as it says, something firing in every layer of each, and samples",
        "streamed without a gap.",
        "All spikes and registers of torch's own forward pass and of the batch engine were compared as integers, and",
        f"those of Lava's fixed-point models for {lava} of them. *exact*: all are equal. *refused*: `export_netx`",
        "and `verify` say the words beside it, and nothing is written. Figures are those of torch and the engine.",
        "",
        "**Stock** is SLAYER, NetX and Lava by themselves, measured earlier and not rerun:",
        f"{matrix_cells.STOCK_VERSIONS}.",
        "*silent a/b*: a wrong entries where torch has b non-zero outputs, and nothing says so; *X-fwd*, *X-exp*,",
        "*X-load*, *X-run*: an exception in torch's forward pass, the export, the load or Lava's run.",
        "",
    ]
    for title, layout, measured in sections:
        lines += [f"## {title}", ""]
        if layout == "grid":
            lines += [*grid(measured), "", "What was counted, or said:", ""]
        lines += [*details(measured), ""]
    return "\n".join(lines)


def _is_one_of(wanted: Sequence[str] | None, title: str, cell: Cell) -> bool:
    return not wanted or any(words in f"{title}: {cell.row} {cell.column}" for words in wanted)


def _all(title: str) -> tuple[Cell, ...]:
    return next(cells for name, _, cells in SECTIONS if name == title)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nets", type=int, default=20, help="networks a cell (default 20)")
    parser.add_argument("--lava", type=int, default=1, help="how many of them run on Lava too (default 1)")
    parser.add_argument(
        "--only",
        action="append",
        help="only cells whose section, row and column hold these words; may stand repeatedly",
    )
    parser.add_argument("--output", type=Path, help="where the page goes; stdout if absent")
    parser.add_argument("--update", type=Path, help="an earlier page, whose other cells stay as they are")
    options = parser.parse_args(arguments)
    if options.nets < 1 or not 0 <= options.lava <= options.nets:
        parser.error("--nets must be at least 1, and --lava from 0 to --nets")
    chosen = [
        (title, layout, [cell for cell in cells if _is_one_of(options.only, title, cell)])
        for title, layout, cells in SECTIONS
    ]
    if not any(cells for _, _, cells in chosen):
        parser.error(f"--only {options.only!r}: no cell is called so")
    before = measured_before(options.update.read_text()) if options.update else {}
    sections, faults, began = [], [], time.monotonic()
    for title, layout, cells in chosen:
        new = {}
        for cell in cells:
            outcome = new[cell.row, cell.column] = measure(cell, options.nets, options.lava)
            if outcome.kind == "FAULT":
                faults.append(cell)
            seconds = time.monotonic() - began
            print(f"{seconds:6.0f} s  {cell.row}, {cell.column}: {outcome.kind}: {outcome.text}", file=sys.stderr)
        found = [(cell, new.get((cell.row, cell.column)) or _known(before, title, cell)) for cell in _all(title)]
        both = [(cell, outcome) for cell, outcome in found if outcome is not None]
        if both:
            sections.append((title, layout, both))
    text = page(sections, options.nets, options.lava, in_parts=bool(before))
    output = options.output or options.update
    if output is None:
        print(text)
    else:
        with replacing(output) as path:
            Path(path).write_text(text)
    for cell in faults:
        print(f"FAULT in {cell.row}, {cell.column}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # SLAYER's own use of torch's weight_norm
    sys.exit(main())
