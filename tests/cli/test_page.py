"""The page of the command line is what the commands say; every command and option is on it, with help and an example."""

import importlib.util
import re
import shlex
from pathlib import Path

from spikeproof.cli import VERBS
from spikeproof.cli.terminal.examples import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cli.md"


def maker():
    spec = importlib.util.spec_from_file_location("cli_page", ROOT / ".ci" / "cli_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_commands_say():
    assert PAGE.read_text() == maker().page(), "docs/cli.md is not up to date: python .ci/cli_page.py writes it"


def test_every_option_that_help_shows_is_on_the_page(run):
    page = PAGE.read_text()
    for name in COMMANDS:
        code, out, _ = run(*name.split(), "--help")
        assert code == 0
        shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", out))
        section = page.split(f"## spikeproof {name}\n")[1].split("\n## ")[0]
        missing = shown - {"--help", "--quiet", "--verbose"} - set(re.findall(r"--[a-z][a-z-]+", section))
        assert not missing, f"{name}: {missing}"


def test_every_command_has_help_and_an_example_that_is_in_its_help(run):
    assert {verb.__name__.rstrip("_") for verb in VERBS} | {"new recipe"} == set(COMMANDS)
    for name, (short, example) in COMMANDS.items():
        assert len(short) <= 46 and example.startswith(f"spikeproof {name}")
        _, out, _ = run(*name.split(), "--help")
        assert "".join(example.split()) in "".join(out.split())
        options = [word for word in shlex.split(example) if word.startswith("--")]
        assert all(option in out for option in options)
    for verb in VERBS:
        for parameter, hint in maker().parameters(verb):
            assert hint.__metadata__[0].help, f"{verb.__name__}: {parameter.name} has no help"


def test_help_fits_narrow_terminals_and_names_all_choices(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for name in COMMANDS:
        _, out, _ = run(*name.split(), "--help")
        assert "…" not in out and "..." not in out and max(map(len, out.splitlines())) <= 60
    _, out, _ = run("simulate", "--help")
    assert all(choice in out for choice in ("lava", "engine", "reference"))
    _, out, _ = run("train", "--help")
    assert all(choice in out for choice in ("auto", "cpu", "gpu", "bf16"))
