"""The table of what neurons cost in docs/results.md is what the measured firing rates give."""

import importlib
import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_is_what_the_firing_rates_give(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    energy = importlib.import_module("energy")
    lines = [json.loads(line) for line in (ROOT / "bench/results/neurons.jsonl").read_text().splitlines()]
    rows = energy.table(lines)
    assert len(rows) == 2 + len(energy.NAMES)
    assert "\n".join(rows) in (ROOT / "docs/results.md").read_text()
