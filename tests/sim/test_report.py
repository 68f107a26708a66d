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

from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim.report import page as report
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
        verdict = verify(module, X, file=file, backends=("engine",))
        labels = report.Labels(Y, 0.5, 6)
        beside = report.write(
            verdict,
            folder / f"{name}.html",
            title="Digits <1> & more",
            labels=labels,
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
    matrix = np.array(plain["confusion"])
    assert matrix.sum() == 6 and matrix.sum(1).tolist() == [2, 2, 2]
    assert np.trace(matrix) == plain["right"]["torch"]["right"] == plain["right"]["engine"]["right"]
    assert plain["gaps"]["float_to_fixed"]["same_class"] == plain["right_float"]["same"]
    largest = {(room["layer"], room["register"]): room["largest"] for room in plain["headroom"]}
    assert "Headroom layer register" in read
    assert largest["celif1", "v"] == np.abs(verdict.traces[0].layers["celif1"]["v"]).max()


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
    verdict = verify(module, X, file=other)

    report.write(verdict, tmp_path / "a.html", title="t", labels=report.Labels(Y), net_path=other)

    assert "NOT EXACT the file is not the trained network" in words(tmp_path / "a.html")


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
@pytest.mark.parametrize("width", [1100, 500])
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
