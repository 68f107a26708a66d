"""The examples of README and docs run, and the commands exist."""

import re
from pathlib import Path

import pytest
from child import output

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.lava
def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(code.strip().splitlines()) <= 20

    exec(compile(code, "README.md", "exec"), {})

    assert "torch and lava are exact" in capsys.readouterr().out


IN_A_CHILD = {"lava.md"}
"""Pages whose code runs Lava in its own process, which can hang."""


@pytest.mark.lava
@pytest.mark.parametrize("page", sorted(IN_A_CHILD))
def test_the_examples_that_run_lava_run(page, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)))
    assert "assert" in script.read_text()
    output(script, cwd=tmp_path)


PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in IN_A_CHILD]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers")  # Lightning's own
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_the_examples_in_docs_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(compile(code, page.name, "exec"), names)


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_commands_exist():
    from spikeproof.cli import app

    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    shown = set(re.findall(r"^\| `spikeproof (\w+)", README, re.M))
    assert shown == verbs | {"new"}  # a group of its own
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in re.findall(r"`?make ([\w-]+)", README))


def forward_passes():
    """The table of docs/modules.md: forward pass -> what becomes of it."""
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \|$", (ROOT / "docs" / "modules.md").read_text(), re.M)
    return {code: said for code, said in rows}


@pytest.mark.parametrize("code", forward_passes())
def test_the_table_of_what_may_stand_where_is_true(code):
    import torch
    import user_modules as users

    from spikeproof.contract.errors import UnsupportedError
    from spikeproof.sim.verify.verify import verify

    given = {
        "mask": torch.tensor([1.0, 0.0] * 4).reshape(8, 1),
        "cat": torch.cat,
        "pad": torch.nn.functional.pad,
        "relu": torch.relu,
        "dropout": torch.nn.functional.dropout,
        "encode": lambda x: (x + x.roll(1, -1)).clamp(max=1),
    }

    def forward(self, x):
        return eval(code, given | {"a": self.a, "b": self.b, "c": self.c, "fc": self.fc, "x": x})

    said = forward_passes()[code]
    torch.manual_seed(1)
    kept = {"params": {"persistent_state": True}} if ".split(1, -1)" in code else {}
    parts = {
        "a": users.dense(users.CHANNELS, 8, **kept),
        "b": users.dense(8, 8, **kept),
        "c": users.dense(8, 4, **kept),
    }
    module = users.lively(users.Model(forward, **parts, fc=torch.nn.Linear(4 if code.startswith("fc(c") else 8, 8)))
    if said.startswith("refused"):
        words = {"numbers": "Its numbers are no spikes", "factor": "arrive times 0.3"} | {
            "linear": "rsub stands between", "steps": "steps are mixed", "samples": "samples are mixed"
        } | {"branch": "branches on spikes"}  # fmt: skip
        (word,) = (words for key, words in words.items() if key in said)
        with pytest.raises(UnsupportedError, match=word):
            verify(module, users.x_of(), backends=("engine",))
        return
    verdict = verify(module, users.x_of(), backends=("engine",))
    assert verdict.whole, str(verdict)
    assert bool(verdict.host.before) == ("front end" in said), str(verdict)
    assert bool(verdict.host.after) == ("tail" in said), str(verdict)
