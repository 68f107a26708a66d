"""The programs in examples/ run, and show what they say."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikeproof.contract.errors import BackendError

ROOT = Path(__file__).resolve().parents[1]
HALF_CENTRE = ROOT / "examples" / "half_centre.py"


@pytest.fixture
def half_centre():
    spec = importlib.util.spec_from_file_location("half_centre", HALF_CENTRE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.lava
def test_the_half_centre_alternates_on_lava_and_is_exact(tmp_path):
    run = subprocess.run(
        [sys.executable, HALF_CENTRE, "-o", "out.png"], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )

    assert run.returncode == 0, run.stdout + run.stderr
    bursts = dict(re.findall(r"^(left|right) neuron: +(\d+) bursts", run.stdout, re.M))
    assert int(bursts["left"]) >= 4 and int(bursts["right"]) >= 4
    assert re.search(r"^alternation: +strict$", run.stdout, re.M)
    assert re.search(
        r"^parity: +EXACT, 2000 raster entries \(1\d\d spikes\) and 6000 register values", run.stdout, re.M
    )
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_the_half_centre_gives_lava_up_at_its_deadline(half_centre):
    with pytest.raises(BackendError, match=r"did not end within 0\.01 s"):
        half_centre.on_lava(deadline=0.01)


def test_the_half_centre_alternates_on_the_contract(half_centre):
    found = half_centre.bursts(half_centre.contract()["s"])

    assert half_centre.alternates(found)
    assert [burst.neuron for burst in found] == [0, 1] * 5 + [0]
    assert [burst.spikes for burst in found][2:] == [9] * 9


def test_half_centres_that_differ_a_little_alternate_too(half_centre):
    """The rhythm is the circuit's, not one lucky set of integers. One common step at a change of turns is allowed."""
    random = np.random.default_rng(0)
    for _ in range(10):
        half_centre.NEURONS = half_centre.celif.CELIF(
            num_neurons=2,
            v_decay=random.integers(202, 247),
            th_decay=random.integers(58, 71),
            v_th_mant=16,
            te_exp=8,
            bias_mant=random.integers(749, 916),
        )
        half_centre.INHIBITION = -2 * random.integers(87, 106) * (1 - np.eye(2, dtype=int))
        half_centre.ADAPTATION = random.integers(65, 80) * np.eye(2, dtype=int)

        found = [b for b in half_centre.bursts(half_centre.contract()["s"]) if b.spikes > 1]

        assert len(found) >= 8
        assert all(a.neuron != b.neuron and a.end <= b.begin for a, b in zip(found, found[1:]))  # noqa: B905, RUF007


def test_without_its_kick_the_half_centre_fires_in_unison(half_centre):
    half_centre.KICK = np.zeros((2, 1), dtype=int)
    raster = half_centre.contract()["s"]
    assert raster.any() and np.array_equal(raster[:, 0], raster[:, 1])


def test_without_adaptation_the_first_neuron_never_yields(half_centre):
    half_centre.ADAPTATION = np.zeros((2, 2), dtype=int)
    raster = half_centre.contract()["s"]
    assert raster[:, 0].sum() > 100 and not raster[:, 1].any()


@pytest.mark.parametrize(
    ("spikes", "strict"),
    [
        ([(0, 1), (2, 1), (4, 1), (30, 2), (32, 2), (34, 2)], True),
        ([(0, 1), (2, 1), (30, 2), (32, 2), (34, 2)], False),
        ([(0, 1), (2, 1), (4, 1), (30, 1), (32, 1), (34, 1)], False),
        ([(0, 1), (2, 1), (4, 1), (4, 2), (5, 2), (6, 2)], False),
        ([(0, 1), (2, 1), (4, 1), (3, 2), (5, 2), (6, 2)], False),
    ],
    ids=["turns", "a burst too short", "same neuron twice", "one common step", "overlap"],
)
def test_what_counts_as_taking_turns(half_centre, spikes, strict):
    raster = np.zeros((40, 2), dtype=int)
    for step, neuron in spikes:
        raster[step, neuron - 1] = 1
    assert half_centre.alternates(half_centre.bursts(raster)) is strict


def test_the_half_centre_names_the_first_difference(half_centre):
    expected = half_centre.contract(60)
    found = {name: values.copy() for name, values in expected.items()}
    assert half_centre.first_difference(expected, found) is None
    found["v"][50, 1] += 1
    found["h"][40, 0] += 1
    assert re.match(
        r"step 40, left neuron: h = \d+ on the contract, \d+ on Lava", half_centre.first_difference(expected, found)
    )


GRAPHS = ROOT / "examples" / "graphs.py"


def run_graphs(name, tmp_path, *options):
    """Run one of the networks of examples/graphs.py, and return what it says."""
    run = subprocess.run(
        [sys.executable, GRAPHS, name, "--samples", "2", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1100,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert list(tmp_path.iterdir()) == []
    return run.stdout


@pytest.mark.lava
def test_a_trained_network_with_two_answers_is_exact_on_lava(tmp_path):
    said = run_graphs("two-heads", tmp_path, "--epochs", "1")

    assert said.count("\n  EXACT") == 2 and "answers: cuba2, cuba3" in said
    assert float(re.search(r"accuracy ([\d.]+)%", said)[1]) > 30


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["residual", "u-net", "delays"])
def test_trained_graphs_are_exact_on_lava(name, tmp_path):
    said = run_graphs(name, tmp_path)

    assert said.count("\n  EXACT") == 2
    assert float(re.search(r"accuracy ([\d.]+)%", said)[1]) > 60


def test_a_misspelt_network_is_named(tmp_path):
    run = subprocess.run([sys.executable, GRAPHS, "unet"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 2 and "'unet' is none of residual, u-net, two-heads, delays" in run.stderr
