"""Commands that are killed at random moments: what they leave, and what the next run makes of it.

``SPIKEPROOF_KILLS`` says how often each is killed; default 20.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find

KILLS = int(os.environ.get("SPIKEPROOF_KILLS", "20"))
SETTINGS = ["hidden=8,8", "epochs=8", "patience=3", "validation=0.2", "learning_rate=0.02"]
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nobody ended."""
    folder = tmp_path_factory.mktemp("undisturbed")
    fit(find("digits-plain").replace(SETTINGS), folder)
    return folder


def ended(command, number, most, environment=None):
    """Run a command, end it and its group after up to `most` seconds; give its exit code, stderr and its seconds."""
    begin = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "spikeproof", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What starts the tests in the background may have it ignored, and children take that over.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, **(environment or {})},
    )
    try:
        _, err = child.communicate(timeout=random.uniform(0.5, most))
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, number)
        _, err = child.communicate(timeout=60)
    return child.returncode, err, time.monotonic() - begin


def check(code, err, number):
    """An end by a signal is told by the exit code, and in no traceback."""
    expected = {signal.SIGKILL: (-9, 0), signal.SIGTERM: (143, 1, -15, 0), signal.SIGINT: (130, 1, -2, 0)}
    assert code in expected[number], (code, err)
    assert number == signal.SIGKILL or code < 0 or "Traceback" not in err, err


@pytest.mark.parametrize("name", SIGNALS)
def test_training_reaches_the_undisturbed_result(name, undisturbed, tmp_path):
    random.seed(name)
    weights = safetensors.torch.load_file(undisturbed / "model.safetensors")
    kills = number = 0
    while kills < KILLS:  # a run that came to its end makes room for the next
        folder = tmp_path / f"run{number}"
        command = ["train", "digits-plain", "--folder", folder]
        command += [part for setting in SETTINGS for part in ("--set", setting)]
        while kills < KILLS and not (folder / "result.json").exists():
            code, err, _ = ended(command, SIGNALS[name], 5)
            check(code, err, SIGNALS[name])
            kills += code != 0
        if not (folder / "result.json").exists():
            subprocess.run([sys.executable, "-m", "spikeproof", *map(str, command)], check=True, timeout=300)
        reached = safetensors.torch.load_file(folder / "model.safetensors")
        assert all(torch.equal(weights[key], reached[key]) for key in weights)
        assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in undisturbed.iterdir())
        number += 1


@pytest.mark.parametrize("name", SIGNALS)
def test_an_export_is_whole_or_not_there(name, undisturbed, tmp_path):
    random.seed(name)
    whole = (undisturbed / "net.net").read_bytes()
    kills = 0
    while kills < KILLS:
        code, err, _ = ended(["export", undisturbed, "-o", tmp_path / "net.net", "--force"], SIGNALS[name], 4)
        check(code, err, SIGNALS[name])
        kills += code != 0
        assert not (tmp_path / "net.net").exists() or (tmp_path / "net.net").read_bytes() == whole
    subprocess.run(
        [sys.executable, "-m", "spikeproof", "export", undisturbed, "-o", tmp_path / "net.net", "--force"],
        check=True,
        timeout=120,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["net.net"]


@pytest.mark.lava
@pytest.mark.parametrize("name", SIGNALS)
def test_a_sweep_goes_on_and_leaves_nothing(name, undisturbed, tmp_path):
    pytest.importorskip("distributed")
    random.seed(name)
    (tmp_path / "tmp").mkdir()
    before = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").exists() else set()
    command = ["verify", undisturbed, "--samples", "24", "--lava-samples", "24", "--batch", "2", "-j", "2"]
    command += ["--results", tmp_path / "sweep.jsonl"]
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    for _ in range(KILLS):
        check(*ended(command, SIGNALS[name], 14, environment)[:2], SIGNALS[name])
    done = subprocess.run(
        [sys.executable, "-m", "spikeproof", *map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0 and "EXACT" in done.stdout.splitlines(), done.stderr
    # A worker that outlived its parent ends when its stdin closes, and frees its shared memory then.
    shared = lambda: [path for path in set(Path("/dev/shm").iterdir()) - before if path.exists()]  # noqa: E731
    end = time.monotonic() + 10
    while (list((tmp_path / "tmp").glob("spikeproof-*")) or shared()) and time.monotonic() < end:
        time.sleep(0.1)
    assert not list((tmp_path / "tmp").glob("spikeproof-*"))
    assert not shared()
