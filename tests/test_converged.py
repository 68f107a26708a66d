"""The grid of converged networks, its tables, naive forecasts and the probe, without training anything."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeproof.train.sequence import SequenceModel
from spikeproof.train.sequence.position import PositionOptions
from spikeproof.train.tasks import Split, Task

ROOT = Path(__file__).resolve().parents[1]


def finished(point, value=0.5, *, loss=0.5, forecast=True):
    names = ("r2_code", "rse_code", "r2_mean", "rse_mean")
    result = {
        "measures": dict.fromkeys(names, value) if forecast else {},
        "test_score": value,
        "test_loss": loss,
        "validation_score": value,
        "firing_rates": [0.25],
        "epoch": 3,
        "parameters": 1000,
    }
    return {"recipe": point[0], "settings": list(point[1]), "result": result}


def rated(converged, values=(0.3, 0.1, 0.2, 0.4)):
    """The lines of all runs that choose a learning rate."""
    each = {(block.dataset, network) for block in converged.blocks() for network in block.networks}
    return [
        finished(point, value)
        for one in sorted(each)
        for point, value in zip(converged.candidates(*one), values, strict=True)
    ]


def test_every_point_of_the_plan_is_a_recipe_and_stands_once(bench):
    converged, grid = bench("grids.converged"), bench("grid")
    points = [point for stage in converged.stages(rated(converged)) for point in stage]
    distinct = dict.fromkeys(points)
    assert f"{len(distinct):,} runs" in converged.__doc__.replace("\n", " ")
    kinds = {(recipe, settings[:-2]) for recipe, settings in distinct}
    for recipe, settings in kinds:
        found = grid.find(recipe).replace(settings)
        assert f"model={found.model}" == settings[0] and found.patience == 10 and found.epochs == 100
    asked = sum(int(row.split("|")[-2]) for row in converged.plan().splitlines()[2:])
    assert asked == len(distinct)


def test_a_rate_is_chosen_by_validation_before_it_is_used(bench):
    converged = bench("grids.converged")
    first = converged.points([])
    assert first == converged.candidates("etth1", "spike-rnn") and all("seed=9" in point[1] for point in first)
    lines = [finished(point, score) for point, score in zip(first, (0.3, 0.1, 0.2, 0.4), strict=True)]
    assert converged.points(lines[:2]) == first[2:] and len(first) == 4
    found = converged.points(lines)
    assert {settings[-2] for _, settings in found} == {"learning_rate=3e-3"} and len(found) == 9
    assert converged.points([*lines, finished(found[0])]) == found[1:]
    of_text = [
        finished(p, score)
        for p, score in zip(converged.candidates("subj", "spike-rnn"), (0.7, 0.8, 0.9, 0.6), strict=True)
    ]
    assert converged.chosen("subj", "spike-rnn", of_text) == "1e-2"  # the most accurate, not the least


def test_a_grid_that_grows_trains_stage_after_stage(bench, tmp_path, monkeypatch):
    grid, path = bench("grid"), tmp_path / "lines.jsonl"
    stages = [[("a", ("seed=0",)), ("a", ("seed=1",))], [("b", ("seed=0",))]]
    monkeypatch.setitem(grid.GROWING, "some", lambda lines: [stages[0], stages[0][1:], stages[1], []][len(lines)])
    monkeypatch.setattr(
        grid,
        "_run_all",
        lambda name, todo, path, *_: [grid.append(path, {"recipe": r, "settings": s}) for r, s in todo],
    )
    grid.run("some", path, tmp_path, first=1)
    assert [one["recipe"] for one in grid.read(path)] == ["a"]
    grid.run("some", path, tmp_path)
    assert [(one["recipe"], *one["settings"]) for one in grid.read(path)] == [
        ("a", "seed=0"),
        ("a", "seed=1"),
        ("b", "seed=0"),
    ]


def test_tables_by_hand(bench):
    converged, tables = bench("grids.converged"), bench("pages.converged")
    values = {"none": (0.1, 0.2, 0.3), "cpg": (0.2, 0.4, 0.6), "sinusoid": (0.3, 0.4, 0.5)}
    lines = [
        finished(
            converged.point("etth1", "spike-rnn", position, 24, "3e-3", seed), value, loss=0.2 + (position == "cpg")
        )
        for position, three in values.items()
        for seed, value in enumerate(three)
    ]
    lines.append(finished(converged.point("etth1", "spike-rnn", "none", 24, "3e-3", converged.RATE_SEED), 0.9))
    for seed, value in enumerate((0.8, 0.6)):
        further = ("position_channels=10",)
        lines.append(finished(converged.point("etth1", "spike-rnn", "cpg", 24, "3e-3", seed, further), value))
    naive = [{"dataset": "etth1", "horizon": 24, "name": "last value", "measures": lines[0]["result"]["measures"]}]
    lines.append(finished(converged.point("subj", "spike-rnn", "none", 0, "3e-3", 0), 0.9, forecast=False))
    naive.append(
        {"dataset": "subj", "horizon": 0, "name": "the most frequent class", "test_score": 0.5, "measures": {}}
    )

    worth = tables.worth(lines, naive).splitlines()

    assert worth[2:] == [
        "| etth1, 24 | spike-rnn | none | 3 | 20.0 ± 10.0 | 20.0 | 20.0 | 20.0 | 3 | 0.25 | 1,000 |",
        "| etth1, 24 | spike-rnn | cpg | 3 | 40.0 ± 20.0 | 40.0 | 40.0 | 40.0 | 3 | 0.25 | 1,000 |",
        # Equal means: the smaller loss.
        "| etth1, 24 | spike-rnn | sinusoid | 3 | **40.0 ± 10.0** | 40.0 | 40.0 | 40.0 | 3 | 0.25 | 1,000 |",
        "| etth1, 24 | last value |  |  | 10.0 | 10.0 | 10.0 | 10.0 |  |  |  |",
        "| subj | spike-rnn | none | 1 | 90.0 |  |  |  | 3 | 0.25 | 1,000 |",
        "| subj | the most frequent class |  |  | 50.0 |  |  |  |  |  |  |",
    ]
    paired = tables.paired(lines)
    # Differences to none: 10, 20, 30; t(0.975, 2) = 4.3027, deviation 10. To sinusoid: -10, 0, 10. Its own: 20 each.
    assert paired.startswith("| dataset, horizon | model | cpg - none | cpg - sinusoid | sinusoid - none |")
    assert "| etth1, 24 | spike-rnn | +20.0 ± 24.8, 3 : 0 | +0.0 ± 24.8, 1 : 1 | +20.0 ± 0.0, 3 : 0 |" in paired
    assert "3 intervals of 95 %" in paired and "about 0.1 of them" in paired
    assert tables.sensitivity(lines).splitlines()[2:] == [
        "| etth1, 24 | spike-rnn | cpg | as above | 3 | 40.0 ± 20.0 |  | +20.0 ± 24.8, 3 : 0 | 0.25 |",
        "| etth1, 24 | spike-rnn | none | as above | 3 | 20.0 ± 10.0 |  |  | 0.25 |",
        # 80 and 60 beside 20 and 40, and beside 10 and 20 without a code: two have no interval.
        "| etth1, 24 | spike-rnn | cpg | position_channels=10 | 2 | 70.0 ± 14.1 | +20.0 and +60.0, 2 : 0 | +40.0 and +70.0, 2 : 0 | 0.25 |",
    ]


def test_every_run_that_was_trained_is_of_the_plan(bench):
    converged, grid = bench("grids.converged"), bench("grid")
    lines = grid.read(ROOT / "bench" / "results" / "converged.jsonl")
    planned = {point for stage in converged.stages(lines) for point in stage}
    assert {(line["recipe"], tuple(line["settings"])) for line in lines} <= planned


def test_every_network_that_was_looked_into_is_of_a_run_that_is_reported(bench):
    grid, tables = bench("grid"), bench("pages.converged")
    lines = grid.read(ROOT / "bench" / "results" / "inside.jsonl")
    trained = grid.read(ROOT / "bench" / "results" / "converged.jsonl")
    reported = {(*one[:4], one.seed) for one in tables.reported(trained)}
    keys = ("dataset", "horizon", "model", "position", "seed")
    found = {tuple(line[key] for key in keys) for line in lines}
    assert found <= reported and len(found) == len(lines)


def series(rows, window=6, horizon=5, period=3):
    """A task of a series that repeats itself, in the two ways in which parts overlap."""
    views = np.lib.stride_tricks.sliding_window_view
    values = np.stack([np.arange(rows) % period, 10 + np.arange(rows) % period], 1).astype(np.float32)
    x = views(values[:-horizon], window, axis=0)
    y = views(values[window:], horizon, axis=0).transpose(0, 2, 1).reshape(len(x), -1)
    return Split(x, y)


@pytest.mark.parametrize("begins", [30, 20])
def test_a_season_before_is_exact_where_a_series_repeats_itself(bench, begins):
    naive, whole = bench("naive"), series(60)
    gap = 4 if begins == 20 else 0  # windows whose labels would reach into the test part
    validation = whole.take(np.arange(begins - gap))
    test = whole.take(np.arange(begins, len(whole.y)))
    task = Task("etth1", 10, whole, validation, test)
    rows, start = naive.rows_until_the_end(task)
    assert start == begins and len(rows) == 60
    assert np.array_equal(naive.seasonal(task, 5, 3), test.y)
    last = naive.last_value(task, 5)
    assert last.shape == test.y.shape and np.array_equal(last[:, -2:], test.x[:, :, -1])


def test_a_part_that_does_not_follow_is_refused(bench):
    naive, whole = bench("naive"), series(60)
    task = Task("etth1", 10, whole, whole.take(np.arange(11)), whole.take(np.arange(40, 50)))
    with pytest.raises(ValueError, match="does not follow"):
        naive.rows_until_the_end(task)


def test_a_probe_reads_positions_that_are_there_and_no_others(bench):
    probe = bench("inside").probe
    x = torch.randn(64, 3, 12, generator=torch.Generator().manual_seed(0))
    found = {}
    for kind in ("none", "cpg-designed"):
        torch.manual_seed(0)
        position = PositionOptions(kind, channels=20)
        found[kind] = probe(SequenceModel("spike-rnn", 3, 2, 12, width=64, position=position), x)
    assert [one.layer for one in found["none"]] == ["encoder", "first", "body.0", "body.1"]
    assert all(one.exact < 0.3 for one in found["none"]) and found["cpg-designed"][1].exact > 0.9
    assert all(one.near >= one.exact and not math.isnan(one.near) for group in found.values() for one in group)


def test_a_probe_leaves_out_positions_that_do_not_count(bench):
    inside = bench("inside")
    spikes = torch.zeros(40, 4, 3, dtype=torch.float64)
    spikes[:, 0, 0] = spikes[:, 1, 1] = spikes[:, 2:, 2] = 1  # the last two cannot be told apart
    everywhere = torch.ones(40, 4, dtype=torch.bool)
    assert inside._told(spikes, everywhere) == (0.75, 1.0) and inside.chance(everywhere) == 0.25
    words = everywhere.clone()
    words[:, 3] = False
    words[::2, 2] = False
    assert inside._told(spikes, words) == (1.0, 1.0)
    assert inside.chance(words) == 20 / 50


def test_what_needs_no_network_by_hand(bench):
    naive, whole = bench("naive"), series(60)
    task = Task("etth1", 10, whole, whole, whole.take(np.arange(40, 50)))
    # A series that repeats itself after three rows is its own row three back, which a linear map finds.
    assert np.allclose(naive.linear(task, 5), task.test.y, atol=1e-4)
    sentences = [[2, 2, 3, 0, 0, 0], [3, 4, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]
    words = Split(np.array(sentences)[:, None], np.array([0, 1, 0]))
    asked = Split(np.array([[2, 0], [4, 4], [5, 0], [3, 3]])[:, None], np.array([0, 1, 0, 0]))
    text = Task("subj", 2, words, words, asked)
    # Words 1 to 5. 3 is 2/9 of class 0 and 2/7 of class 1, which have 2/3 and 1/3 of the sentences: twice is too few for
    # class 1, and would not be if padding counted as a word. 5 is unknown, and leaves the more frequent class.
    assert naive.of_words(text).tolist() == [0, 1, 0, 0]
    thrice = Split(np.array([[[3, 3, 3]]]), np.array([0]))
    assert naive.of_words(text._replace(test=thrice)).tolist() == [1]
    assert naive.most_frequent(text).tolist() == [0] * 4
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 4, 4)).astype(np.float32)
    x[:, 0, 0] += 6 * (np.arange(300) % 2)
    images = Split(x, np.arange(300) % 2)
    parts = (images.take(np.arange(start, start + 100)) for start in (0, 100, 200))
    image_task = Task("cifar10", 2, *parts)
    assert np.mean(naive.of_pixels(image_task) == image_task.test.y) > 0.95


def test_naive_lines_cover_every_dataset(bench):
    converged, naive = bench("grids.converged"), bench("naive")
    lines = [json.loads(text) for text in (ROOT / "bench" / "results" / "naive.jsonl").read_text().splitlines()]
    each = {(line["dataset"], line["horizon"], line["name"]) for line in lines}
    forecasts = len(converged.FORECASTS) * len(converged.HORIZONS) * 3
    assert len(each) == len(lines) == forecasts + 2 * (len(converged.DATASETS) - len(converged.FORECASTS))
    assert all(one["name"] in naive.names(one["dataset"]) for one in lines)
