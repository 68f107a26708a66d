"""Mutate files of every kind that is read, load them, and see what memory and time it takes; for test_fuzz.py.

    python fuzz.py FOLDER COUNT SEED

The files are networks of every kind of layer in every format, run folders, logs of sweeps and input arrays. The last
line is JSON: how many files were loaded and refused, what that took at most, and the first that ended otherwise.
"""

import json
import os
import resource
import signal
import sys
import time
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch

from spikeproof.cli.given.inputs import read_array, read_arrays, read_table
from spikeproof.contract.errors import SpikeproofError
from spikeproof.contract.fields import declared
from spikeproof.contract.net import Edge, Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import formats, netx
from spikeproof.export.lint.check import lint
from spikeproof.export.nir import graph as nir_graph
from spikeproof.sim.recordings import recordings
from spikeproof.sim.sweep.log import SweepLog
from spikeproof.train.runs.recipe import find
from spikeproof.train.runs.run import Run

sys.path.append(str(Path(__file__).parents[1]))
import graphs as random_graphs
from stock_files import CONV, DENSE, INPUT, write

MEMORY, SECONDS = 256 * 2**20, 10
N = 4


def example(kind):
    """Parameters with which a small network is active, some of them one a neuron."""
    values = {name: field.example for name, field in declared(kind).items()}
    first = next(name for name, field in declared(kind).items() if field.each)
    return {**values, first: [values[first], 1, 2, 3]}


def good(random):
    """Networks of one layer of each kind, and some with images, delays, feedback and oscillators."""
    for kind in KINDS.values():
        params = example(kind)
        sums = N * kind.sums

        def weights(*shape):
            return 2 * random.integers(-128, 128, shape)

        neuron = kind(num_neurons=N, **params)
        axon = Axon(delay=[1, 2, 5, 1]) if kind.fires else None
        te = random.integers(-128, 128, (6, N)) if kind.takes_te else None
        unary = kind.fires and neuron.max_payload == 1
        cpg = Phase(num_neurons=2, increment=[5, 2**20], start=0, length=2**22)
        yield Net(
            inputs=(Input(num_channels=3),),
            layers=(
                Layer(
                    name="dense1", synapse=Dense(weight=weights(sums, 5)), neuron=neuron, cpg=cpg, axon=axon,
                    feedback=Dense(weight=weights(sums, N)) if unary else None,
                ),
            ),
            steps=6, te=te,
        )  # fmt: skip
        conv = Conv(weight=weights(kind.sums, 2, 2, 2), in_shape=(2, 3, 3), stride=(1, 1))
        yield Net(
            inputs=(Input(num_channels=18, bits=4, exp=-2),),
            layers=(Layer(name="conv1", synapse=conv, neuron=kind(num_neurons=4, **params)),), steps=6, te=te,
        )  # fmt: skip


def of_graphs():
    """A network with every kind of edge, and one that stock NetX reads as one layer."""
    yield random_graphs.graph(3)[0], False
    one = Axon(delay=np.ones(4, int))
    neuron = KINDS["CUBA"](num_neurons=4, **(example(KINDS["CUBA"]) | {"u_shift": 0, "graded": 0, "a_shift": 6}))
    layers = [
        Layer(name=name, synapse=Dense(weight=np.full((4, n), 8)), neuron=neuron, axon=one)
        for name, n in (("a", 3), ("b", 4))
    ]
    back = Edge(source="b", target="a", synapse=Dense(weight=np.full((4, 4), -6)))
    yield Net(inputs=(Input(num_channels=3),), layers=tuple(layers), edges=(back,), steps=6), True


