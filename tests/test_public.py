"""What is public is said once, in `spikeproof.__all__`: README and docs use nothing beside it."""

import ast
import re
from pathlib import Path

import pytest

import spikeproof
from spikeproof.contract import net
from spikeproof.contract.neurons import KINDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if page.name != "CHANGELOG.md")
PAGES += sorted(ROOT.glob("docs/tutorials/*.py"))

DEEPER = {
    "add_a_neuron.md": "shows the source of a module of the package, and its test",
}
"""Pages whose code is no user's -> what it is."""


def blocks(page):
    """The Python code of a page, with the line in which each block begins."""
    text = page.read_text()
    if page.suffix == ".py":
        yield 0, ast.parse(text)
        return
    for found in re.finditer(r"^```(?:python|py)\n(.*?)^```", text, re.S | re.M):
        yield text[: found.start(1)].count("\n"), ast.parse(found.group(1))


def deeper(tree):
    """Everything of the package in some code that is not public, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if not node.level else ["a relative import"]
            whole = node.module and node.module.count(".") < 2
        elif isinstance(node, ast.Import):
            names, whole = [alias.name for alias in node.names], all(alias.name.count(".") < 2 for alias in node.names)
        elif isinstance(node, ast.Attribute) and re.fullmatch(r"spikeproof(\.\w+)+", ast.unparse(node)):
            names, whole = [ast.unparse(node)], True
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            relative = package == "a relative import"
            if relative or (
                package == "spikeproof" and not (whole and rest.partition(".")[0] in ("", *spikeproof.__all__))
            ):
                yield node.lineno, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_in_docs_uses_public_names_alone(page):
    found = [f"{page.name}:{start + line}: {name}" for start, tree in blocks(page) for line, name in deeper(tree)]
    if page.name in DEEPER:
        assert found, f"{page.name} uses public names alone; take it out of DEEPER"
        return
    assert not found, f"not in spikeproof.__all__: {'; '.join(found)}"


def test_what_is_not_public_is_found():
    code = (
        "import spikeproof, spikeproof.sim\nfrom spikeproof.contract.net import Net\nfrom spikeproof import celif, cli\n"
        "from spikeproof.records import Net\nfrom .b import c\nspikeproof.export.formats.write(spikeproof.records.Net)\n"
    )
    assert {name for _, name in deeper(ast.parse(code))} == {
        "spikeproof.sim", "spikeproof.contract.net.Net", "spikeproof.cli", "a relative import",
        "spikeproof.export.formats.write", "spikeproof.export.formats", "spikeproof.export",
    }  # fmt: skip


def test_public_names_are_lazy_and_no_folders_of_the_package():
    assert len(spikeproof.__all__) == len(set(spikeproof.__all__))
    assert not {name for name in spikeproof.__all__ if (ROOT / name).is_dir()}
    for module in (spikeproof.records, spikeproof.loihi2):
        assert set(module.__all__) <= set(dir(module))


def test_networks_of_ones_own_can_be_written_and_read(tmp_path):
    from spikeproof.records import CUBA, Dense, Input, Layer, Net

    neuron = CUBA(num_neurons=1, u_decay=4096, v_decay=0, v_th_mant=1)
    net = Net(
        inputs=(Input(num_channels=1),), layers=(Layer(name="a", synapse=Dense(weight=[[64]]), neuron=neuron),), steps=3
    )
    spikeproof.write(net, tmp_path / "a.net")
    assert spikeproof.load(tmp_path / "a.net") == net
    assert spikeproof.loihi2.place(net).fits


def test_every_kind_of_neuron_and_every_part_of_a_network_is_public():
    public = {getattr(spikeproof.records, name) for name in spikeproof.records.__all__}
    assert public >= {*KINDS.values(), net.Edge, net.Input, net.Layer, net.Net}
