"""The grids of oscillators that learn: their lines are whole."""

from pathlib import Path

import pytest

from spikeproof.train.runs.recipe import find

RESULTS = Path(__file__).resolve().parents[1] / "bench" / "results"


@pytest.mark.parametrize("name", ["oscillators", "oscillator-rates", "forecasts"])
def test_there_is_a_line_for_every_point_and_its_settings_are_a_recipes(bench, name):
    points = bench("grids").GRIDS[name]
    lines = bench("grid").read(RESULTS / f"{name}.jsonl")
    assert sorted((line["recipe"], tuple(line["settings"])) for line in lines) == sorted(points)
    for recipe, settings in points:
        find(recipe).replace(settings)
