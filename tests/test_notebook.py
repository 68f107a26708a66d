"""What a notebook shows of verdicts, networks, runs and traces, and what Python users give: loaders, and a wish for bars."""

import contextlib
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from graphs import graph
from torch.utils.data import DataLoader, TensorDataset

import spikeproof
from spikeproof.contract.errors import InputError
from spikeproof.sim import arrays
from spikeproof.sim.pictures import figures, png
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.recipe import find
from spikeproof.train.runs.run import Run

X = np.random.default_rng(0).random((6, 1, 20), dtype=np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(1)
    return Classifier(1, (10, 12), 3, 20, cpg=4).eval()


@pytest.fixture(scope="module")
def verdict(module):
    return spikeproof.verify(module, X, backends=("engine",))


def test_what_is_printed_is_short(verdict):
    assert repr(verdict) == "Verdict(EXACT, 6 samples of torch, engine)"
    assert repr(verdict.net) == (
        "Net(channels: 1, layers: celif1 CELIF 10, celif2 CELIF 12, readout3 Readout 3, steps: 20)"
    )
    assert repr(verdict.traces[0]).startswith("Trace('torch', 6 samples: celif1 s v h theta (10, 20), ")
    assert len(repr(verdict.traces[0])) < 200
    assert str(verdict).startswith("EXACT\n") and f"{verdict}".count("\n") > 3
    deep = graph(507)[0]
    assert len(repr(deep)) < 600 and ("edges" in repr(deep)) == bool(deep.edges)


@pytest.mark.parametrize("what", ["verdict", "net", "trace"])
def test_a_cell_shows_a_card_that_needs_nothing_else(verdict, what):
    shown = {"verdict": verdict, "net": verdict.net, "trace": verdict.traces[0]}[what]._repr_html_()
    tree = ElementTree.fromstring(shown)  # every tag is closed, every name is escaped
    assert len(shown) < 12_000 and not re.search(r"""(src|href)\s*=|url\(|@import|https?://|<script""", shown)
    words = " ".join("".join(tree.itertext()).split())
    assert ("EXACT" in words) == (what == "verdict")
    assert "celif2" in words and (tree.find(".//svg") is not None) == (what != "trace")


def test_names_are_escaped_in_a_card(module):
    net = spikeproof.record(module, sample=X)
    odd = spikeproof.records.Net(
        inputs=net.inputs, layers=net.layers, steps=net.steps, te=net.te, host_after="<script>alert(1)</script>"
    )
    found = spikeproof.verify(odd, X, backends=("engine", "reference"))
    assert "<script" not in found._repr_html_()


def test_a_net_without_the_package_above_it_has_no_card(monkeypatch):
    from spikeproof.contract.net import net

    monkeypatch.setattr(net, "drawn_by", None)
    assert graph(507)[0]._repr_html_() is None


def test_a_trace_is_drawn(verdict, tmp_path):
    trace = verdict.traces[0]
    picture = trace.plot(2)
    tree = ElementTree.fromstring(picture._repr_svg_())
    panels = tree.findall(".//{http://www.w3.org/2000/svg}svg")
    assert len(panels) == 2 and repr(picture) == "Picture(Spikes of sample 2, torch)"
    words = " ".join("".join(tree.itertext()).split())
    assert "time step" in words and "neuron" in words and "10 neurons" in words
    for panel, layer in zip(panels, ("celif1", "celif2"), strict=True):
        (path,) = (each for each in panel if each.get("d"))
        places = zip(*png.points(figures.Path("both", path.get("d"))), strict=True)
        fired = {(int(y), int(x)) for x, y in places}
        assert fired == {tuple(at) for at in np.argwhere(trace.layers[layer]["s"][2]).tolist()}
    assert len(trace.plot(layers=["celif2"]).figures[0].panels) == 1
    for sample, layers, said in (
        (6, None, "there are 6"),
        (0, ["celif3"], "Did you mean celif"),
        (0, ["readout3"], "Nothing that fires"),
    ):
        with pytest.raises(InputError, match=said):
            trace.plot(sample, layers=layers)


def test_pictures_are_written(verdict, tmp_path):
    verdict.plot().save(tmp_path / "a.svg")
    verdict.plot().save(tmp_path / "a.png")
    assert (tmp_path / "a.svg").read_text() == verdict.plot().svg
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"written as \.svg or \.png"):
        verdict.plot().save(tmp_path / "a.gif")


