"""Every kind of neuron in the registry has all that a kind needs: this is the first test of a new one."""

import json

import kinds
import numpy as np
import oracles
import pytest

from spikeproof.contract.neurons import KINDS
from spikeproof.export import formats
from spikeproof.export.describe import describe
from spikeproof.export.lint.check import lint
from spikeproof.export.loihi2.mapping import place
from spikeproof.sim import engine, reference
from spikeproof.sim.compare import compare
from spikeproof.sim.trace import VARIABLES


@pytest.fixture(params=KINDS, scope="module")
def kind(request):
    return KINDS[request.param]


class TestEveryKind:
    """What makes a class of neurons a kind that users can rely on."""

    def test_its_example_is_active(self, kind):
        net = kinds.network(kind)
        trace = reference.run(net, kinds.payload(net))
        variables = trace.layers[net.layers[0].name]
        assert set(variables) == set(VARIABLES[kind])
        for name, values in variables.items():
            assert values.any(), f"{kind.__name__}: {name} stays 0; declare a better example="

    def test_an_oracle_computes_the_same(self, kind):
        vector = kinds.vector(kind)
        params = kinds.example(kind)
        te = np.array(vector["te"]) if kind.takes_te else None
        found = reference.scan(params, np.array(vector["sums"])[:, None], te)
        sent = found.pop("s") if kind.fires else np.zeros((1, kinds.N, kinds.STEPS), int)
        assert sent[0].T.tolist() == vector["sent"]
        for name in kind.registers:
            assert found[name][0].T.tolist() == vector["registers"][name], name

    def test_its_golden_vector_is_kept(self, kind):
        path = kinds.GOLDEN / f"{kind.__name__}.json"
        assert path.exists(), f"python tests/kinds.py writes {path}"
        assert path.read_text() == kinds.text(kinds.vector(kind)), "python tests/kinds.py writes it again"
        assert json.loads(path.read_text())["kind"] == kind.__name__

    @pytest.mark.parametrize("conv", [False, True])
    @pytest.mark.parametrize("suffix", [".net", ".nir"])
    def test_a_file_gives_back_the_record(self, kind, conv, suffix, tmp_path):
        if suffix == ".nir":
            pytest.importorskip("nir")
        net = kinds.network(kind, conv=conv)
        formats.write(net, tmp_path / f"a{suffix}")
        assert formats.load(tmp_path / f"a{suffix}") == net

    def test_every_layout_is_taken_and_read(self, kind, tmp_path):
        seen = set()
        for changes in ({}, {"graded": 1}):
            if changes and not hasattr(kinds.example(kind), "graded"):
                continue
            net = kinds.network(kind, **changes)
            formats.write(net, tmp_path / "a.net")
            assert formats.load(tmp_path / "a.net") == net
            from spikeproof.export.netx.layers import type_name

            seen |= {type_name(layer) for layer in net.layers}
        assert seen == {layout.type for layout in kind.layouts}

    @pytest.mark.parametrize("conv", [False, True])
    def test_the_engine_is_the_reference(self, kind, conv):
        net = kinds.network(kind, conv=conv)
        x = kinds.payload(net)
        found = compare(reference.run(net, x), engine.run(net, x))
        assert found.first is None, str(found)
        assert found.registers_compared

    def test_it_is_described_placed_and_linted(self, kind):
        net = kinds.network(kind)
        assert {layer["neuron"] for layer in describe(net)["layers"]} == {kind.__name__}
        assert place(net).cores
        assert all(finding.severity != "error" for finding in lint(net))


@pytest.mark.lava
@pytest.mark.parametrize("conv", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", KINDS)
def test_lava_is_the_reference(name, conv):
    from spikeproof.sim.lava import backend

    net = kinds.network(KINDS[name], conv=conv)
    x = kinds.payload(net)
    found = compare(reference.run(net, x), backend.run(net, x))
    assert found.first is None, str(found)


def test_the_table_of_the_documentation_is_the_registry():
    page = (kinds.ROOT / "docs" / "neurons.md").read_text()
    assert f"{kinds.TABLE}\n{kinds.table()}\n{kinds.TABLE}" in page, "python tests/kinds.py writes it again"


def test_no_oracle_or_golden_vector_is_left_over():
    modules = {kind.__module__.rpartition(".")[2] for kind in KINDS.values()}
    found = {path.stem for path in (kinds.ROOT / "tests" / "oracles").glob("[a-z]*.py")}
    assert found == modules
    assert {path.stem for path in kinds.GOLDEN.glob("*.json")} == set(KINDS)
    assert all(oracles.of(kind).step for kind in KINDS.values())
