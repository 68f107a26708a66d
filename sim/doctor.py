"""What is installed, what works, and the command that fixes what does not."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import NamedTuple

import numpy as np

from ..contract.errors import SpikeproofError
from ..contract.net import Input, Layer, Net
from ..contract.neurons.celif import CELIF
from ..contract.synapses.dense import Dense
from .verify.verify import verify

_LIBRARIES = {
    # library: what it is needed for, and what installs it
    "torch": ("training and verifying trained modules", "python -m pip install torch"),
    "h5py": ("network files", "python -m pip install h5py"),
    "numba": ("the batch engine and fast training", "python -m pip install numba"),
    "safetensors": ("training runs", "python -m pip install safetensors"),
    "jinja2": ("reports", "python -m pip install jinja2"),
    "matplotlib": ("SLAYER, which imports it", "python -m pip install matplotlib"),
    "scikit-learn": ("the digits task", "python -m pip install scikit-learn"),
}


class Finding(NamedTuple):
    """One line of the doctor's report."""

    name: str
    ok: bool
    words: str
    """What was found, and how to fix it if it is not well."""


def examine(*, deadline: float = 120.0) -> list[Finding]:
    """Look at the installation and run a small network on Lava.

    Parameters
    ----------
    deadline : float
        Seconds that Lava may take.

    Returns
    -------
    list of Finding
    """
    findings = [Finding("python", True, platform.python_version()), Finding("numpy", True, np.__version__)]
    for name, (purpose, fix) in _LIBRARIES.items():
        try:
            findings.append(Finding(name, True, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, False, f"not installed; needed for {purpose}. {fix}"))
    return [*findings, *_kernel_cache(), *_lava(), _trial(deadline)]


def _kernel_cache() -> list[Finding]:
    """Say where numba keeps what it compiles; nothing, if it cannot be imported."""
    try:
        from .engine import kernels as engine_kernels
    except SpikeproofError:
        return []
    place = engine_kernels.events.stats.cache_path
    nowhere = (
        "none: numba finds no folder that it may write to, so every process compiles its kernels anew, which takes "
        "some seconds. To fix it, set the environment variable NUMBA_CACHE_DIR to a folder that you may write to"
    )
    return [Finding("kernel cache", True, place or nowhere)]


def _lava() -> list[Finding]:
    from ..lava_procs import compat

    facts = compat.available()
    found = []
    for name, version in (("lava-nc", facts.lava_nc), ("lava-dl", facts.lava_dl)):
        words = version or f"not installed. {compat.INSTALL_LAVA}"
        found.append(Finding(name, version is not None, words))
    if facts.missing:
        found.append(
            Finding("lava needs", False, f"missing: python -m pip install {' '.join(facts.missing)}"),
        )
    words = "; ".join(facts.needed) if facts.needed else "runs unchanged on this interpreter"
    return [*found, Finding("lava patches", True, words)]


def _trial(deadline: float) -> Finding:
    """Run a one-layer CE-LIF network on Lava and compare it with the contract."""
    neuron = CELIF(
        num_neurons=4, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9, bias_mant=[3, 0, -3, 9], bias_exp=6
    )
    net = Net(
        inputs=(Input(num_channels=2),),
        layers=(Layer(name="trial", synapse=Dense(weight=[[40, 6], [12, 30], [64, -20], [2, 2]]), neuron=neuron),),
        steps=8,
        te=np.arange(-16, 16).reshape(8, 4),
    )
    spikes = np.random.default_rng(0).integers(0, 2, (3, 2, 8))
    try:
        verdict = verify(net, spikes, deadline=deadline)
    except SpikeproofError as error:
        return Finding("trial run", False, str(error))
    except Exception as error:  # whatever does not work, the rest of the report is worth having
        return Finding("trial run", False, f"{type(error).__name__}: {error}. Hint: spikeproof verify shows more.")
    return Finding("trial run", verdict.exact, str(verdict.comparisons[0]))
