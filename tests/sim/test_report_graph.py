"""The picture of a network: boxes apart, lines from box to box, ways back below, and the same in words."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from graphs import graph as random_graph

from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim.pictures import graph, layout
from spikeproof.sim.report import page
from spikeproof.sim.verify.verify import verify

STEPS, TIMES = 8, "\N{MULTIPLICATION SIGN}"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def chain(layers, edges=(), name="layer"):
    """Layers of two neurons in a row, with edges between some."""
    weight = Dense(weight=[[40, 60], [60, 20]])
    neuron = CUBA(num_neurons=2, u_decay=2048, v_decay=300, v_th_mant=60)
    return Net(
        inputs=(Input(num_channels=2),),
        layers=tuple(Layer(name=f"{name}{i}", synapse=weight, neuron=neuron) for i in range(layers)),
        edges=tuple(Edge(source=a, target=b, synapse=weight, delay=delay) for a, b, delay in edges),
        steps=STEPS,
    )


def written(net, folder):
    """The page of a report of a network."""
    x = np.random.default_rng(0).integers(0, 2, (2, net.num_channels, net.steps)).astype(np.int32)
    page.write(verify(net, x, backends=("engine", "reference")), folder / "page.html", title="t")
    return (folder / "page.html").read_text()


NETS = [chain(1), chain(3), chain(60), *(random_graph(seed)[0] for seed in range(500, 540))]
NETS.append(chain(60, [(f"layer{i}", f"layer{(i * 17 + 5) % 60}", 60) for i in range(0, 60, 2)]))


@pytest.mark.parametrize("net", NETS, ids=range(len(NETS)))
def test_boxes_do_not_overlap_and_every_way_has_its_line(net):
    found = graph.graph(net)

    assert len(found.boxes) == len(net.inputs) + len(net.layers)
    assert len(found.arrows) == sum(len(net.incoming(i)) for i in range(len(net.layers)))
    for i, a in enumerate(found.boxes):
        assert found.left < a.x < found.left + found.width - found.box
        assert found.top < a.y < found.top + found.height - a.height
        for b in found.boxes[:i]:
            assert a.x != b.x or a.y + a.height < b.y or b.y + b.height < a.y
    for arrow in found.arrows:
        source, target = (found.boxes[int(end[1:])] for end in arrow.ends.split())
        assert ("back" in arrow.kind) == (source.x >= target.x)
        assert arrow.d.startswith(f"M{source.x + found.box} ") and arrow.d.endswith(f"H{target.x}")
        assert target.y < arrow.y < target.y + target.height
    ends = [(arrow.x, arrow.y) for arrow in found.arrows]
    assert all(abs(y - other) >= 14 for i, (x, y) in enumerate(ends) for at, other in ends[:i] if x == at)


def test_no_line_runs_through_a_box():
    """A line over several columns has a lane of its own in each, outside of all boxes."""
    for net in NETS[3:]:
        ways = [(i, each.source) for i in range(len(net.layers)) for each in net.incoming(i)]
        count = len(net.inputs)
        ends = [(source + count if source >= 0 else -1 - source, i + count, 40.0) for i, source in ways]
        nodes, _ = layout.layout([0] * count + graph._ranks(net), [60.0] * (count + len(net.layers)), ends)
        for lane in (node for node in nodes if node.lane):
            boxes = [node for node in nodes if not node.lane and node.rank == lane.rank]
            assert all(abs(lane.y - box.y) > box.height / 2 for box in boxes)


def test_the_answer_is_marked_and_circles_are_told_in_words():
    net = chain(3, [("layer1", "layer0", 4), ("input", "layer2", 0)])

    found = graph.graph(net)

    assert [box.kind for box in found.boxes] == ["input", "layer", "layer", "layer answer"]
    labels = {arrow.title.partition(":")[0]: (arrow.label, arrow.kind) for arrow in found.arrows}
    assert labels["layer1 to layer0"] == (f"2{TIMES}2 +4", "edge back") and labels["input to layer2"] == (
        f"2{TIMES}2",
        "edge",
    )
    words = dict(found.words)
    circle = "Layer layer0: CUBA, 2 neurons, latency 1; in a circle with layer1"
    assert words[circle][1] == "from layer1: an edge, Dense 2x2, 4 weights, delay 4 steps"
    assert "Layer layer2: CUBA, 2 neurons, latency 3, an answer of the network" in words


@pytest.mark.parametrize("net", [chain(1), NETS[7], NETS[-1]], ids=["one", "random", "sixty"])
def test_the_page_has_the_picture_and_needs_nothing_else(net, tmp_path):
    text = written(net, tmp_path)

    svg = re.search(r'<figure class="graph".*?(<svg.*?</svg>)', text, re.S).group(1)
    assert len(ElementTree.fromstring(svg).findall(".//title")) == len(re.findall("<title>", svg))
    for layer in net.layers:
        assert f"Layer {layer.name}: " in svg and f"<li>Layer {layer.name}: " in text
    assert not re.search(r"""(src|href|srcset|action)\s*=|url\(|@import|https?://|//cdn""", text)
    plain = json.loads((tmp_path / "page.json").read_text())
    assert plain["network"]["totals"]["edges"] == len(net.edges)


def test_a_long_name_is_cut_in_its_box_and_whole_in_its_title():
    name = "a_name_that_is_much_longer_than_a_box_"

    box = graph.graph(chain(2, name=name)).boxes[1]

    assert len(box.words[0]) == 18 and box.words[0].endswith("…") and f"{name}0" in box.title


PROBE = """
<script>
const graph = document.querySelector("figure.graph"), svg = graph.querySelector("svg"), seen = {};
const box = () => svg.getAttribute("viewBox").split(" ").map(Number);
const press = zoom => graph.querySelector(`[data-zoom="${zoom}"]`).click();
const key = name => graph.dispatchEvent(new KeyboardEvent("keydown", {key: name, cancelable: true}));
seen.begin = box(); seen.scale = svg.clientWidth / seen.begin[2];
press("0"); seen.all = box();
press("0.7"); seen.closer = box();
key("ArrowRight"); seen.right = box(); key("ArrowLeft"); key("+"); seen.plus = box(); key("-"); key("-"); seen.minus = box(); key("0"); seen.zero = box();
const turn = more => svg.dispatchEvent(new WheelEvent("wheel", {deltaY: -1, cancelable: true, ...more}));
turn({}); seen.scrolled = box(); turn({ctrlKey: true}); seen.wheeled = box(); press("0");
svg.dispatchEvent(new PointerEvent("pointerdown")); dispatchEvent(new PointerEvent("pointerup"));
turn({}); turn({}); seen.clicked = box();
svg.dispatchEvent(new PointerEvent("pointerdown"));
dispatchEvent(new PointerEvent("pointermove", {movementX: -20})); seen.dragged = box();
dispatchEvent(new PointerEvent("pointerup"));
dispatchEvent(new PointerEvent("pointermove", {movementX: -20})); seen.released = box();
press("1");
const labels = [...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect());
seen.overlaps = labels.filter((a, i) => labels.slice(0, i).some(b =>
  a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - a.height / 3 && b.top < a.bottom - a.height / 3)).length;
seen.cut = [...svg.querySelectorAll(".box")].filter(one => {
  const rect = one.querySelector("rect").getBoundingClientRect();
  return [...one.querySelectorAll("text")].some(text => text.getBoundingClientRect().width > rect.width + 1);
}).length;
seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.body.replaceChildren(Object.assign(document.createElement("pre"), {id: "seen", textContent: JSON.stringify(seen)}));
</script>
"""


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium on the PATH")
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("net", [chain(3), NETS[7], NETS[-1]], ids=["chain", "random", "sixty"])
def test_the_picture_is_moved_and_zoomed_in_a_browser(net, width, tmp_path):
    file = tmp_path / "probed.html"
    file.write_text(written(net, tmp_path).replace("</body>", PROBE + "</body>"))

    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0 and "CONSOLE" not in done.stderr, done.stderr
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S).group(1)))
    found = graph.graph(net)
    assert seen["scale"] >= 0.74  # letters can be read
    assert seen["all"][0] <= found.left and seen["all"][2] >= found.width - 1
    assert seen["closer"][2] == pytest.approx(0.7 * seen["all"][2], rel=0.01)
    assert seen["right"][0] > seen["closer"][0] and seen["plus"][2] < seen["closer"][2] < seen["minus"][2]
    assert seen["zero"] == seen["all"] == seen["scrolled"] and seen["wheeled"][2] < seen["all"][2]
    assert seen["clicked"][2] < seen["wheeled"][2]  # the wheel zooms once the picture was clicked
    assert seen["dragged"][0] > seen["clicked"][0] and seen["released"] == seen["dragged"]
    assert seen["overlaps"] == seen["cut"] == 0 and seen["overflow"] <= 0