def of_stock(path):
    """Write files as stock lava-dl does, and yield after each."""
    complex_weights = {key: value for key, value in DENSE.items() if key != "weight"} | {
        "weight/real": DENSE["weight"], "weight/imag": DENSE["weight"], "neuron/type": "RF_PHASE",
        "neuron/sinDecay": 2000, "neuron/cosDecay": 3000,
    }  # fmt: skip
    resonator = {key: value for key, value in complex_weights.items() if key.rpartition("/")[2] not in UNKNOWN_TO_RF}
    square = np.full((2, 2), 4.0)
    for layers in (
        [INPUT, DENSE, DENSE | {"weight": square, "delay": [3.0, 0.0], "bias": [2.0, -4.0]}],
        [{"type": "input", "shape": [1, 4, 4]}, CONV, {"type": "flatten", "shape": [8]}, STOCK_LAST],
        [INPUT, DENSE | {"type": "dense_rec", "weight_rec": square}, {"type": "average", "shape": [1]}],
        [DENSE | {"type": "input", "shape": [3], "weight": 36.0}, resonator],
        # As mlGeNN does: odd weights, a delay for each synapse, no rest, an empty flag, and a last layer that never fires.
        [
            INPUT,
            DENSE | MLGENN | {"weight": np.array([[3.0, -5.0, 7.0]] * 2), "delay": np.array([[1.0, 0.0, 2.0]] * 2)},
            DENSE | MLGENN | {"weight": np.array([[9.0, 1.0]] * 2), "neuron/vThMant": 131071},
        ],
    ):
        yield write(path, layers, **{"simulation/tSample": 16})


MLGENN = {"neuron/refDelay": 0, "neuron/gradedSpike": h5py.Empty(bool)}
UNKNOWN_TO_RF = ("iDecay", "vDecay", "refDelay")
STOCK_LAST = {"type": "dense", "shape": [2], "weight": np.full((2, 8), 4.0)}


def everything(file):
    """The names of all groups and datasets of a file."""
    names = []
    file.visit(names.append)
    return names


def datasets(file):
    """The names of all datasets of a file."""
    return [name for name in everything(file) if isinstance(file[name], h5py.Dataset)]


def bytes_changed(path, random):
    """Flip bits, cut the end off, or blank a stretch."""
    content = bytearray(path.read_bytes())
    way = random.integers(3)
    if way == 0:
        for place in random.integers(len(content), size=random.integers(1, 9)):
            content[place] ^= 1 << random.integers(8)
    elif way == 1:
        del content[random.integers(len(content)) :]
    else:
        begin = random.integers(len(content))
        content[begin : begin + 40] = random.bytes(len(content[begin : begin + 40]))
    path.write_bytes(content)
    return ("bit flips", "truncation", "noise")[way]


LONG = "\x1b[31m\u202e" + "x" * 50_000
VALUES = (
    lambda random: np.float64(random.choice([np.nan, np.inf, 0.5, -1e300])),
    lambda random: random.integers(-(2**40), 2**40, random.integers(0, 4, random.integers(0, 4))),
    lambda random: np.array([b"text"]),
    lambda random: "text",
    lambda random: h5py.Empty("f4"),
    lambda random: np.zeros(3, [("a", "i4"), ("b", "f8")]),
    lambda random: np.ones((2, 2), np.complex128),
    lambda random: np.zeros((1,) * int(random.integers(1, 30)), np.int8),
    lambda random: np.dtype("f4"),
)
LINKS = (
    lambda random, names: h5py.SoftLink("/" + str(random.choice(names))),
    lambda random, names: h5py.SoftLink("/nowhere"),
    lambda random, names: h5py.ExternalLink("elsewhere.h5", "/a"),
    lambda random, names: h5py.ExternalLink("/etc/passwd", "/"),
    lambda random, names: h5py.ExternalLink("/dev/zero", "/"),
)


def structure_changed(path, random):
    """Change a dataset's type and shape, claim a huge one, drop or add one, or make a link of one."""
    with h5py.File(path, "r+") as file:
        names = everything(file)
        name, way = str(random.choice(names)), random.integers(5)
        if way == 0:
            del file[name]
        elif way == 1:
            file[f"{name.rpartition('/')[0]}/more"] = VALUES[random.integers(len(VALUES))](random)
        elif way == 2:
            del file[name]
            file[name] = VALUES[random.integers(len(VALUES))](random)
        elif way == 3:
            del file[name]
            shape = (int(2 ** random.integers(10, 45)), int(random.integers(1, 4)))
            options = {"compression": random.choice([None, "gzip", "lzf"])}
            file.create_dataset(name, shape, random.choice(["i1", "i4", "f8"]), chunks=(1024, 1), **options)
        else:
            del file[name]
            file[name] = LINKS[random.integers(len(LINKS))](random, names)
    return ("missing field", "extra field", "wrong type", "huge size", "link")[way]


