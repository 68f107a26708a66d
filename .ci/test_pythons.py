#!/usr/bin/env python3
"""Run the tests of contract and lava_procs, and engine against Lava, on every CPython 3.10 to 3.13 here.

Each interpreter gets a virtual environment under ``.venvs/``, made once and made again when the interpreter or
what it installs changes. Python 3.10 gets lava-nc with the dependencies that it declares, the newer ones get
it beside current releases, which is what lava_procs/compat.py is for. Python 3.10 also gets lava-dl, as it is and with
the torch that it asks for (over 5 GB), and runs our files on stock NetX.

Exit code: 0 all passed, 1 a test failed, an environment could not be made, or no interpreter was found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
TESTS = ("tests/contract", "tests/lava_procs", "tests/sim/test_engine.py::test_lava_agrees")
# The networks of tests/lava_procs run through sim, whose reader of files needs h5py and whose engine needs numba.
TEST_TOOLS = (
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "hypothesis>=6.100",
    "h5py>=3.11",
    "numba>=0.61",
    "threadpoolctl>=3.5",
)
STOCK_TESTS = (
    "tests/export/test_stock_forms.py::test_stock_netx_runs_every_form_in_every_register",
    "tests/export/test_stock_forms.py::test_biased_samples_follow_each_other_with_the_arguments_that_are_told",
    "tests/export/test_one_layer.py::test_stock_netx_runs_the_one_layer",
)
"""What runs on lava-nc and lava-dl without any change to them."""
UNCHANGED = "3.10"
LAVA, LAVA_DL = "lava-nc==0.10.0", "lava-dl==0.6.0"
IMPORTED_BY_LAVA = ("asteval", "networkx", "numpy", "scipy")


class Outcome(NamedTuple):
    """One line of the summary."""

    version: str
    numpy: str
    passed: int
    failed: int
    skipped: int
    ok: bool
    note: str = ""


def find_pythons() -> dict[str, tuple[str, str]]:
    """Return ``{"3.11": (path, "3.11.7"), ...}``, the newest of each, of those that really run."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    names = [sys.executable, *(shutil.which(f"python{version}") or "" for version in VERSIONS)]
    names += [str(path) for path in pyenv.glob("versions/*/bin/python")]
    found: dict[str, tuple[str, str]] = {}
    for name in filter(None, names):
        full = ask(name, "import sys, venv, ensurepip; print(sys.implementation.name, sys.version.split()[0])")
        implementation, _, release = full.partition(" ")
        version = ".".join(release.split(".")[:2])
        if implementation != "cpython" or version not in VERSIONS:
            continue
        if version not in found or patch(release) > patch(found[version][1]):
            found[version] = (name, release)
    return dict(sorted(found.items(), key=lambda item: VERSIONS.index(item[0])))


def patch(release: str) -> int:
    """Return the last number of a release, 0 for one that is no number (``3.13.0rc1``)."""
    last = release.split(".")[2]
    return int(last) if last.isdigit() else 0


def ask(python: str | Path, code: str) -> str:
    """Return what `code` prints under `python`; nothing where it cannot run (a shim of pyenv, say)."""
    try:
        return subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def install_commands(version: str) -> list[list[str]]:
    """Return the arguments of the calls of ``pip install`` that this version needs."""
    if version == UNCHANGED:
        # Its own pins (NumPy below 2) decide, and our constraints would contradict them. They ask for an old pytest,
        # which nothing of theirs uses.
        return [[LAVA, LAVA_DL], [*TEST_TOOLS]]
    constraints = ROOT / "constraints.txt"
    constrained = ["--constraint", str(constraints)] if constraints.exists() else []
    return [[*constrained, *IMPORTED_BY_LAVA, *TEST_TOOLS], ["--no-deps", "--ignore-requires-python", LAVA]]


def prepare(version: str, python: str, release: str) -> Path:
    """Make the virtual environment of this version where it is not ready; return its interpreter."""
    folder = VENVS / version
    stamp, inside = folder / ".ready", folder / "bin" / "python"
    wanted = hashlib.sha256(f"{python} {release}\n".encode())
    for file in (Path(__file__), ROOT / "constraints.txt"):
        wanted.update(file.read_bytes() if file.exists() else b"")
    if stamp.exists() and stamp.read_text() == wanted.hexdigest():
        return inside
    print(f"Setting up {folder.relative_to(ROOT)} with Python {release} (once)", flush=True)
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    for arguments in install_commands(version):
        subprocess.run([inside, "-m", "pip", "install", "--quiet", *arguments], check=True)
    # A link instead of an editable install: that would need the dependencies which are left out here.
    links = folder / "link"
    links.mkdir()
    (links / "spikeproof").symlink_to(ROOT, target_is_directory=True)
    site = ask(inside, "import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(site) / "spikeproof.pth").write_text(f"{links}\n")
    stamp.write_text(wanted.hexdigest())
    return inside


def run_tests(version: str, release: str, python: Path, arguments: list[str]) -> Outcome:
    """Run pytest under `python` and count what it reports."""
    tests = [path for path in TESTS if (ROOT / path.partition("::")[0]).exists()]
    tests += STOCK_TESTS if version == UNCHANGED else ()
    report = VENVS / version / "report.xml"
    report.unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    print(f"\nPython {release}", flush=True)
    options = ["-q", "-o", f"cache_dir={VENVS / version / 'cache'}", f"--junitxml={report}"]
    command = [str(python), "-m", "pytest", *options, *tests, *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment).returncode
    numpy = ask(python, "import numpy; print(numpy.__version__)") or "none"
    suite = ET.parse(report).getroot().find("testsuite") if report.exists() else None
    if suite is None:
        return Outcome(release, numpy, 0, 0, 0, False, f"pytest ended with {status} and no report")
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    note = "" if status == 0 else "no tests found" if status == 5 else f"pytest ended with {status}"
    return Outcome(release, numpy, total - failed - skipped, failed, skipped, status == 0, note)


def main(arguments: list[str]) -> int:
    """Test every interpreter; `arguments` go to pytest."""
    pythons = find_pythons()
    outcomes = []
    for version, (python, release) in pythons.items():
        try:
            outcomes.append(run_tests(version, release, prepare(version, python, release), arguments))
        except subprocess.CalledProcessError as error:
            outcomes.append(Outcome(release, "none", 0, 0, 0, False, f"not set up: exit {error.returncode}"))
    print()
    for o in outcomes:
        counts = f"{o.passed} passed, {o.failed} failed, {o.skipped} skipped"
        note = f" ({o.note})" if o.note else ""
        print(f"Python {o.version:8}NumPy {o.numpy:8}{'ok' if o.ok else 'FAILED':8}{counts}{note}")
    absent = [version for version in VERSIONS if version not in pythons]
    if absent:
        print(f"Not found on this machine: Python {', '.join(absent)}")
    return 0 if outcomes and all(o.ok for o in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
