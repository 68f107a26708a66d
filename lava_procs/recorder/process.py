"""A Lava process that streams one layer's spikes and state registers into NumPy files.

Lava's own Monitor keeps its data in a Var, which takes some 20 microseconds an element to fetch; here they go
straight to memory-mapped files, so recording every register of every step stays cheap and needs no memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

MAX_REGISTERS = 4


class Recorder(AbstractProcess):
    """Records one layer in every step.

    Parameters
    ----------
    folder : path-like
        Existing folder; gets ``<name>.npy``, int32 of shape (steps, n), for the spikes (``s``) and each register.
    steps : int
        Number of Lava time steps to record, from the first.
    spikes : OutPort, shape (n,), optional
        The layer's spikes; None for a layer that does not fire.
    registers : mapping of str to Var
        Up to four registers of n neurons, read after each step.

    Notes
    -----
    Lava needs a process's ports to be fixed by its class, so the ports that are not wanted stay unconnected.
    """

    def __init__(
        self,
        *,
        folder: str | os.PathLike[str],
        steps: int,
        spikes: OutPort | None,
        registers: Mapping[str, Var],
        name: str | None = None,
    ) -> None:
        if len(registers) > MAX_REGISTERS:
            raise ValueError(f"A Recorder holds {MAX_REGISTERS} registers, not {', '.join(registers)}.")
        files = {key: Path(folder) / f"{key}.npy" for key in (["s"] if spikes is not None else []) + list(registers)}
        super().__init__(files=files, registers=list(registers), spikes=spikes is not None, name=name)
        sources = ([spikes] if spikes is not None else []) + list(registers.values())
        for file, source in zip(files.values(), sources, strict=True):
            np.lib.format.open_memmap(file, mode="w+", dtype=np.int32, shape=(steps, *source.shape)).flush()
        shapes = [var.shape for var in registers.values()] + [(1,)] * MAX_REGISTERS
        self.s_in = InPort(shape=spikes.shape if spikes is not None else (1,))
        self.register_0 = RefPort(shape=shapes[0])
        self.register_1 = RefPort(shape=shapes[1])
        self.register_2 = RefPort(shape=shapes[2])
        self.register_3 = RefPort(shape=shapes[3])
        if spikes is not None:
            spikes.connect(self.s_in)
        for i, var in enumerate(registers.values()):
            getattr(self, f"register_{i}").connect_var(var)
