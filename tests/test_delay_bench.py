"""The grid of delays, without training anything, and that the page of results has the figures of its lines."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def grid(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    yield importlib.import_module("grid")
    for name in ("grid", "positions", "delays"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["delay-rates", "delays"])
def test_every_point_is_a_recipe_and_has_a_line(grid, name):
    points = grid.GRIDS[name]
    for recipe, settings in points:
        found = grid.find(recipe).replace(settings)
        assert found.deployable and f"delay={found.delay}" == settings[0] and f"seed={found.seed}" == settings[-1]
    lines = grid.read(ROOT / "bench" / "results" / f"{name}.jsonl")
    assert sorted(points) == sorted((line["recipe"], tuple(line["settings"])) for line in lines)


def test_rates_are_those_that_were_best_on_the_validation_part(grid):
    scores = {}
    for line in grid.read(ROOT / "bench" / "results" / "delay-rates.jsonl"):
        *settings, rate, _ = line["settings"]
        scores.setdefault(tuple(settings), {})[rate.partition("=")[2]] = line["result"]["validation_score"]
    best = {settings: max(found, key=found.get) for settings, found in scores.items()}
    variants = importlib.import_module("delays")
    assert best == {variants.VARIANTS[name]: rate for name, rate in variants.CHOSEN.items()}


def test_the_page_has_the_figures_of_the_lines(grid):
    table = grid.delays.table(grid.read(ROOT / "bench" / "results" / "delays.jsonl")).splitlines()
    page = (ROOT / "docs" / "results.md").read_text()
    assert len(table) == 2 + len(grid.delays.VARIANTS) + 1  # one of them with two rates
    for row in table:
        assert row in page
