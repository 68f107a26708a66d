"""What other people's tools wrote, file by file: an exact verdict with the gap told, or a refusal with the fix."""

import re
from pathlib import Path

import nir_corpus as corpus
import numpy as np
import pytest

from spikeproof.contract.errors import SpikeproofError
from spikeproof.export.nir import file as nir_file
from spikeproof.sim.verify.nir_gap import real_spikes
from spikeproof.sim.verify.verify import verify

PAGE = Path(__file__).resolve().parents[2] / "docs" / "nir.md"
there = pytest.mark.skipif(not corpus.FOLDER.is_dir(), reason="the folder of other tools' files is absent")
RUN = [file for file in corpus.FILES if file.runs]
FIX = re.compile(r"[Gg]ive|[Ff]ix|[Ww]rite|[Rr]emove|xport the network again|read the graph with")
REFUSED = [file for file in corpus.FILES if file.refused]


def name(file):
    return file.name.removesuffix(".nir")


@there
def test_no_file_of_the_folder_is_left_out():
    found = {f"{folder}/{path.name}" for folder in ("nir_paper", "nir_tools", "nir_made")
             for path in (corpus.FOLDER / folder).glob("*.nir")}  # fmt: skip
    assert found == {file.name for file in corpus.FILES} and len(found) == 38


@there
@pytest.mark.parametrize("file", REFUSED, ids=name)
def test_a_refusal_names_the_node_the_reason_and_the_fix(file):
    with pytest.raises(SpikeproofError) as found:
        nir_file.read(corpus.FOLDER / file.name)
    words = str(found.value)
    assert file.refused in words and FIX.search(words), words


@there
@pytest.mark.parametrize("file", RUN, ids=name)
def test_a_graph_runs_exactly_and_says_how_far_it_is_from_its_own_equations(file):
    verdict, found, x, drift = corpus.measured(file)
    assert verdict.exact, verdict
    rows, (real, output) = corpus.oracle(file, found, x), real_spikes(found, x)
    for record in found.net.layers:
        if record.name in real and record.name in rows:
            np.testing.assert_array_equal(real[record.name], rows[record.name], err_msg=record.name)
        elif record.name in rows:
            np.testing.assert_allclose(output, rows[record.name][..., -1], atol=1e-9)
    # Layers are listed with bits left; the first has no other error than its own, but for what comes back to it.
    assert [each.layer for each in found.rounding] == [layer.name for layer in found.net.layers]
    assert next(iter(drift.values())) < (0.15 if file.loop else 0.06)
    assert all(each.weight_bits is None or each.weight_bits >= 6 for each in found.rounding)
    assert "without rounding" in str(verdict.float_gap)
    assert any(f"dt = {found.dt:g} s" in note for note in found.notes)
    assert sum("bits left" in note for note in found.notes) == len(found.layers)


@there
def test_the_page_shows_the_table():
    told = [line for line in PAGE.read_text().splitlines() if line.startswith("| `nir_")]
    assert [line.split("`")[1] for line in told] == [file.name for file in corpus.FILES]
    for file, line in zip(corpus.FILES, told, strict=True):
        assert bool(file.refused) == ("refused" in line) and file.runs == ("exact" in line), line
        assert file.options is None or f"--dt {file.options['dt']:g}" in line


@there
@pytest.mark.lava
@pytest.mark.parametrize("stem", ["rec_flat", "skip", "delay_twice", "li_end", "sumpool", "snn_rsyn"])
def test_lava_agrees(stem):
    file = next(each for each in RUN if each.name.endswith(f"/{stem}.nir"))
    found, x = corpus.read(file._replace(steps=25, samples=2))
    verdict = verify(found, x, backends=("engine", "lava"))
    assert verdict.exact, verdict


@there
def test_what_a_reset_by_subtraction_would_change_is_much():
    """sinabs and snnTorch may subtract the threshold, which a file does not say; the notes warn of it."""
    file = next(each for each in RUN if each.name.endswith("/sinabs_iaf_mlp.nir"))
    found, x = corpus.read(file)
    zero, subtracted = (corpus.oracle(file, found, x, subtract=each) for each in (False, True))
    assert zero["n1"].sum() < subtracted["n1"].sum()
    assert any("subtract their threshold" in note for note in found.notes)
