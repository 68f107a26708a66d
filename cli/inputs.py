"""What a user names on the command line, opened and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..contract.errors import InputError, UnsupportedError
from . import console


def open_run(folder: Path, *, to_export: bool = True) -> tuple[Any, Any, Any]:
    """Return a run, its trained module and its task."""
    from ..train.run import Run

    run = Run.open(folder)
    recipe = run.recipe()
    if to_export and not recipe.deployable and not recipe.floating:  # what the latter are made of is looked at later
        raise UnsupportedError(
            f"{folder}: {recipe.neuron} is a floating-point neuron to compare with, so there is nothing to export or "
            "verify. Train with --set neuron=ce-lif."
        )
    run.result()  # refuses a damaged one before anything long is done
    task = recipe.load_task()
    return run, run.load_into(recipe.module(task)), task


def read_net(path: Path, x: Any) -> tuple[Any, Any]:
    """Return the record in a file, and what it was imported from if that is another tool's NIR graph."""
    from ..export import formats

    if not formats.is_nir(path):
        return formats.load(path), None
    from ..export import nir_file
    from ..export.nir_foreign import Imported

    found = nir_file.read(path, steps=x.shape[-1] if x is not None and x.ndim else None)
    if not isinstance(found, Imported):
        return found, None
    for note in found.notes:
        console.ERR.print(note, markup=False)
    return found.net, found


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """Read an input array; nothing is unpickled."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            names = loaded.files
            if "x" in names:
                return np.asarray(loaded["x"])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a .npy or .npz file of numbers ({error}).") from None
    raise InputError(f"{path}: no array called x; it holds {', '.join(names)}.")


def count(samples: str, available: int | None) -> int:
    """Return the number that ``--samples`` asks for, of those available if that is known."""
    if samples == "all" and available is not None:
        return available
    if not samples.isdecimal() or not int(samples):
        raise InputError(f"--samples {samples}: give a number from 1" + (", or 'all'." if available else "."))
    if available is not None and int(samples) > available:
        raise InputError(f"--samples {samples}: there are {available}.")
    return int(samples)
