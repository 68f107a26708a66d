"""On what a report was made: the machine, its processor, and the versions that a result depends on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from ... import __version__

_VERSIONS = ("numpy", "numba", "torch", "lava-nc", "lava-dl", "h5py")


def facts() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    found = {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count() or 1} cores",
        "CPU": cpu() or "unknown",
        "spikeproof": __version__,
        "python": platform.python_version(),
    }
    for name in _VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cpu() -> str:
    """Return the name of the processor; empty if the system does not tell it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor()
