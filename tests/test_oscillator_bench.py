"""The grid of oscillators that learn: its lines are whole, and docs/cpg.md shows the table that they make."""

import importlib
import sys
from pathlib import Path

import pytest

from spikeproof.train.runs.recipe import find

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    yield importlib.import_module("oscillators")
    for name in ("oscillators", "grid", "positions", "delays"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("name", "file"), [("compare", "oscillators.jsonl"), ("rates", "oscillator-rates.jsonl")])
def test_there_is_a_line_for_every_point_and_its_settings_are_a_recipes(bench, name, file):
    points = bench.GRIDS[name]()
    lines = bench.grid.read(RESULTS / file)
    assert sorted((line["recipe"], tuple(line["settings"])) for line in lines) == sorted(points)
    for recipe, settings in points:
        find(recipe).replace(settings)


def test_the_docs_show_the_table(bench):
    page = (ROOT / "docs" / "cpg.md").read_text()
    table = bench.table(bench.grid.read(RESULTS / "oscillators.jsonl"))
    assert len(table.splitlines()) == 2 + len(bench.TASKS) and table in page


def test_the_rates_are_the_best_on_the_validation_part(bench):
    means = {}
    for line in bench.grid.read(RESULTS / "oscillator-rates.jsonl"):
        rate = dict(one.split("=", 1) for one in line["settings"])["position_rate"]
        # An accuracy is the better the larger it is, an error the smaller.
        sign = 1 if line["recipe"] == "digits-plain" else -1
        means.setdefault(line["recipe"], {}).setdefault(rate, []).append(sign * line["result"]["validation_score"])
    assert {recipe: max(of, key=lambda rate: sum(of[rate])) for recipe, of in means.items()} == bench.RATES


def test_an_interval_is_students(bench):
    assert bench.interval([1.0, 2.0, 3.0]) == "+2.0 ± 2.5, 3 : 0"  # 4.303 * 1 / sqrt(3)
