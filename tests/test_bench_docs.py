"""The tables of the documentation are what the lines in ``bench/results`` give."""

import json
from pathlib import Path

import pytest

from spikeproof.train.runs.recipe import find

ROOT = Path(__file__).resolve().parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
MARK = "<!-- table: "


def test_every_mark_is_of_a_table_and_every_table_is_marked_once(bench):
    tables = bench("docs").TABLES
    found = [(path.stem, part.split(" -->")[0]) for path, text in PAGES.items() for part in text.split(MARK)[1:]]
    assert sorted(found) == sorted((table.page, name) for name, table in tables.items())


def test_tables_are_what_their_lines_give(bench):
    docs = bench("docs")
    for name, table in docs.TABLES.items():
        assert docs.between(PAGES[docs.PAGES / f"{table.page}.md"], name) == table.of(), f"{name}: run bench/docs.py"


def test_a_page_is_written_between_its_marks_alone(bench, tmp_path, monkeypatch):
    docs = bench("docs")
    begin, end = docs.marks("delays")
    monkeypatch.setattr(docs, "PAGES", tmp_path)
    monkeypatch.setattr(
        docs, "TABLES", {"delays": docs.Table("page", lambda lines: f"{len(lines)} lines", ("delays",))}
    )
    (tmp_path / "page.md").write_text(f"before\n\n{begin}old{end}\n\nbehind\n")
    docs.write()
    count = len((ROOT / "bench" / "results" / "delays.jsonl").read_text().splitlines())
    assert (tmp_path / "page.md").read_text() == f"before\n\n{begin}{count} lines{end}\n\nbehind\n"


def test_a_row_that_does_not_fit_is_no_table(bench):
    markdown = bench("pages.markdown")
    assert markdown.table(("a", "b"), [(1, "c")]) == "| a | b |\n|---|---|\n| 1 | c |"
    with pytest.raises(ValueError, match="the 2 cells"):
        markdown.table(("a", "b"), [(1,)])


def test_every_point_of_every_grid_is_a_recipe_and_stands_once(bench):
    for name, points in bench("grids").GRIDS.items():
        assert len(set(points)) == len(points), name
        for recipe, settings in points:
            find(recipe).replace(settings)


def test_networks_that_are_in_the_package_are_the_runs_that_are_told(bench):
    """A line of a run has the result of the network beside it."""
    runs = {
        (line["recipe"], tuple(line["settings"])): line["result"]
        for line in bench("grid").read(ROOT / "bench" / "results" / "runs.jsonl")
    }
    pretrained = {
        path.parent.name: json.loads(path.read_text()) for path in ROOT.glob("examples/pretrained/*/result.json")
    }
    mnist = bench("grids.mnist")
    named = {
        f"{task}-augmented{'-wide' * (hidden[1] > 100)}": mnist.point((task, hidden), "integers")
        for task, hidden in mnist.NETWORKS
    }
    named |= {name: (name, ()) for name in ("s-mnist", "ps-mnist", "fsdd")}
    for name, point in named.items():
        known = {key: value for key, value in pretrained[name].items() if key != "versions"}
        assert runs[point] == known


def test_every_network_in_the_package_is_verified_and_worth_what_its_run_was(bench):
    lines = {line["network"]: line for line in bench("grid").read(ROOT / "bench" / "results" / "verified.jsonl")}
    folders = {path.parent.name: path for path in ROOT.glob("examples/pretrained/*/result.json")}
    assert lines.keys() == folders.keys()
    for name, path in folders.items():
        line, result = lines[name], json.loads(path.read_text())
        assert line["samples"] == result["test_samples"]
        assert line["lava"][0] == line["lava"][1]
        if "figures" in line:
            assert line["figures"]["mean squared error"] == pytest.approx(result["test_score"], rel=1e-6)
        else:
            assert line["with_rounding"] == round(100 * result["test_score"], 2)


def test_a_verdict_becomes_a_line(bench):
    told = bench("verified").told
    same = {"samples": 3, "spikes_fired": 5, "spikes_compared": 12, "registers_compared": 24}
    right = {"right": 2, "same": 3, "total": 3}
    verdict = {
        "comparisons": [same, {**same, "samples": 1}],
        "right": {"torch": right, "engine": right, "lava": {"right": 1, "same": 1, "total": 1}},
        "right_float": None,
        "forecasts": {},
        "gaps": {"float_to_fixed": {"measured": False}},
    }
    line = {"samples": 3, "spikes": 5, "entries": 12, "registers": 24, "same_answers": 3, "lava": [1, 1]}
    assert told(verdict) == {**line, "with_rounding": 66.67, "without_rounding": None, "same_class": None}


def test_a_verdict_of_a_floating_point_model_becomes_a_line(bench):
    forecasts = {
        "engine": {"samples": 9, "same": 9, "figures": {"r2_code": 0.5}},
        "lava": {"samples": 2, "same": 2, "figures": {"r2_code": 0.1}},
    }
    verdict = {
        "comparisons": [{"samples": 2}],
        "forecasts": forecasts,
        "forecasts_float": {"r2_code": 0.6},
        "gaps": {"float_to_fixed": {"moved": 0.03}},
    }
    line = {"samples": 9, "r2_float": 0.6, "r2_record": 0.5, "moved": 0.03, "lava": [2, 2]}
    assert bench("verified").told(verdict) == line
