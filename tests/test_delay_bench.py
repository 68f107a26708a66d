"""The grid of delays, without training anything."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["delay-rates", "delays"])
def test_every_point_is_a_recipe_and_has_a_line(bench, name):
    grid = bench("grid")
    points = grid.GRIDS[name]
    for recipe, settings in points:
        found = grid.find(recipe).replace(settings)
        assert found.deployable and f"delay={found.delay}" == settings[0] and f"seed={found.seed}" == settings[-1]
    lines = grid.read(ROOT / "bench" / "results" / f"{name}.jsonl")
    assert sorted(points) == sorted((line["recipe"], tuple(line["settings"])) for line in lines)


def test_rates_are_those_that_were_best_on_the_validation_part(bench):
    scores = {}
    for line in bench("grid").read(ROOT / "bench" / "results" / "delay-rates.jsonl"):
        *settings, rate, _ = line["settings"]
        scores.setdefault(tuple(settings), {})[rate.partition("=")[2]] = line["result"]["validation_score"]
    best = {settings: max(found, key=found.get) for settings, found in scores.items()}
    variants = bench("grids.delays")
    assert best == {variants.VARIANTS[name]: rate for name, rate in variants.CHOSEN.items()}