def _external(file, name, random):
    target = random.choice(["/etc/passwd", "/dev/zero", str(Path(file.filename).with_name("pipe"))])
    shape = tuple(int(size) for size in random.integers(1, 4, random.integers(1, 3)))
    dtype = random.choice(["S9", "i1", "f8"])
    file.create_dataset(name, shape, dtype, external=[(target, 0, int(np.prod(shape)) * np.dtype(dtype).itemsize)])


def _virtual(file, name, random):
    dtype, shape = random.choice(["S9", "i4"]), (int(random.integers(1, 2**20)),)
    layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
    layout[:] = h5py.VirtualSource(random.choice(["/etc/passwd", "elsewhere.h5", "."]), "/a", shape, dtype)
    file.create_virtual_dataset(name, layout)


def storage_changed(path, random):
    """Let a dataset keep its data elsewhere."""
    with h5py.File(path, "r+") as file:
        name, way = str(random.choice(datasets(file))), random.integers(2)
        del file[name]
        (_external, _virtual)[way](file, name, random)
    return ("external storage", "virtual dataset")[way]


def strings_changed(path, random):
    """Make a text, or a name, long, odd, claimed or packed."""
    with h5py.File(path, "r+") as file:
        texts = [name for name in datasets(file) if h5py.check_string_dtype(file[name].dtype)]
        name, way = str(random.choice(texts)), random.integers(6)
        if way == 5:
            file.move(name, f"{name.rpartition('/')[0]}/" + LONG[: random.integers(1, 60_000)])
            return "odd name"
        del file[name]
        if way == 0:
            file[name] = np.array([LONG[: random.integers(50_000)].encode()])
        elif way == 1:
            file.create_dataset(name, (1,), f"S{2 ** random.integers(10, 31)}", chunks=(1,), compression="gzip")
        elif way == 2:
            file[name] = np.array([random.bytes(random.integers(1, 40))])
        elif way == 3:
            file.create_dataset(name, data=[[LONG] * 3] * random.integers(1, 30), dtype=h5py.string_dtype())
        else:
            file.create_dataset(name, data="claimed", dtype=h5py.string_dtype())
            offset = file[name].id.get_offset()
    if way == 4:
        with open(path, "r+b") as raw:
            raw.seek(offset)
            raw.write(int(random.integers(2**32)).to_bytes(4, "little"))
    return ("long text", "claimed text", "bytes for text", "many texts", "claimed reference")[way]


def shared_changed(path, random):
    """Give one object several names, or its own parent to a group."""
    with h5py.File(path, "r+") as file:
        names = everything(file)
        target = str(random.choice(names))
        groups = ["/", *(name for name in names if isinstance(file[name], h5py.Group))]
        group = str(random.choice(groups))
        taken = len(file[group])
        if random.integers(2):
            for i in range(int(random.integers(1, 40))):
                file[group][str(taken + i)] = file[target]
        else:
            file[group][str(taken)] = file[group.rpartition("/")[0] or "/"]
    return "hard links"


def packed_changed(path, random):
    """Put a chunk into a dataset that unpacks to more than there should be, or to nothing."""
    with h5py.File(path, "r+") as file:
        name = str(random.choice(datasets(file)))
        del file[name]
        file.create_dataset(name, (4,), "i1", chunks=(4,), compression="gzip")
        content = zlib.compress(bytes(int(2 ** random.integers(28))), 9)
        file[name].id.write_direct_chunk((0,), content[: random.integers(1, len(content) + 1)])
    return "packed chunk"


def attributes_changed(path, random):
    """Change the attributes of a file, or of a member."""
    with h5py.File(path, "r+") as file:
        held = file if random.integers(3) else file[str(random.choice(everything(file)))]
        attribute = random.choice([*held.attrs.keys(), "other", "spikeproof_version", "host_before"])
        way = random.integers(4)
        if way == 0:
            held.attrs[attribute] = VALUES[random.integers(5)](random)
        elif way == 1:
            held.attrs[attribute] = LONG[: random.integers(50_000)]
        elif way == 2:
            held.attrs[attribute] = np.zeros(random.integers(60_000), "i1")
        else:
            held.attrs.create(attribute, [LONG[:900]] * 40, dtype=h5py.string_dtype())
    return "attribute"


