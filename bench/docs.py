"""Write the tables of the documentation that are made of lines in ``bench/results``.

Each stands between two marks of its page. Without a name all of them are written. With a name and a file of lines, the
table of those lines is printed and no page is touched; a test holds the pages to their lines.

    python bench/docs.py
    python bench/docs.py delays lines.jsonl
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import uniqueness
from grid import read
from pages import (
    converged,
    delays,
    digits,
    energy,
    forecasts,
    inside,
    memory,
    mnist,
    oscillators,
    positions,
    ranges,
    speed,
    starts,
    verified,
)

RESULTS = Path(__file__).parent / "results"
PAGES = Path(__file__).parents[1] / "docs"


class Table(NamedTuple):
    """A table of a page."""

    page: str
    make: Callable[..., str]
    """Takes the lines of each file."""
    files: tuple[str, ...]
    """In ``bench/results``."""

    def of(self, *paths: Path) -> str:
        """Return the table of the lines of some files; those that are not named are the results that there are."""
        known = [RESULTS / f"{name}.jsonl" for name in self.files[len(paths) :]]
        return self.make(*map(read, [*paths, *known]))


TABLES = {
    "paper": Table("results", mnist.beside_the_paper, ("runs",)),
    "runs": Table("results", mnist.runs, ("runs",)),
    "verified": Table("results", verified.classes, ("verified",)),
    "verified-forecasts": Table("results", verified.forecasts, ("verified",)),
    "verified-codes": Table("cpg", verified.codes, ("verified",)),
    "folded": Table("results", verified.folded, ("folded",)),
    "driven": Table("cpg", digits.encodings, ("driven",)),
    "starts-long": Table("results", starts.at_full_length, ("trials",)),
    "starts-heart": Table("results", starts.by_heart, ("trials",)),
    "starts-norms": Table("celif", starts.norms, ("starts",)),
    "starts-norms-recurrent": Table("celif", starts.recurrent_norms, ("starts",)),
    "starts-recurrent": Table("celif", starts.recurrent_runs, ("trials",)),
    "ablation": Table("results", digits.ablation, ("ablation",)),
    "neurons": Table("results", digits.neurons, ("neurons",)),
    "penalties": Table("results", digits.penalties, ("rates",)),
    "energy-networks": Table("results", energy.networks, ("runs",)),
    "energy": Table("results", energy.neurons, ("neurons",)),
    "delays": Table("results", delays.delays, ("delays",)),
    "memory": Table("results", memory.problems, ("memory",)),
    "forecasts": Table("results", forecasts.codes, ("forecasts", "oscillators")),
    "converged": Table("results", converged.worth, ("converged", "naive")),
    "converged-pairs": Table("results", converged.paired, ("converged",)),
    "converged-sensitivity": Table("results", converged.sensitivity, ("converged",)),
    "converged-rates": Table("results", converged.rates, ("converged",)),
    "inside-energy": Table("results", inside.energy, ("inside",)),
    "inside-probe": Table("results", inside.told, ("inside",)),
    "positions": Table("results", positions.scores, ("positions",)),
    "positions-pairs": Table("results", positions.paired, ("positions",)),
    "positions-sizes": Table("results", positions.sizes, ("positions",)),
    "order": Table("cpg", uniqueness.order, ("order",)),
    "oscillators": Table("cpg", oscillators.oscillators, ("oscillators",)),
    "kept-provable": Table("proof", ranges.kept_provable, ("keep_provable",)),
    "ranges": Table("proof", ranges.registers, ("ranges",)),
    "ranges-times": Table("proof", ranges.times, ("ranges_times",)),
    "slayer-models": Table("slayer", speed.slayer_models, ("slayer_models",)),
    "train-step": Table("train", speed.train_step, ("train_step",)),
}
"""Name, as in the marks -> what stands there."""


def marks(name: str) -> tuple[str, str]:
    """Return what a table stands between."""
    return f"<!-- table: {name} -->\n\n", f"\n\n<!-- end of table: {name} -->"


def between(text: str, name: str) -> str:
    """Return a table as it stands on its page."""
    begin, end = marks(name)
    return text.split(begin)[1].split(end)[0]


def write() -> None:
    """Put every table in its place."""
    paths = {table.page: PAGES / f"{table.page}.md" for table in TABLES.values()}
    texts = {page: path.read_text(encoding="utf-8") for page, path in paths.items()}
    for name, table in TABLES.items():
        begin, end = marks(name)
        before, behind = texts[table.page].split(begin)[0], texts[table.page].split(end)[1]
        texts[table.page] = f"{before}{begin}{table.of()}{end}{behind}"
    for page, path in paths.items():
        path.write_text(texts[page], encoding="utf-8")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=TABLES, metavar="TABLE", help=f"one of {', '.join(TABLES)}")
    parser.add_argument("lines", nargs="*", type=Path, help="its files of lines; default those of bench/results")
    asked = parser.parse_args()
    if asked.table:
        print(TABLES[asked.table].of(*asked.lines))
    else:
        write()


if __name__ == "__main__":
    main()
