"""Recipes as the text that a person edits: TOML, with what each key means."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...train.runs.recipe import Recipe

_WIDTH = 96


def names() -> list[str]:
    """Return the names of the recipes that come with the package, without loading what reads them."""
    folder = resources.files(__package__.partition(".")[0]) / "train" / "runs" / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def purpose(name: str) -> str:
    """Return what a recipe that comes with the package is for: the first sentence of its comment."""
    folder = resources.files(__package__.partition(".")[0]) / "train" / "runs" / "recipes"
    words = []
    for line in (folder / f"{name}.toml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words.append(line.removeprefix("#").strip())
    return re.split(r"(?<=[a-z)])[.;] ", " ".join(words), maxsplit=1)[0].rstrip(".")


def text(recipe: Recipe, *, explained: bool = False) -> str:
    """Return a recipe as TOML: what it is and what it sets, and then, as comments, what it leaves at its default.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    explained : bool
        Whether a comment says what each key means.
    """
    stated: list[str] = []
    left: list[str] = []
    kind, meanings = type(recipe), meaning(type(recipe)) if explained else {}
    for key in recipe.keys():
        value = getattr(recipe, key)
        told = key in _ALWAYS or value != kind.model_fields[key].default
        words = meanings.get(key)
        lines = textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="#   ") if words else []
        (stated if told else left).extend([*lines, f"{'' if told else '# '}{key} = {_value(value)}"])
    return "\n".join([*stated, "", "# Left at their defaults:", *left, ""])


def stated(recipe: Recipe) -> str:
    """Return what a recipe sets, without what it leaves at its default, a line each."""
    return text(recipe).partition("\n\n")[0]


def meaning(kind: type[Recipe]) -> dict[str, str]:
    """Return what each key of a kind of recipe means, as its classes document it."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = inspect.cleandoc(base.__doc__ or "").partition("Parameters\n----------\n")[2]
        for names, words in re.findall(r"^(\w[\w, ]*) : .*\n((?:    .*\n?|\n)+)", section, re.M):
            found |= dict.fromkeys(names.split(", "), " ".join(re.sub(r"[`]", "", words).split()))
    return found


_ALWAYS = ("task", "model", "neuron", "hidden", "epochs", "seed")
"""Keys that say what a run is, whatever their defaults are."""


def _value(value: Any) -> str:
    """Return a value as TOML writes it, which is as JSON does for all that a recipe holds."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
