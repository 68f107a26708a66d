"""The parity matrix measures, and says so when something is not exact."""

import dataclasses
import importlib
import sys
from pathlib import Path

import pytest

from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.lava_procs import compat
from spikeproof.sim.verify.verify import verify

compat.apply()
pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
BENCH = Path(__file__).resolve().parents[1] / "bench"


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    yield importlib.import_module("matrix")
    for name in ("matrix", "matrix_cells", "matrix_hostile", "matrix_options"):
        sys.modules.pop(name, None)


def test_cells_are_measured_and_the_page_says_what_was_found(matrix, tmp_path, capsys):
    page = tmp_path / "page.md"

    code = matrix.main(["--nets", "2", "--lava", "0", "--only", "Recurrent ", "--output", str(page)])

    found = page.read_text()
    assert code == 0 and "FAULT" not in found
    assert "| Recurrent, `alif` | **exact** (2 nets, " in found and "| X-load |" in found
    assert "refused: layer 'rf1': Recurrent: SLAYER's own forward pass raises" in found
    assert "Recurrent, cuba: exact: 2 nets" in capsys.readouterr().err

    assert matrix.main(["--nets", "1", "--lava", "0", "--only", "TimeDecimation cuba", "--update", str(page)]) == 0

    counted = {line for line in found.splitlines() if "(2 nets, " in line}
    assert len(counted) > 3 and counted <= set(page.read_text().splitlines())
    assert "| TimeDecimation, `cuba` | refused: layer 'cuba1': TimeDecimation: " in page.read_text()


def test_a_mismatch_is_printed_and_ends_with_1(matrix, monkeypatch, capsys, tmp_path):
    def of_a_wrong_file(module, x, **options):
        net = record(module, sample=x)
        last = net.layers[-1]
        wrong = dataclasses.replace(last, neuron=dataclasses.replace(last.neuron, v_th_mant=last.neuron.v_th_mant + 20))
        netx.write(dataclasses.replace(net, layers=(*net.layers[:-1], wrong)), tmp_path / "net.net")
        return verify(module, x, file=tmp_path / "net.net", **options)

    monkeypatch.setattr(matrix, "verify", of_a_wrong_file)

    assert matrix.main(["--nets", "1", "--lava", "0", "--only", "Dense cuba"]) == 1

    found = capsys.readouterr()
    assert "torch and engine DIFFER, first in layer 'cuba" in found.out
    assert "FAULT in Dense, cuba" in found.err


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda make: lambda seed: (make(seed)[0], 0 * make(seed)[1]), "nothing fired in some layer of 6 networks"),
        (lambda make: lambda seed: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
    ids=["silence", "exception"],
)
def test_what_is_neither_exact_nor_refused_is_a_fault(matrix, plant, words):
    cell = matrix.SECTIONS[0][2][0]

    outcome = matrix.measure(cell._replace(make=plant(cell.make)), 1, 0)

    assert outcome.kind == "FAULT" and words in outcome.text


def test_a_register_that_leaves_its_range_must_be_told(matrix):
    cell = next(cell for cell in matrix.SECTIONS[1][2] if cell.leaves_range)

    assert matrix.measure(cell, 1, 0).kind == "told"
    tame = matrix.SECTIONS[0][2][0].make
    assert matrix.measure(cell._replace(make=tame), 1, 0).kind == "FAULT"
