"""Network files of every format, told apart by their suffix: ``.nir`` is NIR, anything else NetX."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..contract.errors import InputError
from ..contract.net import Net
from . import netx, stock

NIR_SUFFIX = ".nir"


def is_nir(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names a NIR file."""
    return Path(path).suffix.lower() == NIR_SUFFIX


def given(network: Any, call: str, steps: Callable[[], int | None] | None = None) -> Net:
    """Return the record that a call is given: itself, or what is in a file; anything else is refused by name.

    `steps` says how long samples are, once it is known that the network is one; see `read`.
    """
    if isinstance(network, Net):
        return network
    if isinstance(network, str | os.PathLike):
        return read(network, steps=None if steps is None else steps())
    raise InputError(
        f"{call}: the network is a record or a file, no {type(network).__name__}. Make a record of a module by "
        "spikeproof.record(module, sample=x)."
    )


def load(
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    input_shape: tuple[int, ...] | None = None,
    delay_shift: bool = False,
    dt: float | None = None,
    clamp_delays: bool = False,
) -> Net:
    """Read a network record from a file.

    Parameters
    ----------
    path : path-like
        A NetX file of ours or of stock lava-dl, or a NIR file of ours or of another tool.
    steps : int, optional
        Sample period, where the file states none, as other tools' and most of stock lava-dl's do not; default 100.
    input_shape : tuple of int, optional
        Channels, rows and columns of the images that enter a stock file that has no input layer.
    delay_shift : bool
        Whether the blocks of a stock file had SLAYER's ``delay_shift``, which it does not say.
    dt : float, optional
        Seconds of a time step, for another tool's NIR file; default what its metadata say, or 1e-4.
    clamp_delays : bool
        Whether delays of a stock file of more than 62 steps become that long, as in stock NetX, and are not refused.

    Returns
    -------
    Net

    Raises
    ------
    InputError
        A time step was given that is none, or something was given that the file itself says.
    FileFormatError
        The file cannot be read.
    UnsupportedError
        Another tool's file holds something that cannot be run exactly.
    MissingDependencyError
        A NIR file, and the package nir is not installed.
    """
    if isinstance(path, Net):
        raise InputError("load(path) reads a file, and was given a network record, which needs no loading.")
    _refuse_path(path, "load(path)")
    more = {"input_shape": input_shape, "delay_shift": delay_shift, "clamp_delays": clamp_delays}
    net, used = _read(path, steps=steps, dt=dt, **more)
    given = {name for name, value in {"steps": steps, **more}.items() if value is not None and value is not False}
    unused = sorted(given.difference(used))
    if unused:
        named = " and ".join(f"{name} (--{name.replace('_', '-')})" for name in unused)
        raise InputError(
            f"{named}: not for {path}: what it is about stands in the file, or does not occur there. Leave it out."
        )
    return net


def _refuse_path(path: Any, call: str) -> None:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{call}: the path is a text or a Path, no {type(path).__name__}.")


def read(path: str | os.PathLike[str], **options: Any) -> Net:
    """Read a network record as `load` does; an option is a default, for files that do not say what it is about."""
    return _read(path, **options)[0]


def _read(
    path: str | os.PathLike[str], *, steps: int | None = None, dt: float | None = None, **of_stock: Any
) -> tuple[Net, tuple[str, ...]]:
    """Return the record, and the names of the options that say something of such a file."""
    if is_nir(path):
        from .nir import file as nir_file

        found = nir_file.read(path, dt=dt, steps=steps)
        return (found, ()) if isinstance(found, Net) else (found.net, ("steps", "dt"))
    if dt is not None:
        raise InputError(f"{path}: a time step (--dt) is for NIR files of other tools. Leave it out.")
    if not stock.is_stock(path):
        return netx.load(path), ()
    return stock.load(path, steps=steps, **of_stock), ("steps", *of_stock)


def write(net: Net, path: str | os.PathLike[str], *, stock: bool = False) -> None:
    """Write a network record in the format that the suffix names; the file appears whole or not at all.

    Parameters
    ----------
    net : Net
        The record.
    path : path-like
        Where to; an existing file is replaced.
    stock : bool
        Whether stock NetX must be able to load the file and run it exactly. A network that is no chain then lies in it
        as one recurrent layer too.

    Raises
    ------
    UnsupportedError
        Stock NetX cannot run the network; it names each layer and the reason.
    """
    net = given(net, "write(net, path)")
    _refuse_path(path, "write(net, path)")
    if stock and is_nir(path):
        raise InputError(f"{path} is a NIR file, which stock NetX does not read. Name a file of another suffix.")
    if stock:
        netx.require(net)
    if not is_nir(path):
        netx.write(net, path, stock=stock)
        return
    from .nir import graph as nir_graph

    nir_graph.write(net, path)