def test_the_command_draws_a_trace(run, verdict, tmp_path):
    np.savez(tmp_path / "t.npz", **arrays.arrays(verdict.traces[0]))
    assert run("plot", tmp_path / "t.npz") == (0, f"{tmp_path / 't.svg'}\n", "")
    assert run("plot", tmp_path / "t.npz")[0] == 2 and run("plot", tmp_path / "t.npz", "--force")[0] == 0
    assert run("plot", tmp_path / "t.npz", "-o", tmp_path / "t.png", "--sample", 5, "--layer", "celif2")[0] == 0
    code, _, err = run("plot", tmp_path / "t.npz", "-o", tmp_path / "b.svg", "--layer", "celif")
    assert code == 2 and "No layer is called 'celif'; there are celif1, celif2, readout3. Did you mean celif" in err


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_a_loader_is_taken_as_samples(module, verdict, batch_size):
    loader = DataLoader(TensorDataset(torch.as_tensor(X), torch.as_tensor(Y)), batch_size=batch_size)
    found = spikeproof.verify(module, loader, backends=("engine",))
    assert found.exact and found.input_sha256 == verdict.input_sha256
    assert found.scores.right["torch"].right == int((verdict.answers["torch"].predictions == Y).sum())
    some = spikeproof.verify(module, loader, samples=3, backends=("engine",))
    assert some.input_sha256 == spikeproof.verify(module, X[:3], backends=("engine",)).input_sha256
    assert some.comparisons[0].num_samples == 3 and some.scores.right["engine"].total == 3
    with pytest.raises(InputError, match="samples = 7: there are 6"):
        spikeproof.verify(module, loader, samples=7, backends=("engine",))


def test_loaders_without_classes_and_odd_loaders(module):
    alone = DataLoader(torch.as_tensor(X), batch_size=4)
    assert spikeproof.verify(module, alone, backends=("engine",)).scores.classes is None
    real = DataLoader(TensorDataset(torch.as_tensor(X), torch.rand(6)), batch_size=4)
    assert spikeproof.verify(module, real, backends=("engine",)).scores.classes is None
    far = DataLoader(TensorDataset(torch.as_tensor(X), torch.full((6,), 99)), batch_size=4)
    assert spikeproof.verify(module, far, backends=("engine",)).scores.classes is None
    ragged = DataLoader([torch.zeros(1, 20), torch.zeros(1, 21)], batch_size=1)
    with pytest.raises(InputError, match="different shapes"):
        spikeproof.verify(module, ragged, backends=("engine",))
    with pytest.raises(InputError, match="batches of dict"):
        spikeproof.verify(module, DataLoader([{"x": torch.zeros(1, 20)}], batch_size=1), backends=("engine",))


def test_bars_are_shown_where_they_are_asked_for(module, monkeypatch):
    from spikeproof.cli.terminal import console

    bars = []
    monkeypatch.setattr(console, "progress", lambda: bars.append(console.progress_bar()) or contextlib.nullcontext())
    assert spikeproof.verify(module, X, backends=("engine",), progress=True).exact and len(bars) == 1


def test_a_run_says_what_it_is(tmp_path):
    folder = tmp_path / "run"
    run = fit(find("digits-plain").replace(["hidden=4", "epochs=1"]), folder)
    assert re.fullmatch(r"Run\('.*run': digits, accuracy 0\.\d{4} of 450 test samples, [\d,]+ parameters\)", repr(run))
    assert "proves it" in run._repr_html_() and spikeproof.verify(folder, samples=2, backends=("engine",)).scores.right
    result = json.loads((folder / "result.json").read_text())
    (folder / "recipe.json").write_text('{"task": "digits", "layers": 3}')
    assert "damaged, " in repr(run) and "layers is unknown" in repr(run)
    (folder / "result.json").write_text(json.dumps({"metric": result["metric"]}))
    assert "damaged" in repr(run) and "no training run" in repr(Run(tmp_path))
