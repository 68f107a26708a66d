"""What is installed, what works, and the command that fixes what does not."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import NamedTuple

import numpy as np

from ..contract.errors import SpikeproofError
from ..contract.net import Input, Layer, Net
from ..contract.neurons.celif import CELIF
from ..contract.synapses.dense import Dense

_PIP = "python -m pip install"


class _Library(NamedTuple):
    needed_for: str
    install: str
    optional: bool = False


def _library(needed_for: str, name: str, *, optional: bool = False) -> _Library:
    return _Library(needed_for, f"{_PIP} {name}", optional)


LIBRARIES = {
    "torch": _Library(
        "training and verifying trained modules", f"{_PIP} torch --index-url https://download.pytorch.org/whl/cpu"
    ),
    "h5py": _library("network files", "h5py"),
    "numba": _library("the batch engine and fast training", "numba"),
    "threadpoolctl": _library("the threads of the batch engine", "threadpoolctl"),
    "jinja2": _library("reports", "jinja2"),
    "safetensors": _library("training runs", "safetensors"),
    "lightning": _library("training runs", "lightning"),
    "pydantic": _library("recipes and the command line", "pydantic"),
    **({"tomli": _library("recipes", "tomli")} if sys.version_info < (3, 11) else {}),
    "scikit-learn": _library("the digits task", "scikit-learn"),
    "pooch": _library("downloading datasets", "pooch"),
    "matplotlib": _library("SLAYER, which imports it, and pictures", "matplotlib"),
    "typer": _library("the command line", "typer"),
    "rich": _library("the command line", "rich"),
    "scipy": _library("Lava, which imports it, and the QTDB task", "scipy"),
    "networkx": _library("Lava, which imports it", "networkx"),
    "asteval": _library("Lava, which imports it", "asteval"),
    "nir": _library("NIR files", "nir", optional=True),
    "distributed": _library("Lava on many processes or machines", "distributed", optional=True),
    "nbclient": _library("running the tutorials as notebooks", "jupytext nbclient ipykernel", optional=True),
    "mkdocs-material": _library(
        "building the site", "mkdocs-material 'mkdocstrings[python]' mkdocs-jupyter", optional=True
    ),
}
"""Library -> what it is for and what installs it; a test compares them with those that pyproject.toml names."""


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
    findings += [_examined(name, library) for name, library in LIBRARIES.items()]
    return [*findings, *_kernel_cache(), *_lava(), _trial(deadline)]


def _examined(name: str, library: _Library) -> Finding:
    try:
        return Finding(name, True, f"{importlib.metadata.version(name)}, for {library.needed_for}")
    except importlib.metadata.PackageNotFoundError:
        absent = "optional, not installed" if library.optional else "not installed"
        return Finding(name, library.optional, f"{absent}; needed for {library.needed_for}. {library.install}")


def _kernel_cache() -> list[Finding]:
    """Say where numba keeps what it compiles; nothing, if it cannot be imported."""
    try:
        from .engine import kernels as engine_kernels
    except (SpikeproofError, ImportError):
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
        from .verify.verify import verify

        verdict = verify(net, spikes, deadline=deadline)
    except SpikeproofError as error:
        return Finding("trial run", False, str(error))
    except ImportError as error:
        return Finding("trial run", False, f"{error}; the lines above say what installs it")
    except Exception as error:  # whatever does not work, the rest of the report is worth having
        return Finding("trial run", False, f"{type(error).__name__}: {error}. Hint: spikeproof verify shows more.")
    return Finding("trial run", verdict.exact, str(verdict.comparisons[0]))
