"""Lava in its child process: failures end at once or by the deadline, say why, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikeproof.contract.errors import BackendError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim.lava import backend as lava_backend
from spikeproof.sim.lava import worker

pytestmark = pytest.mark.lava

NET = Net(
    inputs=(Input(num_channels=1),),
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
        "from spikeproof.contract.neurons.celif import CELIF\n"
        f"original, calls = CELIF.{where}, []\n"
        "def faulty(*args, **keywords):\n"
        "    calls.append(1)\n"
        f"    if len(calls) > {9 if where == 'step' else 0}:\n"
        f"        {fault}\n"
        "    return original(*args, **keywords)\n"
        f"CELIF.{where} = faulty\n"
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
        ("dies", 90.0, r"^Lava's process \S+ \(CELIF\w*\) ended without a result, with exit code 9\. Run it again"),
    ],
)
def test_a_faulty_process_model_ends_at_once_or_by_the_deadline(monkeypatch, tmp_path, fault, deadline, words):
    plant(monkeypatch, tmp_path, FAULTS[fault])
    orphans = orphaned_memory()
    started = time.monotonic()

    with pytest.raises(BackendError, match=words):
        lava_backend.run(NET, PAYLOAD, deadline=deadline)

    assert time.monotonic() - started < min(deadline, 50) + 10
    wait_until(lambda: not left_behind(tmp_path), 5)
    wait_until(lambda: not orphaned_memory() - orphans, 10)


@pytest.mark.parametrize(("code", "says"), [(0, {"error": "why"}), (9, {"died": "a", "code": 9})])
def test_a_process_that_was_told_to_end_waits_for_the_one_that_raised(monkeypatch, code, says):
    """Lava ends the others as soon as one has raised, and hears what it raised a moment later."""
    calls = iter([None, None, {"error": "why"}])
    monkeypatch.setattr(worker, "_dead", lambda running: iter([{"died": "a", "code": code}]))
    monkeypatch.setattr(worker, "_lava_error", lambda running: next(calls))
    assert worker._fault([]) == says


def test_a_process_that_ends_for_no_reason_is_reported(monkeypatch):
    monkeypatch.setattr(worker, "_LAST_WORDS_SECONDS", 0.1)
    monkeypatch.setattr(worker, "_dead", lambda running: iter([{"died": "a", "code": 0}]))
    monkeypatch.setattr(worker, "_lava_error", lambda running: None)
    assert worker._fault([]) == {"died": "a", "code": 0}


def test_a_process_model_that_fails_before_the_first_step_is_reported(monkeypatch, tmp_path):
    plant(monkeypatch, tmp_path, FAULTS["raises"], where="reset")

    with pytest.raises(BackendError, match="planted fault 7"):
        lava_backend.run(NET, PAYLOAD, deadline=90)
    assert left_behind(tmp_path) == []


def test_lava_ends_when_its_parent_is_killed(monkeypatch, tmp_path):
    plant(monkeypatch, tmp_path, FAULTS["returns never"])
    code = (
        "import numpy as np; from spikeproof.export import netx; from spikeproof.sim.lava import backend\n"
        f"backend.run(netx.load({str(tmp_path / 'net.net')!r}), np.ones((3, 1, 8), np.int32), deadline=600)"
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


NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to look for processes")


def lavas_processes(mark):
    """Return the processes that a worker has forked, in their order: Lava's manager of memory, actors, the runtime."""
    parents = {}
    for pid in map(int, left_behind(mark)):
        if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return sorted(pid for pid, parent in parents.items() if parent in parents)


@NEEDS_PROC
@pytest.mark.parametrize(
    ("which", "number", "words"),
    [
        (1, signal.SIGKILL, r"^Lava's process \S+ \(\w+\) was ended by SIGKILL .*out of memory.*free some memory"),
        (2, signal.SIGSEGV, r"^Lava's process \S+ \(\w+\) was ended by SIGSEGV .*library that it uses has crashed"),
        (-1, signal.SIGKILL, "^Lava's runtime service was ended by SIGKILL .*out of memory"),
        (0, signal.SIGBUS, "^Lava's manager of shared memory was ended by SIGBUS .*/dev/shm is full"),
    ],
)
def test_a_process_of_lava_that_is_killed_ends_the_run_at_once_and_is_named(
    monkeypatch, tmp_path, which, number, words
):
    monkeypatch.setenv("SPIKEPROOF_TEST_MARK", str(tmp_path))
    orphans, killed = orphaned_memory(), []

    def kill(done, total):
        assert done < total
        if not killed:
            os.kill(lavas_processes(tmp_path)[which], number)
            killed.append(time.monotonic())

    with pytest.raises(BackendError, match=words):
        lava_backend.run(NET, np.ones((5_000, 1, 8), np.int32), progress=kill)

    assert time.monotonic() - killed[0] < 20  # no deadline, and 300 s without a step else
    wait_until(lambda: not left_behind(tmp_path), 5)
    wait_until(lambda: not orphaned_memory() - orphans, 10)