def json_changed(path, random):
    """Change a line of JSON: a value, a key, its depth or its text."""
    lines = path.read_bytes().splitlines() or [b"{}"]
    whole = path.suffix == ".json"
    at = 0 if whole else random.integers(len(lines))
    values = json.loads(path.read_bytes() if whole else lines[at])
    key, way = str(random.choice(list(values))), random.integers(6)
    odd = (None, -1, 1e308, float("nan"), 10**400, "", LONG, [], {}, [[]], True, {"a": LONG}, ["x"] * 9)
    if way == 0:
        del values[key]
    elif way == 1:
        values[key] = odd[random.integers(len(odd))]
    elif way == 2:
        values[LONG[: random.integers(1, 50_000)]] = 1
    content = json.dumps(values).encode()
    if way == 3:
        content = content[:-1] + b',"deep":' + b"[" * int(random.integers(1, 100_000))
    elif way == 4:
        content = random.choice([b"[1]", b"null", b"1", b'"x"', b"[" * 99_999, b"{" * 9, b"NaN"])
    elif way == 5:
        content = content.replace(b"a", random.choice([b"\xff", b"\\ud800", b"\x00", b"\xef\xbb\xbf"]))
    path.write_bytes(content if whole else b"\n".join([*lines[:at], content, *lines[at + 1 :]]) + b"\n")
    return ("missing key", "odd value", "odd key", "deep", "no object", "odd text")[way]


def header_changed(path, random):
    """Claim another shape or type in an array, or in an archive's."""
    shape = tuple(int(2**size) for size in random.integers(0, 50, random.integers(0, 5)))
    words = repr(
        {"descr": str(random.choice(["<f8", "|O", "<U9", "|V0", "i1"])), "fortran_order": False, "shape": shape}
    )
    content = b"\x93NUMPY\x01\x00" + (len(words) + 1).to_bytes(2, "little") + words.encode() + b"\n" + bytes(99)
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(
                str(random.choice(["x.npy", "y.npy", LONG])), content + bytes(int(2 ** random.integers(27)))
            )
    else:
        path.write_bytes(content)
    return "claimed shape"


class Kind(NamedTuple):
    """A kind of file."""

    path: Path
    whole: list[bytes]
    """Good ones."""
    changes: tuple
    load: Callable[[], Any]


HDF5 = (
    bytes_changed, structure_changed, strings_changed, shared_changed, storage_changed, packed_changed,
    attributes_changed,
)  # fmt: skip


def load_net(path):
    """Load a network file, and lint what loads."""
    formats.load(path)
    lint(path)


def nets(folder, random):
    """NetX files of ours and of stock lava-dl, and NIR files of ours and of other tools."""
    path, whole = folder / "net.net", []
    for net in good(random):
        netx.write(net, path)
        assert formats.load(path) == net
        whole.append(path.read_bytes())
    for net, stock in of_graphs():
        formats.write(net, path, stock=stock)
        assert formats.load(path) == net
        whole.append(path.read_bytes())
    for _ in of_stock(path):
        assert lint(path) is not None
        whole.append(path.read_bytes())
    yield Kind(path, whole, HDF5, partial(load_net, path))
    graph, graphs = folder / "net.nir", []
    for net in good(random):
        nir_graph.write(net, graph)
        assert formats.load(graph) == net
        graphs.append(graph.read_bytes())
    for name in ("snntorch", "spikingjelly"):
        graphs.append(Path(__file__).with_name("foreign").joinpath(f"{name}.nir").read_bytes())
    yield Kind(graph, graphs, HDF5, partial(load_net, graph))


def load_run(run, module):
    """Read what a run's folder holds."""
    run.recipe()
    run.result()
    run.load_into(module)


def runs(folder):
    """The files of a run, one at a time."""
    run, module = Run(folder / "run"), torch.nn.Linear(3, 2)
    run.folder.mkdir()
    run.write_recipe(find("digits"))
    run.write_model(module)
    values = dict.fromkeys(("test_score", "seconds"), 0.5) | dict.fromkeys(("test_samples", "parameters"), 1)
    run.result_path.write_text(json.dumps(values | {"metric": "accuracy", "versions": {"torch": "2"}}))
    load_run(run, module)
    for path in (run.recipe_path, run.result_path, run.model_path):
        changes = (bytes_changed,) if path == run.model_path else (bytes_changed, json_changed)
        yield Kind(path, [path.read_bytes()], changes, partial(load_run, run, module))


