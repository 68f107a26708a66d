"""``spikeproof doctor``."""

from __future__ import annotations

import typer

from .given.options import AsJson, Deadline
from .terminal import console


def doctor(deadline: Deadline = 120.0, as_json: AsJson = False) -> None:
    """Say what is installed and what works, and how to fix what does not."""
    from ..sim.doctor import examine

    findings = examine(deadline=deadline or 0.0)
    if as_json:
        console.print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            console.OUT.print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.name}: {finding.words}", markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
