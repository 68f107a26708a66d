"""Sweeps: results spread, kept and resumed; workers and parents killed; equal to an undisturbed run."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from spikeproof.contract.errors import BackendError, InputError, MissingDependencyError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim.sweep import job as sweep_job
from spikeproof.sim.sweep.log import SweepLog
from spikeproof.sim.sweep.sweep import Sweep
from spikeproof.sim.verify.verify import verify

PAIR = ("engine", "reference")


def network(steps):
    random = np.random.default_rng(0)
    neuron = CELIF(num_neurons=5, v_decay=2048, th_decay=41, v_th_mant=30, te_exp=8)
    layer = Layer(name="a", synapse=Dense(weight=2 * random.integers(-50, 80, (5, 2))), neuron=neuron)
    return Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=steps, te=random.integers(-90, 99, (7, 5)))


NET = network(9)
X = np.random.default_rng(1).integers(0, 2, (20, 2, 9))
CHOSEN = np.arange(2, 18)


@pytest.fixture
def no_cluster(monkeypatch):
    """Run batches here, in the order in which they are asked for, but the last first."""

    def rows(self, net_file, x, parts, pair, deadline):
        for part in reversed(parts):
            yield sweep_job.check(net_file, x[part], part.tolist(), pair, deadline)

    monkeypatch.setattr(Sweep, "_rows", rows)


def swept(folder, x=X, net=NET, **options):
    return Sweep(**{"workers": 2, "results": folder, "batch": 3} | options).run(net, x, CHOSEN, PAIR)


def same(a, b):
    return a.comparison == b.comparison and all(map(np.array_equal, a.output, b.output)) and a.diagnosis == b.diagnosis


def test_a_sweep_finds_what_one_run_finds(no_cluster, tmp_path):
    found = swept(tmp_path)

    whole = verify(NET, X[CHOSEN], backends=PAIR)
    assert found.comparison == whole.comparisons[0] and found.comparison.exact
    assert all(np.array_equal(found.output[i], whole.answers[name].output) for i, name in enumerate(PAIR))
    assert found.resumed == 0 and [found.log] == list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_a_torn_last_line_is_dropped_and_its_samples_run_again(no_cluster, tmp_path, cut):
    whole = swept(tmp_path)
    lines = whole.log.read_bytes().splitlines(keepends=True)
    whole.log.write_bytes(b"".join(lines[:3]) + lines[3][:-cut])

    again = swept(tmp_path)

    assert (
        same(again, whole) and again.resumed == 4
    )  # the first lines hold the last batch, of one sample, and one of three
    assert [json.loads(line)["samples"] for line in whole.log.read_bytes().splitlines()[1:]] == [
        json.loads(line)["samples"] for line in lines[1:]
    ]
    assert swept(tmp_path).resumed == 16


def test_a_mismatch_keeps_its_sample_and_its_cause(no_cluster, tmp_path, monkeypatch):
    other = dataclasses.replace(NET, te=np.roll(NET.te, -1, 0))
    good = sweep_job.simulate
    monkeypatch.setattr(
        sweep_job, "simulate",
        lambda net, x, backend, deadline: good(other if backend == "reference" else net, x, backend=backend),
    )  # fmt: skip
    x = X.copy()
    x[:9] = 0  # nothing to differ

    found = swept(tmp_path, x=x)

    assert found.comparison.first.sample == found.diagnosis.sample >= 9
    assert [cause.name for cause in found.diagnosis.causes] == ["te shifted"]
    assert same(swept(tmp_path, x=x), found)


def test_another_network_or_input_gets_another_log_and_a_foreign_one_is_refused(no_cluster, tmp_path):
    logs = {swept(tmp_path).log, swept(tmp_path, x=1 - X).log, swept(tmp_path, net=network(9).__class__(
        inputs=NET.inputs, layers=NET.layers, steps=9, te=NET.te[:3])).log}  # fmt: skip
    assert len(logs) == 3

    mine = tmp_path / "mine.jsonl"
    swept(mine)
    with pytest.raises(InputError, match=r"mine.jsonl: holds results for another input \(.*Name another --results"):
        swept(mine, x=1 - X)
    for text, words in (
        (b"name,value\n1,2\n", "not a log of a sweep"),
        (b"{}\n", "not a log of a sweep"),
        (b"x", "not a log"),
    ):
        foreign = tmp_path / "foreign"
        foreign.write_bytes(text)
        with pytest.raises(InputError, match=words):
            swept(foreign)
        assert foreign.read_bytes() == text
    with pytest.raises(InputError, match="cannot be written"):
        swept(tmp_path / "absent" / "a.jsonl")


def test_a_log_belongs_to_one_run_at_a_time(tmp_path):
    with SweepLog(tmp_path / "a", {}), pytest.raises(InputError, match="another run writes to it"):
        SweepLog(tmp_path / "a", {})
    with SweepLog(tmp_path / "a", {}) as log:
        assert log.found == []


def test_bad_requests(tmp_path, monkeypatch):
    for options in ({}, {"workers": 2, "scheduler": "tcp://x:1"}, {"workers": 0}, {"workers": 1, "batch": 0}):
        with pytest.raises(InputError):
            Sweep(results=tmp_path, **options)
    with pytest.raises(InputError, match="A sweep is for Lava beside another backend"):
        verify(NET, X, backends=PAIR, sweep=Sweep(workers=1, results=tmp_path))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'distributed>=2024.5'"):
        swept(tmp_path)


LONG = network(1000)
"""Some tenths of a second a sample on the reference, so that there is time to kill somebody."""
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from spikeproof.export import netx
from spikeproof.sim.sweep.sweep import Sweep

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    x = np.load(folder / "x.npy")
    sweep = Sweep(workers=2, results=folder / "log.jsonl", batch=1)
    sweep.run(netx.load(folder / "net.net"), x, np.arange(len(x)), ("reference", "reference"))
"""


