"""Options that several verbs share, and what is read from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ...contract.errors import InputError
from . import pretrained

_LONGEST = 1e8
"""Seconds: three years, below what a clock of the system can wait for."""


class Backend(str, Enum):
    """What runs a network."""

    lava = "lava"
    engine = "engine"
    reference = "reference"


class Device(str, Enum):
    """What trains a network."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Precision(str, Enum):
    """Floats that train a network."""

    full = "32"
    half = "bf16"


def _seconds(value: float | None) -> float | None:
    if value is not None and not 0 < value <= _LONGEST:
        raise InputError(f"--deadline {value:g}: give seconds, more than 0, up to {_LONGEST:g}.")
    return value


def _time_step(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"--dt {value:g}: give the seconds of a time step, above 0: 1e-4 say.")
    return value


def _image(value: str | None) -> str | None:
    if value is not None and image(value) is None:
        raise InputError(f"--input-shape {value}: give channels, rows and columns, 2,34,34 say.")
    return value


def count_of_samples(value: str | None) -> str | None:
    """Return what ``--samples`` names, if it is a number from 1 or 'all'; anything else is an InputError."""
    if value is not None and value != "all" and not (value.isascii() and value.isdecimal() and 0 < int(value) < 2**31):
        raise InputError(f"--samples {value}: give a number from 1, or 'all'.")
    return value


Samples = Annotated[
    str | None,
    typer.Option(
        "--samples", "-n", help="Number of samples, or 'all'; default 20, or all of fewer.", callback=count_of_samples
    ),
]
Deadline = Annotated[float | None, typer.Option(help="Seconds that Lava may take.", callback=_seconds)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a setting of the recipe, epochs=20; spikeproof recipes NAME lists them. More than once.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, max=2**31 - 1, help="Sample period of another tool's file; default that of the input."),
]
Dt = Annotated[
    float | None,
    typer.Option(
        "--dt",
        help="Seconds of a time step of another tool's .nir; default what it says, or 1e-4.",
        callback=_time_step,
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(help="C,H,W: images that enter a stock lava-dl file without an input layer.", callback=_image),
]
ClampDelays = Annotated[
    bool, typer.Option("--clamp-delays", help="Cut delays of a stock file to 62 steps, as stock NetX does.")
]
DelayShift = Annotated[bool, typer.Option("--delay-shift", help="The blocks of a stock file had SLAYER's delay_shift.")]


def image(text: str | None) -> tuple[int, ...] | None:
    """Return the three numbers of ``--input-shape``, or None."""
    parts = (text or "").split(",")
    whole = all(part.strip().isdecimal() and 0 < int(part) < 2**31 for part in parts)
    return tuple(map(int, parts)) if len(parts) == 3 and whole else None


def samples_of(wanted: str | None, available: int | None, default: int = 20) -> int:
    """Return the number that ``--samples`` asks for.

    Parameters
    ----------
    wanted : str or None
        A number, "all", or None for the default.
    available : int or None
        How many there are; None if they are drawn.
    default : int
        What is taken if nothing is asked for, or all if there are fewer.

    Raises
    ------
    InputError
        There are fewer than asked for, or "all" of what is drawn.
    """
    if wanted is None:
        return default if available is None else min(default, available)
    if wanted == "all":
        if available is None:
            raise InputError("--samples all: random input has no end. Give a number, or an --input.")
        return available
    if available is not None and int(wanted) > available:
        raise InputError(f"--samples {wanted}: there are {available}.")
    return int(wanted)


def refuse_name(path: Path) -> None:
    """Refuse the name of a trained network that comes with the package, where its folder or its file is asked for."""
    if not path.exists() and str(path) in pretrained.names():
        raise InputError(
            f"{path}: no such file. It is the name of a trained network that comes with spikeproof; give its folder: "
            f"{pretrained.folder_of(str(path))}"
        )


def network_of(path: Path) -> Path:
    """Return the network file that a path names: itself, or that of a training run's folder.

    Raises
    ------
    InputError
        A folder holds no exported network.
    """
    refuse_name(path)
    if not path.is_dir():
        return path
    inside = path / "net.net"
    if not inside.is_file():
        raise InputError(
            f"{path} is a folder without a network, net.net. Name a network file, or the folder of a finished run "
            "whose network can be exported."
        )
    return inside


def reading(
    steps: int | None,
    input_shape: str | None,
    delay_shift: bool,
    *,
    dt: float | None = None,
    clamp_delays: bool = False,
) -> dict[str, Any]:
    """Return the keywords of `spikeproof.load` that these options stand for."""
    found = {"steps": steps, "input_shape": image(input_shape), "dt": dt}
    return found | {"delay_shift": delay_shift, "clamp_delays": clamp_delays}


def given(options: Mapping[str, Any]) -> list[str]:
    """Return which of some options were given: names of those that are not None, False or an empty list."""
    return [name for name, value in options.items() if value is not None and value is not False and value != []]


def refuse_unused(options: Mapping[str, Any], why: str) -> None:
    """Refuse options that were given and have no use here: nothing that a user asks for is silently ignored.

    Parameters
    ----------
    options : mapping
        Name of an option -> its value; None or False if it was not given.
    why : str
        Why they have none, and what to do.

    Raises
    ------
    InputError
        One of them was given.
    """
    useless = given(options)
    if useless:
        raise InputError(f"{', '.join(useless)}: {why}")


def of_reading(reads: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `reading` gave by the names of the options."""
    return {f"--{name.replace('_', '-')}": value for name, value in reads.items()}


OF_RUN = "for files of other tools; a training run says all of this itself. Leave it out."
"""Why options on how a file is read are refused for a run."""
