"""What the doctor finds, and that commands work where nothing may be written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import njit

from spikeproof.sim import doctor
from spikeproof.sim.engine import kernels as engine_kernels

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def read_only(tmp_path_factory):
    """Install the package where no folder can be made beside its modules; give an environment that uses it."""
    place = tmp_path_factory.mktemp("install")
    for folder in ("contract", "export", "train", "sim", "lava_procs", "cli"):
        shutil.copytree(ROOT / folder, place / "spikeproof" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(ROOT / name, place / "spikeproof")
    # A file in its place keeps even root from making the folder.
    for folder in ("contract/compiled", "sim/engine", "sim/engine/loops", "train/kernels/cpu"):
        (place / "spikeproof" / folder / "__pycache__").touch()
    kept = {key: value for key, value in os.environ.items() if key not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    return {**kept, "HOME": "/dev/null", "MPLCONFIGDIR": str(place), "PYTHONPATH": str(place)}


def python(environment, *arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_every_kernel_works_where_nothing_may_be_written(read_only, tmp_path):
    code = (
        "import numpy as np, torch\n"
        "from spikeproof.sim.engine import conv, kernels as engine\n"
        "from spikeproof.train.kernels import api\n"
        "from spikeproof.train.kernels.cpu import lif_float, leaky, loops\n"
        f"assert engine.__file__.startswith({read_only['PYTHONPATH']!r}), engine.__file__\n"
        "for kernel in (engine.events, leaky._forward_loop, lif_float._forward_loop, loops.celif_forward):\n"
        "    assert kernel.stats.cache_path is None\n"
        "z = np.zeros((2, 3))\n"
        "engine.events(np.eye(2), np.arange(6.0).reshape(2, 3), np.ones((1, 3)), z)\n"
        "assert z.tolist() == [[1, 2, 3], [4, 5, 6]]\n"
        "constants = api.LIFConstants(decay=0.5, threshold=1.0, half_width=0.2)\n"
        "print(lif_float.lif_forward(torch.full((2, 1), 0.5), constants)[1].ravel().tolist())\n"
    )
    found = python(read_only, "-c", code)
    assert (found.returncode, found.stdout) == (0, "[0.5, 0.75]\n"), found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["fused", "reference"])
def test_training_works_where_nothing_may_be_written(read_only, tmp_path, kernels):
    settings = [part for one in ("epochs=1", "stride=16", "hidden=5") for part in ("--set", one)]
    environment = {**read_only, "SPIKEPROOF_KERNELS": kernels}
    found = python(environment, "-m", "spikeproof", "train", "digits", *settings, "--folder", tmp_path / "run")
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "run" / "net.net").is_file()


@pytest.mark.lava
def test_the_doctor_says_that_nothing_may_be_written_and_that_all_works(read_only):
    found = python(read_only, "-m", "spikeproof", "doctor", "--json")
    assert found.returncode == 0, found.stderr
    findings = {one["name"]: one for one in json.loads(found.stdout)}
    assert findings["kernel cache"]["words"].startswith("none: numba finds no folder that it may write to")
    assert "NUMBA_CACHE_DIR" in findings["kernel cache"]["words"]
    assert findings["trial run"]["words"].startswith("engine and lava are exact")


def test_the_doctor_names_the_folder_of_the_kernels(monkeypatch):
    (found,) = doctor._kernel_cache()
    assert found.ok and Path(found.words).is_dir()
    monkeypatch.setattr(engine_kernels, "events", njit(engine_kernels.events.py_func))
    (found,) = doctor._kernel_cache()
    assert found.ok and found.words.startswith("none: ")


def test_the_doctor_outlives_what_its_trial_raises(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("planted 5")

    monkeypatch.setattr("spikeproof.sim.verify.verify.verify", fails)
    findings = {found.name: found for found in doctor.examine()}
    assert not findings["trial run"].ok and findings["trial run"].words.startswith("RuntimeError: planted 5")
    assert findings["numpy"].ok


def test_a_function_that_numba_refuses_for_another_reason_is_not_compiled(monkeypatch):
    from spikeproof.contract.compiled import compiling

    def refuses(**_):
        raise RuntimeError("planted 6")

    monkeypatch.setattr(compiling, "njit", refuses)
    with pytest.raises(RuntimeError, match="planted 6"):
        compiling.compiled(lambda x: x)


def test_every_dependency_is_listed_with_what_it_is_for():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=; ]", line)[0] for line in project["dependencies"] if "< '3.11'" not in line}
    required = {name for name, library in doctor.LIBRARIES.items() if not library.optional}
    assert needed | {"numpy"} == required | {"numpy"}
    extras = {re.split(r"[<>=;\[ ]", line)[0] for lines in project["optional-dependencies"].values() for line in lines}
    assert set(doctor.LIBRARIES) - required <= extras
    assert all(library.needed_for and "pip install" in library.install for library in doctor.LIBRARIES.values())


ABSENT = """
import importlib.metadata, json, sys
absent = {absent}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
version = importlib.metadata.version
def hidden(name):
    if name.replace("scikit-learn", "sklearn").replace("lava-nc", "lava").replace("lava-dl", "lava") in absent:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = hidden
sys.argv = ["spikeproof", "doctor", "--json"]
from spikeproof.cli import main
main()
"""
OTHERS = [
    "torch", "h5py", "numba", "threadpoolctl", "jinja2", "safetensors", "lightning", "sklearn", "pooch",
    "matplotlib", "scipy", "networkx", "asteval", "nir", "distributed",
]  # fmt: skip
"""All but what the command line itself is made of: NumPy, typer, rich and pydantic, which typer imports."""


@pytest.mark.parametrize("absent", [OTHERS, ["h5py"], ["numba"], ["asteval"]], ids=["all", "h5py", "numba", "asteval"])
def test_the_doctor_never_fails_for_want_of_a_library(absent, tmp_path):
    code = ABSENT.format(absent={*absent, "lava"})
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert found.returncode == 1 and found.stderr == "", found.stderr
    findings = {one["name"]: one for one in json.loads(found.stdout)}
    for name in absent:
        said = findings[name.replace("sklearn", "scikit-learn")]
        assert said["ok"] == (name in ("nir", "distributed")) and "pip install" in said["words"]
    assert not findings["lava-nc"]["ok"] and "pip install" in findings["lava-nc"]["words"]
    assert not findings["trial run"]["ok"]
