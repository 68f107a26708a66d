"""Settings that all tests share."""

import importlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Workers share the cores. With as many threads as there are cores in each of them, torch's threads wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

# The same examples in every run: a failure on one machine is a failure on all.
settings.register_profile("spikeproof", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("spikeproof")


@pytest.fixture
def bench(monkeypatch):
    """Import modules of ``bench`` by their names, as its scripts do."""
    folder = str(Path(__file__).resolve().parents[1] / "bench")
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command in this process, which spares an interpreter and torch; give (exit code, stdout, stderr)."""
    from spikeproof import cli  # here, so that tests of the contract need no typer

    monkeypatch.delenv("COLUMNS", raising=False)  # that of the terminal that runs the tests

    def run(*arguments, cwd=None):
        monkeypatch.setattr(sys, "argv", ["spikeproof", *map(str, arguments)])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return stopped.value.code or 0, out, err

    return run
