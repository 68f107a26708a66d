"""What the terminal shows: tables that fit, lines that break between words, a line an epoch, -q and -v."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from spikeproof.cli.terminal import console, epochs, tables
from spikeproof.train.runs.fit import Epoch

NUMBERS = st.integers(-(10**7), 10**7).map("{:,}".format)
ROWS = st.integers(2, 9).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=1, max_size=5))


def shown(width, columns, rows, **options):
    """The lines of a table on a terminal of some width."""
    to = Console(force_terminal=True, width=width, color_system=None, soft_wrap=True)
    with to.capture() as caught:
        tables.print_table(columns, rows, to=to, **options)
    return caught.get().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@given(rows=ROWS)
def test_a_table_fits_and_no_number_is_cut(width, rows):
    rows = [[f"layer{i}", *row] for i, row in enumerate(rows)]
    columns = ["layer", *(f"column {i}" for i in range(len(rows[0]) - 1))]

    lines = shown(width, columns, rows)

    assert max(map(len, lines)) <= width
    words = " ".join(lines).replace("│", " ").split()
    for row in rows:
        assert all(words.count(cell) >= 1 for cell in row)
    assert "…" not in "".join(lines)


def test_the_first_column_is_repeated_and_each_cell_stands_in_its_row():
    rows = [["a", "1,000,000", "2,000,000", "3,000,000"], ["b", "4,000,000", "5,000,000", "6,000,000"]]

    lines = shown(34, ["layer", "one", "two", "three"], rows, title="title")

    found = [re.findall(r"[\w,]+", line) for line in lines if line.startswith("│")]
    assert found == [
        ["a", "1,000,000", "2,000,000"],
        ["b", "4,000,000", "5,000,000"],
        ["a", "3,000,000"],
        ["b", "6,000,000"],
    ]
    assert lines[0] == "title" and len(shown(80, ["layer", "one", "two", "three"], rows)) == 6


def test_words_are_folded_where_numbers_are_not():
    lines = shown(40, ["name", "is", "for"], [["n", "7", "long words that say what a thing is for " * 2]])
    assert max(map(len, lines)) <= 40
    assert (
        "long words that say what a thing is for " * 2
        in " ".join(" ".join(re.findall(r"[\w]+", line.split("│")[-2])) for line in lines if line.startswith("│")) + " "
    )


def test_a_pipe_gets_a_table_in_one_part(run, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    _, out, _ = run("networks")
    assert (
        sum(
            "s-mnist" in line and "ps-mnist" not in line and "83,562" in line and "98.07%" in line
            for line in out.splitlines()
        )
        == 1
    )
    monkeypatch.setenv("COLUMNS", "60")
    _, narrow, _ = run("networks")
    assert max(map(len, narrow.splitlines())) <= 60 and len(narrow.splitlines()) > len(out.splitlines())


@given(st.lists(st.text("abcdefgh/.", min_size=1, max_size=30), min_size=1, max_size=30), st.integers(40, 120))
def test_a_line_is_broken_between_words_and_keeps_all_of_them(words, width):
    lines = console.wrapped("  " + " ".join(words), width).split("\n")
    assert " ".join(" ".join(lines).split()) == " ".join(words) and max(map(len, lines)) <= width
    assert all(line.startswith("  ") for line in lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_every_epoch_leaves_a_line(monkeypatch, terminal):
    to = console._Words(force_terminal=terminal, width=60, color_system=None, file=None, soft_wrap=True)
    monkeypatch.setattr(console, "NOTE", to)
    with to.capture() as caught, epochs.shown() as (epoch, step):
        for i in range(1, 4):
            step(i, 3)
            held_out = 0.2 * i if i > 1 else None
            epoch(Epoch(i, 2.5 / i, 0.25 * i, held_out, held_out, 1.0, 2.0, 0, 1.25 * i))

    lines = [re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|\r", "", line).rstrip() for line in caught.get().splitlines()]
    assert "epoch        loss       score    held out    seconds" in lines
    assert "    3      0.8333      0.7500      0.6000        3.8" in lines
    assert "    1         2.5      0.2500                    1.2" in lines


def test_quiet_leaves_the_result_and_verbose_tells_the_time(run, tmp_path):
    train = ("train", "digits-plain", "--set", "hidden=4", "--set", "epochs=1")
    code, out, err = run(*train, "--folder", tmp_path / "a", "-q")
    assert code == 0 and err == "" and out.startswith("trained digits, [4]: ")
    code, out, err = run(*train, "--folder", tmp_path / "b", "--verbose")
    assert code == 0 and "epoch        loss" in err and re.search(r"train: [\d.]+ s in all", err)
    code, out, err = run(*train, "--folder", tmp_path / "c")
    assert code == 0 and "epoch        loss" in err and "in all" not in err
    code, out, err = run("inspect", tmp_path / "a", "-q", "-v")
    assert (code, out) == (2, "") and "-q and -v are opposites" in err


def test_every_command_has_both(run):
    from spikeproof.cli import VERBS

    for verb in VERBS:
        _, out, _ = run(verb.__name__.rstrip("_"), "--help")
        assert "--quiet" in out and "--verbose" in out, verb.__name__


def test_a_rate_is_shown():
    def rate(**speeds):
        return console.Rate().render(SimpleNamespace(**{"finished_speed": None, "speed": None} | speeds)).plain

    assert (rate(), rate(speed=1234.56), rate(speed=0.25), rate(finished_speed=2.0, speed=9.0)) == (
        "", "1,234.6/s", "4.0 s each", "2.0/s",
    )  # fmt: skip
