"""The site: its reference has every public name, its menu every page, and its tutorials run."""

import importlib.util
import re
from pathlib import Path

import pytest

import spikeproof

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))


def hooks():
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_public_name_once():
    names = [name for group in hooks().GROUPS.values() for name in group]
    assert sorted(names) == sorted(set(spikeproof.__all__) - {"__version__"})
    assert set(hooks().WRAPPED) <= set(names)


def test_the_menu_has_every_page_once():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = re.findall(r"([\w/-]+\.(?:md|py))$", menu, re.M)
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    made = {f"reference/{hooks().slug(heading)}.md" for heading in hooks().GROUPS}
    assert sorted(named) == sorted(pages | made | {f"tutorials/{tutorial.name}" for tutorial in TUTORIALS})


@pytest.mark.parametrize(
    ("page", "link", "shown"),
    [
        ("map.md", "[limits.toml](../export/loihi2/limits.toml)", "`export/loihi2/limits.toml`"),
        ("nir.md", "[the networks](../tests/child.py)", "the networks (`tests/child.py`)"),
        ("map.md", "[verify](verify.md#two-gaps)", "[verify](verify.md#two-gaps)"),
        ("adr/README.md", "[it](../glossary.md)", "[it](../glossary.md)"),
        ("map.md", "[there](https://example.org)", "[there](https://example.org)"),
        ("cpg.md", "![What it is](uniqueness.png)", "![What it is](uniqueness.png)"),
    ],
)
def test_files_that_are_no_part_of_the_site_are_named(page, link, shown):
    module = hooks()
    assert module.LINK.sub(lambda found: module._link(found, page), link) == shown


@pytest.mark.docs
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorials_run(tutorial, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.chdir(tmp_path)
    notebook = jupytext.read(tutorial)
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute(cwd=str(tmp_path))
    assert not list(tmp_path.iterdir()), "a tutorial leaves nothing behind"
