"""Refusals of the exporter and of the readers, as findings: each is written where it is refused, and nowhere else."""

from __future__ import annotations

from .finding import Finding

REFUSED = "refused"
"""Rule of what the exporter or a reader refuses; the words are the refusal's."""


def refusal(words: str, where: str = "network") -> Finding:
    """Return the words of a refusal, "layer 'cuba1': option: reason. What to do.", as a finding."""
    words = words.rstrip(".")
    if words.startswith("layer"):
        place, _, words = words.partition(": ")
        where = place.removeprefix("layer ").strip("'")
    what, colon, rest = words.partition(": ")
    why, stop, fix = (rest if colon else what).rpartition(". ")
    return Finding(
        rule=REFUSED,
        severity="error",
        where=where,
        what=what if colon else "it cannot be exact",
        why=why if stop else fix,
        fix=fix if stop else "See docs/slayer.md",
    )
