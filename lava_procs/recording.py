"""Neurons that write their own spikes and registers into NumPy files.

Lava's own Monitor keeps its data in a Var, which takes some 20 microseconds an element to fetch, and any other process
that reads registers needs a phase of its own in each step, which takes longer than the step. So the model that computes
a register also writes it, to a memory-mapped file: recording every register of every step costs little and no memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

_PARAMETER = "record_to"


def record(process: Any, folder: str | os.PathLike[str], steps: int, registers: Iterable[str]) -> None:
    """Let a process of neurons write down what it does, from its first step on.

    Parameters
    ----------
    process : AbstractProcess
        Neurons whose model is a `Recording`; it has not run yet.
    folder : path-like
        Existing folder; gets ``<name>.npy``, int32 of shape (steps, n), for each register, and for the spikes
        (``s``) if the process has a port ``s_out``.
    steps : int
        Number of Lava time steps to record.
    registers : iterable of str
        Vars of n numbers.
    """
    sources = {name: getattr(process, name) for name in registers}
    if hasattr(process, "s_out"):
        sources["s"] = process.s_out
    files = {name: Path(folder) / f"{name}.npy" for name in sources}
    for name, file in files.items():
        np.lib.format.open_memmap(file, mode="w+", dtype=np.int32, shape=(steps, *sources[name].shape)).flush()
    process.proc_params[_PARAMETER] = files


class _Heard:
    """An output port, and what it sent last."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.sent: Any = 0

    def send(self, data: np.ndarray) -> None:
        self._port.send(data)
        self.sent = data


class Recording:
    """The part of a process model that does what `record` asked for; it stands before the neuron's own model."""

    implements_process = None  # Lava lets no other process inherit a model, and one of its own comes behind this class

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)  # type: ignore[call-arg]  # a model of Lava comes behind this class
        # Opened here, in the model's own process, so the mapping is not shared through a fork.
        files = proc_params.get(_PARAMETER, {})
        self._files = {name: np.load(path, mmap_mode="r+") for name, path in files.items()}

    def run_spk(self) -> None:
        """Compute one time step, and write it down."""
        model: Any = self
        if "s" in self._files and not isinstance(model.s_out, _Heard):  # Lava sets ports after __init__
            model.s_out = _Heard(model.s_out)
        super().run_spk()  # type: ignore[misc]
        row = model.time_step - 1
        for name, file in self._files.items():
            if row < len(file):
                file[row] = model.s_out.sent if name == "s" else getattr(model, name)
