"""Writes docs/cli.md from the commands themselves; tests/cli/test_page.py holds the page to them."""

from __future__ import annotations

import enum
import inspect
import sys
import types
import typing
from pathlib import Path
from typing import Any

from spikeproof.cli import VERBS
from spikeproof.cli.recipes.new import recipe as new_recipe
from spikeproof.cli.terminal.examples import COMMANDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"

HEAD = """# Command line

Every command has `--help`. This page lists all of them with all their options; it is made from the commands by
`make cli-page`, and a test holds it to them.

**Streams.** Results go to stdout; progress, notes, warnings and errors go to stderr. `--json` prints a result for
programs. `-o -` writes a file to stdout.

**How much is said.** `-q` prints the result and nothing else; of a verdict, one word. `-v` says on stderr how long each
part took. While a network trains, every epoch leaves a line, on a terminal and in a file alike.

**Width.** A table that is wider than the terminal goes on below, with its first column repeated. No number is cut. A
file or a pipe gets tables in one piece; the variable `COLUMNS` sets another width.

**Exit codes.** 0: done, exact or equal. 1: something differs, does not fit or is not proven, or a run failed. 2: bad
input or usage, with one message that says what, where and how to fix it. 70: an error in spikeproof itself;
`--traceback`, at any place of the command, shows where. 130: ended by Ctrl-C. 143: ended by SIGTERM. A training that
either of these ends exits with 1 in place of that, and keeps what it has reached.

**Completion.** `spikeproof --install-completion` adds completion of commands, options, recipes and networks to your
shell (bash, zsh, fish or PowerShell); `--show-completion` prints the script instead.

**Files.** Wherever a command takes a network file, it also takes the folder of a training run. Nothing that you hand
over is unpickled.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, "| command | what it does |\n|---|---|"]
    commands = [*((verb.__name__.rstrip("_"), verb) for verb in VERBS), ("new recipe", new_recipe)]
    commands.sort(key=lambda each: list(COMMANDS).index(each[0]))
    for name, _ in commands:
        anchor = name.replace(" ", "-")
        parts[-1] += f"\n| [`spikeproof {name}`](#spikeproof-{anchor}) | {COMMANDS[name].short} |"
    return "\n\n".join([part.rstrip() for part in parts] + [section(name, verb) for name, verb in commands]) + "\n"


def section(name: str, verb: Any) -> str:
    """Return what the page says of a command."""
    rows = [row(parameter, hint) for parameter, hint in parameters(verb)]
    parts = [
        f"## spikeproof {name}",
        " ".join((inspect.getdoc(verb) or "").split()),
        f"```console\n{COMMANDS[name].example}\n```",
    ]
    if rows:
        parts.append("\n".join(["| | |", "|---|---|", *(f"| `{written}` | {words} |" for written, words in rows)]))
    return "\n\n".join(parts)


def parameters(verb: Any) -> list[tuple[inspect.Parameter, Any]]:
    """Return the parameters of a command with their types; what all commands have is told once, above."""
    hints = typing.get_type_hints(verb, include_extras=True)
    found = inspect.signature(verb).parameters.values()
    return [(each, hints[each.name]) for each in found if each.name not in ("quiet", "verbose")]


def row(parameter: inspect.Parameter, hint: Any) -> tuple[str, str]:
    """Return how an argument or an option is written, and what it does."""
    kind, info = typing.get_args(hint)[0], hint.__metadata__[0]
    options = [inner for inner in typing.get_args(kind) if inner is not type(None)]
    plain = options[0] if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union else kind
    words = " ".join((info.help or "").split()).replace("|", "\\|")
    if type(info).__name__ == "ArgumentInfo":
        name = parameter.name.upper()
        return (name if parameter.default is inspect.Parameter.empty else f"[{name}]"), words
    named = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
    names = ", ".join(named or [f"--{parameter.name.replace('_', '-')}"])
    if plain is bool:
        return names, words
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return f"{names} {{{','.join(one.value for one in plain)}}}", words + default(parameter)
    return f"{names} {shown(plain)}", words + default(parameter)


def shown(kind: Any) -> str:
    """Return what stands for a value of a kind."""
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is list else kind
    return {int: "N", float: "X", Path: "PATH", str: "TEXT"}[inner]


def default(parameter: inspect.Parameter) -> str:
    """Return the default of an option in words, if it has one that its help does not tell."""
    value = parameter.default
    if value is None or value is inspect.Parameter.empty:
        return ""
    return f" Default {value.value if isinstance(value, enum.Enum) else value}."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
