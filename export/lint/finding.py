"""What the linter finds, and the rules that find it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
"""Nothing can be exact; something will be wrong if nobody acts; good to know."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a rule found.

    Parameters
    ----------
    rule : str
        Name of the rule, see docs/lint.md.
    severity : {"error", "warning", "info"}
        ``error``: it cannot be deployed. ``warning``: something computes another thing than was trained, unless someone
        acts. ``info``: good to know.
    where : str
        The layer, as records, messages and files call it; "network" where it is none in particular.
    what, why, fix : str
        What was found, why it would be wrong, and what to do, a phrase each.
    """

    rule: str
    severity: Severity
    where: str
    what: str
    why: str
    fix: str

    def __str__(self) -> str:
        """Return it as a sentence or two."""
        sentences = f"{self.what}. {_capital(self.why)}. {_capital(self.fix)}."
        return f"{self.severity} {self.rule}: {self.where}: {sentences}"


def _capital(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


class Found(NamedTuple):
    """What a rule's function yields; the rule adds its name and severity."""

    where: str
    what: str
    why: str
    fix: str


class Rule(NamedTuple):
    """A rule."""

    name: str
    severity: Severity
    looks_at: str
    """Modules, stock files or records."""
    summary: str
    """What it finds, a phrase for the table in the documentation."""
    find: Callable[[Any], Iterator[Found]]


class Row(NamedTuple):
    """A rule that looks at one part of a subject at a time, a layer say."""

    name: str
    severity: Severity
    summary: str
    what: Callable[[Any], str]
    """What is found of a part, a phrase; empty where there is nothing to say."""
    why: str
    fix: str


def _each(parts: Callable[[Any], Iterable[tuple[str, Any]]], row: Row) -> Callable[[Any], Iterator[Found]]:
    def find(subject: Any) -> Iterator[Found]:
        for where, part in parts(subject):
            what = row.what(part)
            if what:
                yield Found(where, what, row.why, row.fix)

    return find


class Rules:
    """A list of rules about one kind of subject, in the order in which they were added.

    Parameters
    ----------
    looks_at : str
        What the subject is called in the documentation.
    """

    def __init__(self, looks_at: str) -> None:
        self._looks_at = looks_at
        self._rules: list[Rule] = []

    def add(
        self, name: str, severity: Severity, summary: str
    ) -> Callable[[Callable[[Any], Iterator[Found]]], Callable[[Any], Iterator[Found]]]:
        """Return a decorator that makes a function of the subject a rule."""

        def decorate(find: Callable[[Any], Iterator[Found]]) -> Callable[[Any], Iterator[Found]]:
            self._rules.append(Rule(name, severity, self._looks_at, summary, find))
            return find

        return decorate

    def table(self, parts: Callable[[Any], Iterable[tuple[str, Any]]], rows: Iterable[Row]) -> None:
        """Add rules that look at one part of a subject at a time; `parts` gives the parts with their names."""
        for row in rows:
            self.add(row.name, row.severity, row.summary)(_each(parts, row))

    def __iter__(self) -> Iterator[Rule]:
        """Yield the rules."""
        return iter(self._rules)

    def findings(self, subject: Any, severity: Severity | None = None) -> list[Finding]:
        """Return what all rules find, with another severity than their own if one is given."""
        return [
            Finding(rule=rule.name, severity=severity or rule.severity, **found._asdict())
            for rule in self
            for found in rule.find(subject)
        ]


def sort(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the worst first, else in the order in which they were found."""
    order: dict[str, int] = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda found: order[found.severity])


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
