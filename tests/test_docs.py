"""The site: its reference has every public name, its menu every page, and its tutorials run."""

import importlib.util
import re
from pathlib import Path

import pytest

import spikeproof

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *TUTORIALS])


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


def prose(page):
    """The lines of a page, with nothing in place of its code."""
    fenced = False
    for line in page.read_text().splitlines():
        if page.suffix == ".py":
            line = re.sub("^# ?", "", line) if line.startswith("#") else ""
        fenced ^= line.lstrip().startswith("```")
        yield "" if fenced else line


def wrong_lists(lines):
    """Lines that begin with a number by chance, and would be an item of a list, and items that are indented by no 4."""
    before, numbers = "", {}
    for count, line in enumerate(lines, 1):
        found = re.match(r"( *)(?:[-*+]|(\d+)\.) ", line)
        if not line:
            numbers = {}
        elif found:
            indent, number = len(found[1]), int(found[2] or 0)
            begins = not before or (number == 1 and re.match(r" *([-*+]|\d+\.) ", before))
            if indent % 4 or (found[2] and not begins and numbers.get(indent) != number - 1):
                yield f"{count}: {line}"
            numbers[indent] = number
        before = line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lists_are_lists_and_nothing_else_is(page):
    assert not list(wrong_lists(prose(page)))


def test_a_line_that_is_an_item_by_chance_is_found():
    right = ["- a", "    1. b", "       and more", "    2. c", "- d", "", "1. e", "2. f", "", "12. after an empty line"]
    assert not list(wrong_lists(right))
    wrong = ["it took", "12. For all", "", "- no interval contains", "  0. It is", "- a", "  - b", "100. A value"]
    assert list(wrong_lists(wrong)) == ["2: 12. For all", "5:   0. It is", "7:   - b", "8: 100. A value"]


@pytest.mark.docs
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorials_run(tutorial, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.chdir(tmp_path)
    notebook = jupytext.read(tutorial)
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute(cwd=str(tmp_path))
    assert not list(tmp_path.iterdir()), "a tutorial leaves nothing behind"
