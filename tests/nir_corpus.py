"""Other tools' NIR graphs in the folder of test data, each with how it is read and what must become of it.

``python tests/nir_corpus.py`` prints the table of docs/nir.md.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import nir_float
import numpy as np

from spikeproof.contract.errors import SpikeproofError
from spikeproof.export.nir import file as nir_file
from spikeproof.sim.verify.nir_gap import real_spikes
from spikeproof.sim.verify.verify import verify

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("SPIKEPROOF_DATA", _BESIDE)) / "foreign"
SUMS = "add what arrives times the time step"
CUT = "is no NIRGraph with nodes and edges: it has no"
SHORT = (
    "is shorter than a time step of 0.0001 s. Give the time step that the network was trained with (--dt), --dt 1e-06"
)
NAMED = "an edge leads from 'input' to 'lif', and 'lif' is no node"


class File(NamedTuple):
    """One file."""

    name: str
    refused: str = ""
    """What it is refused with if nothing is said; nothing if it is read."""
    options: Any = None
    """How it is read after that; None if it is not, or without options."""
    steps: int = 60
    samples: int = 3
    loop: tuple[str, str] | None = None
    """The edge that closes a loop, which takes a step."""

    @property
    def runs(self):
        """Whether there is a way to read it."""
        return not self.refused or self.options is not None


LOOP = ("lif1.lif", "lif1.w_rec")
FILES = [
    File("nir_made/avgpool.nir"),
    File("nir_made/conv_same.nir"),
    File("nir_made/conv_wrongshape.nir", "node 'n0': input_shape is [6, 6], but images of (8, 8) arrive"),
    File("nir_made/delay_mid.nir"),
    File("nir_made/delay_twice.nir"),
    File("nir_made/i_end.nir", f"node 'n3': I neurons with r = 1 {SUMS}", {"dt": 1e-4}),
    File("nir_made/if_r1.nir", f"nodes 'n1', 'n3': IF neurons with r = 1 {SUMS}", {"dt": 1.0}),
    File("nir_made/li_end.nir"),
    File("nir_made/metadata_dt.nir"),
    File("nir_made/nested.nir"),
    File("nir_made/noedges.nir", "the graph has no edges, so nothing leads from its input to its output"),
    File("nir_made/rec_flat.nir", loop=("lif", "rec")),
    File("nir_made/scale.nir"),
    File("nir_made/skip.nir"),
    File("nir_made/sumpool.nir"),
    File("nir_paper/braille_noDelay_bias_zero.nir", loop=LOOP),
    File("nir_paper/braille_noDelay_bias_zero_subgraph.nir", f"node 'lif1': {NAMED}"),
    File("nir_paper/braille_noDelay_noBias_subtract.nir", loop=LOOP),
    File("nir_paper/braille_noDelay_noBias_subtract_subgraph.nir", f"node 'lif1': {NAMED}"),
    File("nir_paper/cnn_sinabs.nir", f"IF neurons with r = 1 {SUMS}", {"dt": 1.0}, steps=10, samples=1),
    File("nir_paper/lif_norse.nir"),
    File("nir_paper/lif_rockpool.nir"),
    File("nir_paper/two_lif_neurons.nir", steps=400),
    File("nir_tools/norse_box_default.nir", f"node '1': tau = 1e-05 s {SHORT}", {"dt": 1e-6}),
    File("nir_tools/norse_conv.nir", f"node {CUT} type"),
    File("nir_tools/norse_iaf.nir", f"nodes '1', '3': IF neurons with r = 1 {SUMS}", {"dt": 1.0}),
    File("nir_tools/norse_li.nir", f"node '1': tau = 1e-05 s {SHORT}", {"dt": 1e-6}),
    File("nir_tools/rockpool_lif.nir", options={"dt": 1e-3}),
    File("nir_tools/rockpool_rec.nir", options={"dt": 1e-3}),
    File("nir_tools/sinabs108_iaf_cnn.nir", f"node {CUT} type"),
    File("nir_tools/sinabs_iaf_mlp.nir", f"nodes '1', '3': IF neurons with r = 1 {SUMS}", {"dt": 1.0}),
    File("nir_tools/sj_cuba.nir"),
    File("nir_tools/sj_pool.nir", steps=30),
    File("nir_tools/snn_367_pool_ign.nir", steps=20),
    File("nir_tools/snn_rleaky.nir", loop=("1.lif", "1.w_rec")),
    File("nir_tools/snn_rsyn.nir", loop=("1.lif", "1.w_rec")),
    File("nir_tools/snn_synaptic.nir"),
    File("nir_tools/snn_two_linear.nir"),
]


def read(file):
    """Return a file that runs, and input on which its first layer fires."""
    found = nir_file.read(FOLDER / file.name, steps=file.steps, **(file.options or {}))
    random, n = np.random.default_rng(0), found.net.num_channels
    x = (random.random((3, n, file.steps)) < np.array([0.5, 0.2, 0.8])[:, None, None]).astype(float)
    own = found.layers[0].ways[0].map
    if own.size[0] * own.size[1] < 1e6:  # what moves one neuron the most
        weight = own.matrix()
        x[2] = (weight[np.maximum(weight, 0).sum(axis=1).argmax()] > 0)[:, None]
    return found, x[: file.samples]


def oracle(file, found, x, **options):
    """Return the rasters of the graph's own equations and the membranes of what does not fire, by layer."""
    with h5py.File(FOLDER / file.name) as opened:
        shapes = [node["shape"][()] for node in opened["node/nodes"].values() if node["type"][()] == b"Input"]
    images = x.reshape(len(x), *shapes[0], -1) if len(shapes[0]) == 3 and np.prod(shapes[0]) == x.shape[1] else x
    graph = nir_float.Graph(FOLDER / file.name, found.dt, {file.loop: 1} if file.loop else None, **options)
    outs, membranes = graph.run(images)
    rows = {}
    for record, layer in zip(found.net.layers, found.layers, strict=True):
        if layer.name in outs:
            held = outs if layer.fires else membranes
            rows[record.name] = held[layer.name].reshape(len(x), layer.num_neurons, -1)
    return rows


