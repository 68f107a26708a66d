"""What is wrong with a recipe, in words: which key, why, and which keys its model has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...export.quoted import did_you_mean, plain

if TYPE_CHECKING:
    from .recipe import Recipe


def told(error: Any, kind: type[Recipe], neuron: Any, kinds: Sequence[type[Recipe]], *, stored: bool) -> str:
    """Return what is wrong with a recipe.

    Parameters
    ----------
    error : dict
        What pydantic says of the first error.
    kind : type of Recipe
        Which recipe it is, as far as its keys tell.
    neuron : object
        What it says of its neurons.
    kinds : sequence of type of Recipe
        All recipes that there are.
    stored : bool
        Whether it was stored or changed, so that keys of other models are there with their defaults.
    """
    tags = {tag for other in kinds for tag in _tags(other)}
    key = ".".join(str(part) for part in itertools.dropwhile(tags.__contains__, error["loc"])) or "recipe"
    words, given, context = error["msg"].removeprefix("Value error, "), error["input"], error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return _told_of_key(key, kind, neuron, kinds, stored=stored)
    if error["type"] == "union_tag_invalid":
        key, given = context["discriminator"].strip("'"), context["tag"]
        words = f"Input should be one of {context['expected_tags']}"
    if key in ("model", "neuron"):
        words += f" with model = {_tags(kind)[0]!r}" * (key == "neuron") + f", not {given!r}"
    return f"{key}: {words}."


def _told_of_key(key: str, kind: type[Recipe], neuron: Any, kinds: Sequence[type[Recipe]], *, stored: bool) -> str:
    """Return why a model does not have a key, and which it has."""
    known = ", ".join(kind.keys())
    fields = [other.model_fields[key] for other in kinds if key in other.model_fields]
    if not fields:
        return f"{plain(key)} is unknown.{did_you_mean(key, kind.keys())} Known are {known}."
    fix = f"Set it to {fields[0].default}, its default" if stored else "Leave it out"
    return (
        f"{key} is for model = {_having(key, kinds)}, and model is {_tags(kind)[0]!r} of neuron {neuron!r}. {fix}. "
        f"Known are {known}."
    )


def _having(key: str, kinds: Sequence[type[Recipe]]) -> str:
    """Return the models that have a key, with their neurons where not all recipes of a model have it."""
    found = []
    for model, group in itertools.groupby(kinds, lambda kind: _tags(kind)[0]):
        of_model = list(group)
        having = [kind for kind in of_model if key in kind.model_fields]
        if len(having) == len(of_model):
            found.append(model)
        else:
            found += [f"{model} of neuron = {_tags(kind)[1]}" for kind in having]
    return " or ".join(filter(None, [", ".join(found[:-1]), found[-1]]))


def _tags(kind: type[Recipe]) -> tuple[str, str]:
    """Return the model of a recipe, and the neuron that it has by default."""
    model, neuron = (kind.model_fields[key].default for key in ("model", "neuron"))
    return model, neuron
