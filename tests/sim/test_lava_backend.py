"""Lava in its child process: failures end by the deadline, say why, and leave nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikeproof.contract.celif import CELIF
from spikeproof.contract.errors import BackendError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.synapse import Dense
from spikeproof.sim import lava_backend

pytestmark = pytest.mark.lava

NET = Net(
    input=Input(num_channels=1),
    layers=(
        Layer(
            name="a",
            synapse=Dense(weight=[[40]]),
            neuron=CELIF(num_neurons=1, v_decay=0, th_decay=0, v_th_mant=1, te_exp=9),
        ),
    ),
    steps=8,
    te=[[1]],
)
PAYLOAD = np.ones((3, 1, 8), np.int32)

FAULTS = {
    # Python imports sitecustomize when it starts, so these reach the processes that Lava forks.
    "raises": "raise RuntimeError('planted fault 7')",
    "returns never": "__import__('time').sleep(3600)",
    "dies": "__import__('os')._exit(9)",
}


def plant(monkeypatch, tmp_path, fault, where="step"):
    """Make the contract's CE-LIF misbehave in child processes, from its tenth call on."""
    (tmp_path / "sitecustomize.py").write_text(
        "import spikeproof.contract.celif as celif\n"
        f"original, calls = celif.{where}, []\n"
        "def faulty(*args, **keywords):\n"
        "    calls.append(1)\n"
        f"    if len(calls) > {9 if where == 'step' else 0}:\n"
        f"        {fault}\n"
        "    return original(*args, **keywords)\n"
        f"celif.{where} = faulty\n"
    )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("SPIKEPROOF_TEST_MARK", str(tmp_path))


def left_behind(mark):
    """Processes that carry this test's mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if f"SPIKEPROOF_TEST_MARK={mark}".encode() in environment and state != "Z":
                found.append(entry.name)
    return found


def orphaned_memory():
    """Shared memory that no process maps any more: what a killed run would leave until the next boot."""
    existing, mapped = set(os.listdir("/dev/shm")), ""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                mapped += (entry / "maps").read_text()
            except OSError:
                continue
    return {name for name in existing if name.startswith("psm_") and name not in mapped}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to look for processes")
@pytest.mark.parametrize(
    ("fault", "deadline", "words"),
    [
        ("raises", 90.0, r"(?s)Lava failed: RuntimeError: planted fault 7.*Traceback"),
        ("returns never", 12.0, r"Lava did not finish within 12 s and was ended\. Allow more with --deadline"),
        ("dies", 12.0, r"Lava did not finish within 12 s|ended without a result|Lava failed"),
    ],
)
def test_a_faulty_process_model_ends_by_the_deadline(monkeypatch, tmp_path, fault, deadline, words):
    plant(monkeypatch, tmp_path, FAULTS[fault])
    orphans = orphaned_memory()
    started = time.monotonic()

    with pytest.raises(BackendError, match=words):
        lava_backend.run(NET, PAYLOAD, deadline=deadline)

    assert time.monotonic() - started < deadline + 10
    wait_until(lambda: not left_behind(tmp_path), 5)
    wait_until(lambda: not orphaned_memory() - orphans, 10)


def test_a_process_model_that_fails_before_the_first_step_is_reported(monkeypatch, tmp_path):
    plant(monkeypatch, tmp_path, FAULTS["raises"], where="reset")

    with pytest.raises(BackendError, match="planted fault 7"):
        lava_backend.run(NET, PAYLOAD, deadline=90)
    assert left_behind(tmp_path) == []


def test_lava_ends_when_its_parent_is_killed(monkeypatch, tmp_path):
    plant(monkeypatch, tmp_path, FAULTS["returns never"])
    code = (
        "import numpy as np; from spikeproof.export import netx; from spikeproof.sim import lava_backend\n"
        f"lava_backend.run(netx.load({str(tmp_path / 'net.net')!r}), np.ones((3, 1, 8), np.int32), deadline=600)"
    )
    from spikeproof.export import netx

    netx.write(NET, tmp_path / "net.net")
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: len(left_behind(tmp_path)) > 4)  # Lava's own processes are up
    parent.kill()
    parent.wait()

    wait_until(lambda: not left_behind(tmp_path))


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def test_a_good_run_reports_its_progress():
    seen = []

    trace = lava_backend.run(NET, PAYLOAD, deadline=90, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(8, 25), (16, 25), (24, 25), (25, 25)]
    assert trace.layers["a"]["s"].sum() > 0