@NEEDS_PROC
def test_a_worker_that_is_killed_is_named_though_its_processes_live_on(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEPROOF_TEST_MARK", str(tmp_path))
    workers = []

    def kill(done, total):
        if not workers:
            workers.append(set(map(int, left_behind(tmp_path))) - set(lavas_processes(tmp_path)))
            for pid in workers[0]:
                if b"sim.lava.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    with pytest.raises(BackendError, match="^Lava's main process was ended by SIGKILL .*out of memory"):
        lava_backend.run(NET, np.ones((20_000, 1, 8), np.int32), progress=kill)
    wait_until(lambda: not left_behind(tmp_path), 10)


@pytest.mark.parametrize("fault", ["raise EOFError('Ran out of input')", "__import__('time').sleep(3600)"])
def test_a_result_that_is_whole_is_not_lost_by_a_failing_stop(monkeypatch, tmp_path, fault):
    expected = lava_backend.run(NET, PAYLOAD)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'spikeproof.sim.lava.worker' in sys.orig_argv:\n"
        "    from spikeproof.lava_procs import network\n"
        "    def stop(self):\n"
        f"        {fault}\n"
        "    network.Network.stop = stop\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setattr(lava_backend, "_GRACE_SECONDS", 2.0)
    monkeypatch.setenv("SPIKEPROOF_TEST_MARK", str(tmp_path))

    trace = lava_backend.run(NET, PAYLOAD, deadline=120)

    for name, values in expected.layers["a"].items():
        assert np.array_equal(trace.layers["a"][name], values), name
    wait_until(lambda: not left_behind(tmp_path), 5)


# From here on, workers are scripts that only report.

IMPORTS = "import json, os, signal, sys, time\ndef say(**report): print(json.dumps(report), flush=True)\n"


def supervise(tmp_path, script, *, deadline=None, patience=60.0, progress=None):
    lava_backend._supervise(
        [sys.executable, "-c", IMPORTS + script],
        log=tmp_path / "log",
        deadline=deadline,
        patience=patience,
        progress=progress,
    )


ADVANCES = "for i in range(1, 13): time.sleep(1); say(steps=i)\n"
PATIENCE = 10.0
"""Seconds, fewer than ADVANCES takes, and more than a busy machine needs to start Python."""


def test_a_run_goes_on_while_steps_advance(tmp_path):
    seen = []
    supervise(tmp_path, ADVANCES + "say(done=True)", patience=PATIENCE, progress=seen.append)
    assert seen == list(range(1, 13))


@pytest.mark.parametrize("rest", ["time.sleep(60)", "while True: say(steps=16); time.sleep(0.1)"])
def test_a_run_that_makes_no_step_is_ended(tmp_path, rest):
    started = time.monotonic()
    with pytest.raises(BackendError, match=r"Lava has made no step for 10 s, after 16 steps, and was ended\."):
        supervise(tmp_path, "say(steps=16)\n" + rest, patience=PATIENCE)
    assert time.monotonic() - started < 40


def test_a_deadline_that_is_asked_for_holds_though_steps_advance(tmp_path):
    with pytest.raises(
        BackendError, match=r"Lava did not finish within 2 s and was ended\. Allow more with --deadline"
    ):
        supervise(tmp_path, ADVANCES + "say(done=True)", deadline=2.0)
    # And it takes the place of the other limit.
    supervise(tmp_path, "time.sleep(1.5); say(steps=1); say(done=True)", deadline=60.0, patience=0.5)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("os.kill(os.getpid(), 9)", "main process was ended by SIGKILL .*out of memory"),
        ("os.kill(os.getpid(), 11)", "main process was ended by SIGSEGV .*has crashed"),
        ("os.kill(os.getpid(), 15)", "main process was ended by SIGTERM .*Somebody"),
        ("os.kill(os.getpid(), 34)", "main process was ended by (SIGRTMIN|signal 34) .*has crashed"),
        ("os.fork() or time.sleep(60); os.kill(os.getpid(), 9)", "main process was ended by SIGKILL"),
        ("sys.exit(3)", r"main process ended without a result, with exit code 3\."),
        ("print('famous', file=sys.stderr); sys.exit(3)", r"(?s)exit code 3\..* Its last words:\n    famous$"),
        ("say(died='process a (B)', code=-9); time.sleep(60)", r"process a \(B\) was ended by SIGKILL"),
        ("say(died='process a (B)', code=0); time.sleep(60)", r"process a \(B\) ended without a result"),
    ],
)
def test_what_ended_a_process_is_said_at_once(tmp_path, script, words):
    started = time.monotonic()
    with pytest.raises(BackendError, match=f"^Lava's {words}" if not words.startswith("(?s)") else words):
        supervise(tmp_path, script)
    assert time.monotonic() - started < 30


@NEEDS_PROC
def test_a_process_that_has_ended_holds_nothing_up_though_nobody_waits_for_it():
    asleep = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    ended = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    wait_until(lambda: not lava_backend._runs(ended.pid), 30)
    os.killpg(ended.pid, 0)  # it is there still, and would be until somebody waits
    assert lava_backend._runs(asleep.pid)
    asleep.kill()
    assert (ended.wait(), asleep.wait()) == (0, -9) and not lava_backend._runs(asleep.pid)


def test_processes_that_ignore_every_request_are_killed(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKEPROOF_TEST_MARK", str(tmp_path))
    monkeypatch.setattr(lava_backend, "_GRACE_SECONDS", 0.5)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork() and say(steps=1); time.sleep(600)"
    found = []

    def look(done):
        found.extend(left_behind(tmp_path))

    with pytest.raises(BackendError, match="no step for 10 s, after 1 steps"):
        supervise(tmp_path, deaf, patience=PATIENCE, progress=look)

    assert len(found) == 2
    wait_until(lambda: not left_behind(tmp_path), 5)