def logs(folder):
    """The log of a sweep."""
    path, asked = folder / "log.jsonl", {"net": "abc", "samples": [0, 1, 2, 3], "batch": 2}

    def load():
        with SweepLog(path, asked) as log:
            assert all(tuple(row["samples"]) and row["comparison"] is not None for row in log.found if row["samples"])

    with SweepLog(path, asked) as log:
        for samples in ([0, 1], [2, 3]):
            log.append({"samples": samples, "comparison": {"a": 1}, "diagnosis": None, "output": [[1], [2]]})
    load()
    yield Kind(path, [path.read_bytes()], (bytes_changed, json_changed), load)


def arrays(folder, random):
    """Input arrays."""
    for name, save in (("x.npy", np.save), ("x.npz", np.savez), ("x.npz", np.savez_compressed)):
        path = folder / name
        save(path, random.random((2, 3, 40)))
        yield Kind(path, [path.read_bytes()], (bytes_changed, header_changed), partial(read_array, path))


def recorded(folder, random):
    """Recordings, as archives and as tables."""
    neuron = KINDS["CUBA"](num_neurons=2, **example_of_two())
    layer = Layer(name="a", synapse=Dense(weight=[[2, 4], [6, 8]]), neuron=neuron)
    net = Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=9)
    values = random.integers(0, 99, (1, 2, 9))
    path = folder / "recorded.npz"
    np.savez(path, **{"a/s": values % 2, "a/v": values[0, :1], "a/neurons": np.array([1]), "x": values})
    yield Kind(path, [path.read_bytes()], (bytes_changed, header_changed), partial(load_recording, net, path))
    table = folder / "recorded.csv"
    table.write_text("input,a/v[0],a/s[1],-\n" + "".join(f"{i % 2},{64 * i},{i % 2},7\n" for i in range(9)))
    yield Kind(table, [table.read_bytes()], (bytes_changed,), partial(load_recording, net, table))


def example_of_two():
    return {name: values[:2] if isinstance(values, list) else values for name, values in example(KINDS["CUBA"]).items()}


def load_recording(net, path):
    """Read a recording as the command does, which puts the file's name before what is wrong with it."""
    if path.suffix == ".npz":
        arrays = read_arrays(path)
    else:
        names, rows = read_table(path)
    try:
        recordings.of_arrays(net, arrays) if path.suffix == ".npz" else recordings.of_columns(net, names or [], rows)
    except SpikeproofError as error:
        raise type(error)(f"{path.name}: {error}") from None


def peak():
    """The most memory that this process ever had, in bytes, untouched pages among it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmPeak:"))


def late(*_):
    raise TimeoutError(f"no end after {SECONDS} s")


def main(folder, count, seed):
    random = np.random.default_rng(seed)
    os.mkfifo(folder / "pipe")
    kinds = [*nets(folder, random), *runs(folder), *logs(folder), *arrays(folder, random)]
    kinds += recorded(folder, random)
    shares = np.array([4, 4, *[1] * (len(kinds) - 2)])
    least = peak()
    resource.setrlimit(resource.RLIMIT_AS, (least + MEMORY + 2**32,) * 2)  # for the machine's sake
    signal.signal(signal.SIGALRM, late)
    ended, ways, wrong, slowest = Counter(), Counter(), [], 0.0
    for i in range(count):
        kind = kinds[random.choice(len(kinds), p=shares / shares.sum())]
        kind.path.write_bytes(kind.whole[i % len(kind.whole)])
        way = kind.changes[random.integers(len(kind.changes))](kind.path, random)
        where = f"{i}, {kind.path.name}, {way}"
        ways[way] += 1
        begun = time.monotonic()
        signal.alarm(SECONDS)
        try:
            kind.load()
            ended["loaded"] += 1
        except SpikeproofError as error:
            ended["refused"] += 1
            words = str(error)
            if kind.path.name not in words or not words.isprintable() or len(words) > 2000:
                wrong.append(f"{where}: a refusal that names no file, or is no short line: {words[:300]!r}")
        except BaseException:
            wrong.append(f"{where}: {traceback.format_exc()[-900:]}")
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.monotonic() - begun)
        kind.path.write_bytes(kind.whole[0])
        if peak() > least + MEMORY:
            wrong.append(f"{where}: {(peak() - least) // 2**20} MB were allocated")
            break
    most = (peak() - least) / 2**20
    print(json.dumps({"ended": ended, "ways": ways, "wrong": wrong[:5], "count": len(wrong), "MB": most, "s": slowest}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