def measured(file):
    """Return the verdict on a file, what was imported, and by layer what share of the raster rounding moves."""
    found, x = read(file)
    verdict = verify(found, x, backends=("reference", "engine"))
    rows = oracle(file, found, x)
    drift = {
        layer.name: float(np.mean(rows[layer.name] != verdict.traces[0].layers[layer.name]["s"]))
        for layer in found.net.layers
        if layer.name in rows and layer.neuron.fires
    }
    return verdict, found, x, drift


def row(file):
    """Return a file's row of the table."""
    name, told = file.name, []
    if file.refused:
        try:
            nir_file.read(FOLDER / name)
        except SpikeproofError as error:
            told.append(
                "refused: " + str(error).split(".nir: ", 1)[1].split(". ")[0].split(", and")[0].replace("|", "/")
            )
    if not file.runs:
        return f"| `{name}` | {told[0]} | | |"
    verdict, found, _, drift = measured(file)
    given = ", ".join(f"`--{key} {value:g}`" for key, value in (file.options or {}).items())
    told.append(("with " + given + ": " if given else "") + ("exact" if verdict.exact else "not exact"))
    bits = ", ".join(str(each.weight_bits) for each in found.rounding if each.layer in drift)
    shares = ", ".join(f"{share:.2%}".replace("%", " %") for share in drift.values())
    return f"| `{name}` | {'; '.join(told)} | {bits} | {shares} |"


def table():
    """Return the table."""
    head = ["| file | what becomes of it | bits left of 7 | drift |", "|---|---|---|---|"]
    return [*head, *(row(file) for file in FILES)]


if __name__ == "__main__":
    print("\n".join(table()))

__all__ = ["FILES", "FOLDER", "File", "measured", "oracle", "read", "real_spikes", "table"]
