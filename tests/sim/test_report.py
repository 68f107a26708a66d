"""The report says what was found, needs nothing but itself, and works in a browser, light and dark."""

import dataclasses
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim.pictures import figures, png
from spikeproof.sim.pictures.of_verdict import figures_of
from spikeproof.sim.report import page as report
from spikeproof.sim.report import places
from spikeproof.sim.trace import Trace
from spikeproof.sim.verify import scores
from spikeproof.sim.verify.verify import verify
from spikeproof.train.runs.models import Classifier

X = np.random.default_rng(0).random((6, 1, 20), dtype=np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(1)
    return Classifier(1, (10, 12), 3, 20, cpg=4).eval()


@pytest.fixture(scope="module")
def altered(module, tmp_path_factory):
    """A file of the network with another weight in its second layer."""
    net = record(module, sample=X)
    weight = net.layers[1].synapse.weight.copy()
    weight[4] = -weight[4]
    layers = (net.layers[0], dataclasses.replace(net.layers[1], synapse=Dense(weight=weight)), net.layers[2])
    path = tmp_path_factory.mktemp("nets") / "net.net"
    netx.write(dataclasses.replace(net, layers=layers), path)
    return path


@pytest.fixture(scope="module")
def pages(module, altered, tmp_path_factory):
    """An exact and a mismatch report: name -> (page, what stands beside it, verdict)."""
    folder = tmp_path_factory.mktemp("reports")
    made = {}
    for name, file in (("exact", None), ("mismatch", altered)):
        verdict = scores.with_classes(verify(module, X, file=file, backends=("engine",)), Y)
        beside = report.write(
            verdict,
            folder / f"{name}.html",
            title="Digits <1> & more",
            whole_test=(0.5, 6),
            net_path=file,
            facts={"by": "<b>"},
        )
        made[name] = folder / f"{name}.html", json.loads(beside.read_text()), verdict
    return made


def words(path):
    """What a reader reads."""
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", path.read_text(), flags=re.S)
    return " ".join(html.unescape(text).split())


def test_an_exact_report(pages):
    path, plain, verdict = pages["exact"]
    read = words(path)

    assert (
        "Digits <1> & more EXACT on the host, not on the chip: after the network: divide the read-out's sum by the st"
        in read
    )
    assert "module(x) is the same to the last bit with the spikes of engine (6 samples)" in read
    assert "torch and engine are exact: 2,640 raster entries" in read
    assert plain["whole"] is True and plain["host"] == {
        "before": [],
        "after": ["divide the read-out's sum by the steps"],
    }
    assert "<b>EXACT</b>" in path.read_text() and "Digits &lt;1&gt; &amp; more" in path.read_text()
    assert "No place differs" in read and "into celif1 4 oscillators" in read
    assert f"{verdict.float_gap.same_class} of 6 samples keep their class" in read and "Lava was not run" in read
    assert plain["exact"] is True and plain["diagnoses"] == [None]
    assert plain["repeat"]["input, SHA-256"] == verdict.input_sha256 and len(verdict.input_sha256) == 64
    assert plain["repeat"]["numpy"] == np.__version__ and plain["repeat"]["by"] == "<b>"
    assert plain["repeat"]["CPU"] and "cores" in plain["repeat"]["machine"]
    order = [read.index(words) for words in ("Accuracy", "Two gaps", "The network 3 layers", "torch against")]
    assert order == sorted(order) and "samples accuracy 95 % interval right of" in read
    assert "6 50.00 % 18.8 to 81.2 % 3 the trained module, its whole test part" in read
    assert "Where this ran machine" in read and "time step of the sample" in read
    assert (
        "celif1 is the first layer whose thresholds adapt, and these neurons are spread evenly over those that" in read
    )
    matrix = np.array(plain["confusion"])
    assert matrix.sum() == 6 and matrix.sum(1).tolist() == [2, 2, 2]
    assert np.trace(matrix) == plain["right"]["torch"]["right"] == plain["right"]["engine"]["right"]
    assert plain["gaps"]["float_to_fixed"]["same_class"] == plain["right_float"]["same"]
    largest = {(room["layer"], room["register"]): room["largest"] for room in plain["headroom"]}
    assert "Headroom layer register" in read
    assert largest["celif1", "v"] == np.abs(verdict.traces[0].layers["celif1"]["v"]).max()


def test_every_spike_stands_in_the_raster_once(pages):
    """Those of both sides in one colour, those of one side alone in two others; all of them together are the traces."""
    for path, _, verdict in pages.values():
        page, (expected, found) = path.read_text(), verdict.traces
        panels = re.findall(r'<div class="label">(celif\d)<small>.*?</svg>', page, re.S)
        assert panels == ["celif1", "celif2"]
        for layer in panels:
            (drawn,) = re.findall(rf'<div class="label">{layer}<small>.*?</svg>', page, re.S)
            kinds = {
                kind: set(zip(*png.points(figures.Path(kind, d)), strict=True))
                for kind, d in re.findall(r'<path class="(\w+)" d="([^"]+)"', drawn)
            }
            sample = _drawn_sample(page, verdict)
            a, b = (
                {(t + 0.5, n + 0.5) for n, t in np.argwhere(of.layers[layer]["s"][sample])} for of in (expected, found)
            )
            assert kinds.get("both", set()) == a & b and a & b
            assert kinds.get("expected", set()) == a - b and kinds.get("found", set()) == b - a
            assert kinds.get("differs", set()) == a ^ b


def test_spikes_of_one_side_alone_are_not_those_of_both(module):
    net, random = record(module, sample=X), np.random.default_rng(3)
    a, b = (
        Trace(backend=name, layers={of.name: {"s": random.integers(0, 3, (1, of.num_neurons, 20))} for of in net.layers[:2]}
              | {"readout3": {"v": np.zeros((1, 3, 20), np.int32)}})
        for name in ("one", "two")
    )  # fmt: skip
    for panel in figures.rasters(net, a, b, 0, 0).panels:
        kinds = {path.kind: set(zip(*png.points(path), strict=True)) for path in panel.paths}
        x, y = (of.layers[panel.label]["s"][0] for of in (a, b))
        for kind, mask in {
            "both": (x != 0) & (y != 0),
            "expected": (x != 0) & (y == 0),
            "found": (x == 0) & (y != 0),
            "differs": x != y,
        }.items():
            assert kinds[kind] == {(t + 0.5, n + 0.5) for n, t in np.argwhere(mask)} and mask.any()


def _drawn_sample(page, verdict):
    called = int(re.search(r"Spikes of sample (\d+):", page).group(1))
    return verdict.traced.tolist().index(called)


def test_the_neurons_that_are_drawn_are_accounted_for(pages):
    _, _, verdict = pages["mismatch"]
    first = verdict.comparisons[0].first
    shown = figures_of(verdict)[1]
    assert (
        f"{first.layer} is the layer that differs first, and neuron {first.neuron} the one in which it does"
        in shown.words
    )
    assert shown.panels[0].label == f"neuron {first.neuron}" and len(shown.panels) == 5
    for panel in shown.panels:
        high, low = map(float, panel.ticks)
        assert -panel.top >= high > low >= -(panel.top + panel.height)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_the_interval_is_wilsons(right, total, low, high):
    """The last two are in R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I."""
    assert scores.interval(right, total) == pytest.approx((low, high), abs=5e-5)


def test_a_command_tells_the_date_and_only_the_keys_that_were_set(run, tmp_path):
    train = ("train", "digits-plain", "--set", "hidden=6", "--set", "epochs=1", "--folder", tmp_path / "run", "-q")
    assert run(*train)[0] == 0
    run("verify", tmp_path / "run", "--samples", 2, "--report", tmp_path / "a.html", "--lava-samples", 1, "-q")
    told = json.loads((tmp_path / "a.json").read_text())["repeat"]
    assert told["recipe"].splitlines() == [
        'task = "digits"', 'model = "stack"', 'neuron = "ce-lif"', "hidden = [6]", "epochs = 1", "seed = 0",
    ]  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", told["date"]) and "torch" in told["trained with"]


def test_a_mismatch_report(pages, altered):
    path, plain, verdict = pages["mismatch"]
    read, why = words(path), verdict.diagnoses[0]

    assert "<b>NOT EXACT</b>" in path.read_text()
    assert f"Layer celif2 , sample {why.sample}, step {why.step}, neuron 4" in read
    assert "cause: changed weight" in read and plain["diagnoses"][0]["conclusion"] in read
    assert len(plain["repeat"]["network file, SHA-256"]) == 64
    page = path.read_text()
    expected, found = verdict.traces
    differs = [name for name in ("celif1", "celif2") if (expected.layers[name]["s"] != found.layers[name]["s"]).any()]
    assert differs == ["celif2"] and not re.search("No place differs", read)
    marks = re.findall(r'<path class="differs" d="([^"]+)"', page)
    assert all(mark.count("M") for mark in marks) and any(re.search(r"M\d+\.5 4\.5h0", mark) for mark in marks)


@pytest.mark.parametrize("name", ["exact", "mismatch"])
def test_the_page_needs_nothing_but_itself(pages, name):
    page = pages[name][0].read_text()

    assert not re.search(r"""(src|href|srcset|action)\s*=|url\(|@import|https?://|//cdn""", page)
    assert len(page) < 400_000


def test_the_same_verdict_gives_the_same_bytes(module, tmp_path):
    verdict = verify(module, X, backends=("engine",))

    for name in ("a", "b"):
        report.write(verdict, tmp_path / f"{name}.html", title="t")

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_verdict_without_traces_has_a_report_too(module, tmp_path):
    other = tmp_path / "other.net"
    netx.write(record(Classifier(1, (10, 11), 3, 20).eval(), sample=X), other)
    verdict = scores.with_classes(verify(module, X, file=other), Y)

    report.write(verdict, tmp_path / "a.html", title="t", whole_test=(0.5, 6), net_path=other)

    assert "NOT EXACT the file is not the trained network" in words(tmp_path / "a.html")


def test_a_report_takes_the_place_of_a_report_alone(pages, tmp_path):
    for name in ("a.json", "a.JSON"):
        with pytest.raises(InputError, match=rf"{name}: a report is a page of HTML, .* as a\.json\. Name it a\.html"):
            report.check(tmp_path / name)
    assert report.check(tmp_path / "a.html") == tmp_path / "a.json" and not list(tmp_path.iterdir())
    page, _, verdict = pages["exact"]
    for old in (page, page.with_suffix(".json")):
        shutil.copy(old, tmp_path / f"old{old.suffix}")
    (tmp_path / "empty.html").touch()
    for free in ("old.html", "empty.html"):
        report.check(tmp_path / free)
    for content in ('{"metric": "accuracy", "test_score": 0.9}', "[1]", "no JSON", "\udcff"):
        (tmp_path / "result.json").write_text(content, errors="surrogateescape")
        for act in (report.check, lambda path: report.write(verdict, path, title="t")):
            with pytest.raises(
                InputError, match=r"result\.json exists and is no report, .* Name another file than .*html"
            ):
                act(tmp_path / "result.html")
    (tmp_path / "net.net").write_bytes(b"\x89HDF")
    (tmp_path / "thesis.html").write_text("<!doctype html>\n<title>mine</title>")
    for name in ("net.net", "thesis.html"):
        for act in (report.check, places.check):
            with pytest.raises(InputError, match=rf"{name} exists and is no report, so a page does not take its place"):
                act(tmp_path / name)
    assert not (tmp_path / "result.html").exists()


PROBE = """
<script>
const plot = document.querySelector("figure.plot"), svg = plot.querySelector(".panel svg");
const box = () => svg.getAttribute("viewBox").split(" ").map(Number);
const press = zoom => plot.querySelector(`[data-zoom="${zoom}"]`).click();
const seen = {plots: document.querySelectorAll("figure.plot").length, whole: box()};
press("0.5"); press("0.5"); seen.zoomed = box();
seen.dots = getComputedStyle(svg).getPropertyValue("--dot");
seen.ticks = [...plot.querySelectorAll(".axis span")].map(tick => tick.textContent);
press("2"); seen.wider = box();
svg.dispatchEvent(new WheelEvent("wheel", {deltaY: -1, ctrlKey: true, cancelable: true, bubbles: true})); seen.wheeled = box();
svg.dispatchEvent(new Event("dblclick")); seen.all = box();
press("0.5");
svg.dispatchEvent(new PointerEvent("pointerdown"));
dispatchEvent(new PointerEvent("pointermove", {movementX: 100}));
seen.dragged = box();
dispatchEvent(new PointerEvent("pointerup"));
dispatchEvent(new PointerEvent("pointermove", {movementX: -500})); seen.released = box();
seen.page = getComputedStyle(document.body).backgroundColor;
seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
seen.drawn = [...document.querySelectorAll(".panel path")].every(p => p.getBBox().width + p.getBBox().height > 0 || p.getAttribute("d").split("M").length == 2);
document.body.replaceChildren(Object.assign(document.createElement("pre"), {id: "seen", textContent: JSON.stringify(seen)}));
</script>
"""


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["exact", "mismatch"])
@pytest.mark.parametrize("width", [1100, 400])
def test_it_works_in_a_browser(pages, tmp_path, name, scheme, width):
    page = tmp_path / "page.html"
    page.write_text(pages[name][0].read_text().replace("</body>", PROBE + "</body>"))

    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900",
         f"--blink-settings=preferredColorScheme={int(scheme == 'light')}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S).group(1)))
    assert seen["plots"] == 3 and seen["whole"] == [0, 0, 20, 10]
    assert seen["zoomed"] == [6, 0, 8, 10]  # never less than eight steps
    assert seen["ticks"] == [str(t) for t in range(6, 15)] and float(seen["dots"]) > 1
    assert seen["wider"] == [2, 0, 16, 10]
    assert seen["wheeled"][2] == pytest.approx(12.8) and seen["all"] == seen["whole"]
    assert seen["dragged"][0] < 5 and seen["dragged"][2] == 10 and seen["released"] == seen["dragged"]
    red = int(re.match(r"rgb\((\d+)", seen["page"]).group(1))
    assert red > 200 if scheme == "light" else red < 60
    assert seen["overflow"] <= 0  # nothing makes the page scroll sideways
    assert seen["drawn"]
