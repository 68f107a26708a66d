"""How training shows: a line an epoch, which stays, and a bar below it where a person looks on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import console

if TYPE_CHECKING:
    from ...train.runs.loop.epochs import Epoch

_WIDTHS = (5, 10, 10, 10, 9)


@contextlib.contextmanager
def shown() -> Iterator[tuple[Callable[[Epoch], None], Callable[[int, int], None]]]:
    """Give what `spikeproof.fit` calls after each epoch and after each step.

    On a terminal and in a file the lines are the same: a table of the epochs, which fits 60 columns.
    """
    with console.progress_bar() as bar:
        task = bar.add_task("training", total=None)
        headed: list[bool] = []

        def epoch(found: Epoch) -> None:
            if not headed:
                headed.append(True)
                bar.console.print(_line("epoch", "loss", "score", "held out", "seconds"))
            held_out = "" if found.validation_score is None else f"{found.validation_score:.4f}"
            bar.console.print(
                _line(
                    f"{found.epoch}", f"{found.loss:.4g}", f"{found.train_score:.4f}", held_out, f"{found.seconds:.1f}"
                )
            )

        yield epoch, lambda done, total: bar.update(task, completed=done, total=total)


def _line(*cells: str) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
