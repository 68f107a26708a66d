"""What a core holds: a table of limits, each with its source and how certain it is, that a user may override."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ...contract.errors import FileFormatError, InputError
from .. import texts
from ..quoted import message, plain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST = 2**31 - 1
CERTAINTIES = ("published", "reconstructed", "measured", "assumed", "user")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit.

    Parameters
    ----------
    value : int
        At most this many, at least 1.
    certainty : str
        One of `CERTAINTIES`.
    source : str
        Where the value comes from.
    words : str
        What is limited.
    """

    value: int
    certainty: str
    source: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits; `limits.toml` beside this module says what they mean and where they come from."""

    core_words: Limit
    synapse_words: Limit
    input_axons: Limit
    axon_map: Limit
    state_words: Limit
    neuron_groups: Limit
    longest_delay: Limit
    cores_per_chip: Limit
    chips: Limit

    def replace(self, changes: Mapping[str, Any], where: str = "the user's own value") -> Limits:
        """Return limits of which some are the user's.

        Parameters
        ----------
        changes : mapping of str to int or mapping
            Name -> value, or a table with ``value`` and, if wished, ``certainty``, ``source`` and ``words``.
        where : str
            What to give as the source of a bare value, and what messages name.

        Raises
        ------
        InputError
            A name is unknown or a value is not a whole number from 1.
        """
        known = dataclasses.asdict(self)
        found = {}
        for name, change in changes.items():
            if name not in known:
                raise InputError(f"{where}: {plain(name)} is no limit; known are {', '.join(known)}.")
            table = dict(change) if isinstance(change, Mapping) else {"value": change}
            unknown = sorted(set(table) - {"value", "certainty", "source", "words"})
            if unknown:
                key = plain(unknown[0])
                raise InputError(f"{where}: {name}.{key} is unknown; known are value, certainty, source, words.")
            value = table.get("value")
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
                shown = "" if isinstance(value, int) and abs(value) > _MOST**2 else f" = {value!r:.40}"
                raise InputError(f"{where}: {name}{shown} is not a whole number from 1 to {_MOST}.")
            if table.get("certainty", "user") not in CERTAINTIES:
                raise InputError(f"{where}: {name}.certainty: choose one of {', '.join(CERTAINTIES)}.")
            told = {"words": known[name]["words"], "certainty": "user", "source": where}
            for key in table.keys() - {"value"}:
                if not isinstance(table[key], str):
                    raise InputError(f"{where}: {name}.{key} is no text.")
                told[key] = plain(table[key])
            found[name] = Limit(value=value, **told)
        return dataclasses.replace(self, **found)


def load(path: str | os.PathLike[str] | None = None) -> Limits:
    """Return the public limits, with those of a TOML file in their place.

    Parameters
    ----------
    path : path-like, optional
        The user's file: ``synapse_words = 12000``, or a table as in `limits.toml`.

    Raises
    ------
    FileFormatError
        The file is missing or not TOML.
    InputError
        A name in it is unknown, or a value is no limit.
    """
    text = (resources.files(__package__) / "limits.toml").read_text(encoding="utf-8")
    limits = Limits(**{name: Limit(**table) for name, table in tomllib.loads(text).items()})
    if path is None:
        return limits
    text = texts.read(path)
    try:
        changes = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: not TOML ({message(error)}).") from None
    return limits.replace(changes, str(path))