def lines(path):
    return path.read_bytes().splitlines()[1:] if path.exists() else []


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
def test_workers_and_the_parent_are_killed_and_nothing_is_lost(no_cluster, tmp_path):
    pytest.importorskip("distributed")
    x = np.random.default_rng(1).integers(0, 2, (14, 2, 1000))
    netx.write(LONG, tmp_path / "net.net")
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "run.py").write_text(SCRIPT)
    log = tmp_path / "log.jsonl"
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path)]

    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(lambda: len(lines(log)) > 2 or parent.poll() is not None)
    killed = json.loads(lines(log)[0])["pid"]
    os.kill(killed, signal.SIGKILL)
    at_kill = len(lines(log))
    until(lambda: len(lines(log)) > at_kill + 2 or parent.poll() is not None)
    assert parent.poll() is None, "the sweep ended before it could be killed"
    parent.kill()
    parent.wait()
    kept = len(lines(log))
    workers = {json.loads(line)["pid"] for line in lines(log)}
    until(lambda: not any(alive(pid) for pid in workers))  # none is left behind
    assert 5 <= kept < 14

    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(json.loads(line)["samples"][0] for line in lines(log)) == list(range(14))
    resumed = Sweep(workers=1, results=log, batch=1).run(LONG, x, np.arange(14), ("reference", "reference"))
    undisturbed = Sweep(workers=1, results=tmp_path / "other.jsonl", batch=1).run(
        LONG, x, np.arange(14), ("reference", "reference")
    )
    assert resumed.resumed == 14 and undisturbed.resumed == 0
    assert same(resumed, undisturbed) and resumed.comparison.exact


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_cluster_that_runs_already(tmp_path):
    distributed = pytest.importorskip("distributed")
    whole = verify(NET, X[CHOSEN], backends=PAIR)
    kept = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        sweep = Sweep(scheduler=cluster.scheduler_address, results=tmp_path, batch=3)
        found = sweep.run(NET, X, CHOSEN, PAIR, progress=lambda done, total: kept.append((done, total)))

    assert found.comparison == whole.comparisons[0] and kept[0] == (0, 16) and kept[-1] == (16, 16)
    assert [done for done, _ in kept] == sorted(done for done, _ in kept) and len(kept) == 7


def test_no_scheduler_is_one_message(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("spikeproof.sim.sweep.sweep._CONNECT_SECONDS", 1)

    with pytest.raises(BackendError, match=r"No Dask scheduler with workers answers at tcp://127\.0\.0\.1:9 "):
        Sweep(scheduler="tcp://127.0.0.1:9", results=tmp_path).run(NET, X, CHOSEN, PAIR)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.lava
def test_lava_is_spread_over_workers(tmp_path):
    pytest.importorskip("distributed")

    verdict = verify(NET, X, lava_samples=6, seed=3, sweep=Sweep(workers=2, results=tmp_path, batch=3))

    assert verdict.comparisons[0].backends == ("engine", "lava") and verdict.exact
    assert verdict.comparisons[0].num_samples == 6
    assert np.array_equal(verdict.answers["lava"].output, verdict.answers["engine"].output)
    again = verify(NET, X, lava_samples=6, seed=3, sweep=Sweep(workers=2, results=tmp_path, batch=3))
    assert again.comparisons == verdict.comparisons


@pytest.mark.slow
@pytest.mark.lava
def test_a_batch_that_fails_over_and_over_ends_the_sweep(tmp_path):
    pytest.importorskip("distributed")

    with pytest.raises(
        BackendError, match=r"(?s)Samples \d+\.\.\d+ failed 3 times: Lava did not finish within 1e-09 s"
    ):
        verify(NET, X, lava_samples=3, deadline=1e-9, sweep=Sweep(workers=1, results=tmp_path, batch=3))
