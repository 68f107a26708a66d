"""The grid of positional encodings and its tables, without training anything."""

import json

import pytest


def line(dataset, model, position, seed, value, parameters=10):
    forecast = dataset == "etth1"
    result = {
        "measures": {"r2_code": value} if forecast else {},
        "metric": "mean squared error" if forecast else "accuracy",
        "test_score": 0.5 if forecast else value,
        "parameters": parameters,
    }
    return {"recipe": dataset, "settings": [f"model={model}", f"position={position}", f"seed={seed}"], "result": result}


def test_every_point_of_the_grid_is_a_recipe(bench):
    grid = bench("grid")
    points = grid.GRIDS["positions"]
    assert len(set(points)) == 4 * 3 * 7 * 3
    for recipe, settings in points:
        found = grid.find(recipe).replace(settings)
        assert (found.task, f"model={found.model}") == (recipe, settings[0])
        assert f"position={found.position}" in settings and f"seed={found.seed}" == settings[-1]
    assert [settings[-1] for _, settings in points] == sorted(settings[-1] for _, settings in points)


def test_pairs_have_the_same_model_and_seed(bench):
    positions = bench("pages.positions")
    runs = [
        positions.run(line(*one))
        for one in (
            ("subj", "a", "cpg", 0, 0.5), ("subj", "a", "none", 0, 0.25), ("subj", "a", "cpg", 1, 0.75), ("subj", "a", "none", 2, 0),
            ("subj", "b", "cpg", 0, 0.5), ("subj", "b", "none", 0, 0.75), ("subj", "b", "cpg", 1, 0.5), ("subj", "b", "none", 1, 0.5),
        )
    ]  # fmt: skip
    assert positions.pairs(runs, "none") == [25, -25, 0] and positions.pairs(runs, "random") == []


def test_an_interval_by_hand(bench):
    compare = bench("pages.pairs").compare
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.3027.
    found = compare([1, 2, 3])
    assert found == (2, pytest.approx(4.3027 / 3**0.5, rel=1e-4), 3, 0, 3, 1, 3)
    assert str(compare([0, -1, 1, 1])) == "+0.2 ± 1.5, 2 : 1"
    assert str(compare([3, -1])) == "-1.0 and +3.0, 1 : 1" and str(compare([2])) == "+2.0, 1 : 0"  # no interval


def test_tables_say_what_was_measured(bench, tmp_path):
    grid, positions = bench("grid"), bench("pages.positions")
    path = tmp_path / "lines.jsonl"
    for seed, bonus in ((0, 0.0), (1, 0.02)):
        for position, value in (("none", 0.5), ("cpg", 0.6 + bonus), ("learned", 0.7)):
            grid.append(path, line("etth1", "spike-rnn", position, seed, value, 1000 if position == "none" else 2000))
            grid.append(path, line("subj", "spikformer", position, seed, value))
    with open(path, "a") as file:
        file.write('{"recipe": "etth1", "sett')  # killed while it wrote
    lines = grid.read(path)
    said = "\n".join(make(lines) for make in (positions.scores, positions.paired, positions.sizes))
    assert "| etth1, R² | spike-rnn | 50.0 ± 0.0 | **70.0** ± 0.0 | 61.0 ± 1.4 |" in said
    assert "| subj, accuracy | spikformer | 50.0 ± 0.0 | **70.0** ± 0.0 | 61.0 ± 1.4 |" in said
    assert "| etth1 | 2 | +10.0 and +12.0, 2 : 0 | -10.0 and -8.0, 0 : 2 |" in said
    assert "| all | 4 | 4 : 0 | 0 : 4 |" in said
    assert "| etth1 | spike-rnn | 1,000 | 2,000 | 2,000 |" in said
    grid.append(path, line("etth1", "spike-tcn", "cpg", 0, 0.1))
    assert len(grid.read(path)) == 13 and all(json.loads(one) for one in path.read_text().splitlines())
