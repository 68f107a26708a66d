"""Files that were made to do harm: to show other files, to block, to cost much, or to write to a terminal."""

import itertools
import json
import multiprocessing
import os
import resource
import struct
import time
import traceback

import h5py
import nir
import numpy as np
import pytest

from spikeproof.contract.errors import FileFormatError, SpikeproofError, UnsupportedError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import formats, netx, quoted, stock
from spikeproof.export.lint.check import lint
from spikeproof.export.nir import graph as nir_graph
from spikeproof.sim.sweep.log import SweepLog
from spikeproof.train.runs.recipe import find
from spikeproof.train.runs.run import Run

MEMORY, SECONDS = 256 * 2**20, 10
SECRET = b"secret:x:0:0:secret:/home:/bin/sh\n"


def small_net():
    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=512, v_th_mant=19)
    first = Layer(name="a", synapse=Dense(weight=[[2, 4, 6], [8, 10, 12]]), neuron=neuron)
    return Net(inputs=(Input(num_channels=3),), layers=(first,), steps=4)


def replace(file, name, value=None, **options):
    del file[name]
    file.create_dataset(name, data=value, **options)


@pytest.fixture
def net(tmp_path):
    """A good NetX file."""
    netx.write(small_net(), tmp_path / "a.net")
    return tmp_path / "a.net"


@pytest.fixture
def graph(tmp_path):
    """A good NIR file of ours."""
    nir_graph.write(small_net(), tmp_path / "a.nir")
    return tmp_path / "a.nir"


def foreign_graph(path, conv=False, **nodes):
    """Write a good NIR file as other tools do."""
    ones = np.ones((2, 2, 2) if conv else 2)
    first = nir.Conv2d(
        input_shape=(3, 3), weight=np.ones((2, 1, 2, 2)), stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(2)
    )
    made = {
        "input": nir.Input(input_type={"input": np.array([1, 3, 3] if conv else [2])}),
        "first": first if conv else nir.Linear(weight=np.ones((2, 2))),
        "lif": nir.LIF(tau=ones * 1e-3, r=ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones),
        "output": nir.Output(output_type={"output": np.array(ones.shape)}),
    } | nodes
    names = list(made)
    nir.write(path, nir.NIRGraph(nodes=made, edges=list(itertools.pairwise(names)), type_check=False))
    formats.load(path)
    return path


def _measured(load, pipe):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    try:
        words = str(load())
    except SpikeproofError as error:
        words = f"{type(error).__name__}: {error}"
    except BaseException:
        words = "TRACEBACK " + traceback.format_exc()[-1500:]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    pipe.send((words[:100_000], len(words), 1024 * grown, time.process_time() - begun))


def cost(load):
    """Run `load` in a process of its own; return what it raised, once time and memory are seen to be small."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_measured, args=(load, there))
    child.start()
    try:
        assert here.poll(4 * SECONDS), "no end: it hangs"
        words, length, memory, seconds = here.recv()
    finally:
        child.kill()
        child.join()
    assert not words.startswith("TRACEBACK"), words
    assert length < 4000, f"a message of {length} characters: {words[:300]}"
    assert memory < MEMORY, f"{memory / 2**20:.0f} MB: {words[:300]}"
    assert seconds < SECONDS, f"{seconds:.1f} s: {words[:300]}"
    assert words.isprintable(), repr(words[:300])
    return words


# --- 1. what is not in the file


@pytest.fixture
def secret(tmp_path):
    """Another file on the machine."""
    path = tmp_path / "other"
    path.write_bytes(SECRET)
    return path


TEXTS = {
    "a.net": ("layer/1/type", "layer/1/name", "layer/1/neuron/type", "layer/0/type"),
    "a.nir": ("node/type", "node/nodes/a/type", "node/metadata/spikeproof/net/layers/0/name"),
    "b.nir": ("node/type", "node/nodes/lif/type"),
}


def _external(file, name, secret, pipe):
    replace(file, name, shape=(1,), dtype="S31", external=[(str(pipe or secret), 0, 31)])


def _virtual(file, name, secret, pipe):
    layout = h5py.VirtualLayout(shape=(1,), dtype="S31")
    layout[:] = h5py.VirtualSource(str(secret.parent / "source.h5"), "s", shape=(1,), dtype="S31")
    with h5py.File(secret.parent / "source.h5", "w") as source:
        source["s"] = np.array([SECRET[:31]])
    del file[name]
    file.create_virtual_dataset(name, layout)


def _external_link(file, name, secret, pipe):
    del file[name]
    file[name] = h5py.ExternalLink(str(pipe or secret), "/s")


def _soft_link(file, name, secret, pipe):
    del file[name]
    file[name] = h5py.SoftLink("/layer/0/type" if "layer" in file else "/node/type")


@pytest.mark.parametrize("way", [_external, _virtual, _external_link, _soft_link])
@pytest.mark.parametrize(("file", "place"), [(file, place) for file, places in TEXTS.items() for place in places])
def test_no_text_is_read_from_outside_of_a_file(way, file, place, net, graph, tmp_path, secret):
    foreign_graph(tmp_path / "b.nir")
    with h5py.File(tmp_path / file, "r+") as changed:
        way(changed, place, secret, None)
    for reader in (formats.load, lint):
        with pytest.raises(SpikeproofError, match="links are not followed") as found:
            reader(tmp_path / file)
        assert "secret" not in str(found.value)


@pytest.mark.parametrize("kind", ["fields", "flag", "numbers"])
def test_no_field_is_read_from_outside_of_a_stock_file(kind, tmp_path, secret):
    path = tmp_path / "s.net"
    stock_file(path)
    name = {"fields": "layer/1/neuron/vThMant", "flag": "layer/1/neuron/gradedSpike", "numbers": "layer/1/weight"}[kind]
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, (1,), "i1", external=[(str(secret), 0, 1)])
    with pytest.raises(FileFormatError, match="links are not followed"):
        formats.load(path)


def stock_file(path):
    with h5py.File(path, "w") as file:
        file["layer/0/type"], file["layer/0/shape"] = np.array([b"input"]), [2]
        layer = file.create_group("layer/1")
        layer["type"], layer["shape"], layer["weight"] = np.array([b"dense"]), [2], [[2.0, 4], [6, 8]]
        layer["inFeatures"], layer["outFeatures"] = [2], [2]
        neuron = layer.create_group("neuron")
        neuron["type"] = np.array([b"CUBA"])
        for name, value in {"iDecay": 4096, "vDecay": 9, "vThMant": 9, "refDelay": 1, "gradedSpike": False}.items():
            neuron[name] = value
    assert stock.is_stock(path) and formats.load(path)


@pytest.mark.parametrize("suffix", [".net", ".nir"])
@pytest.mark.parametrize("what", ["fifo", "device", "folder"])
def test_a_path_must_be_a_regular_file(suffix, what, tmp_path):
    path = tmp_path / f"x{suffix}"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for reader in (formats.load, lint):
        kind = "a folder" if what == "folder" else "a pipe or a device"
        assert f"{kind}. Name a regular file" in cost(lambda reader=reader: reader(path))


def test_external_storage_in_a_pipe_does_not_block(net, tmp_path, secret):
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(net, "r+") as file:
        _external(file, "layer/1/type", secret, tmp_path / "pipe")
    assert "links are not followed" in cost(lambda: formats.load(net))


# --- 2. small files that cost much


def _huge_text(file, name):
    replace(file, name, shape=(1,), dtype="S600000000", chunks=(1,), compression="gzip")


def _claimed_text(file, name):
    """A text of variable length whose length is changed to 4 GB."""
    replace(file, name, "dense", dtype=h5py.string_dtype())
    offset, path = file[name].id.get_offset(), file.filename
    file.close()
    with open(path, "r+b") as raw:
        raw.seek(offset)
        raw.write(struct.pack("<I", 2**32 - 1))


def _bomb(file, name):
    """A small chunk that unpacks to a gigabyte, whatever the dataset says."""
    import zlib

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(1000)) + packer.flush()
    replace(file, name, shape=(2, 3), dtype="i1", chunks=(2, 3), compression="gzip")
    file[name].id.write_direct_chunk((0, 0), packed)


def _wide(file, name, dtype="f8", count=2**25):
    """Weights that are packed just under the limit of a dataset."""
    replace(file, name, shape=(2, count // 2), dtype=dtype, chunks=(2, 2**16), compression="gzip")
    noise = np.random.default_rng(0).integers(0, 2, 2**17 // 6)
    for begin in range(0, count // 2, 2**16):
        block = np.zeros(2**17)
        block[: len(noise)] = noise * 2
        file[name][:, begin : begin + 2**16] = block.reshape(2, -1)


def _packed_by_lzf(file, name):
    """As h5py's own filter packs, which unpacks to the end too."""
    replace(file, name, shape=(2, 2**18), dtype="f8", chunks=(2, 2**18), compression="lzf")


def _chunks(file, name):
    replace(file, name, shape=(2, 2**19), dtype="i1", chunks=(1, 1))


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (_huge_text, "layer/1/type", "layer/1/type claims a text of 600000000 bytes; at most 65536"),
        (_huge_text, "layer/1/name", "layer/1/name claims a text of 600000000 bytes"),
        (_claimed_text, "layer/1/type", "layer/1/type claims a text of 4294967295 bytes"),
        (_bomb, "layer/1/weight", "layer/1/weight unpacks to more than it claims"),
        (_wide, "layer/1/weight", "claims more values than are read"),
        (_packed_by_lzf, "layer/1/weight", "layer/1/weight is packed by lzf in chunks of 4194304 bytes"),
        (_chunks, "layer/1/weight", "layer/1/weight is cut into 1048576 chunks"),
    ],
)
def test_one_dataset_that_costs_much(change, place, words, net):
    with h5py.File(net, "r+") as file:
        change(file, place)
    assert words in cost(lambda: formats.load(net))


def test_a_text_attribute_that_claims_much(net):
    with h5py.File(net, "r+") as file:
        file.attrs["host_before"] = "x" * 200
    content = bytearray(net.read_bytes())
    place = content.index(struct.pack("<I", 200), content.index(b"host_before\0"))
    content[place : place + 4] = struct.pack("<I", 2**32 - 1)
    net.write_bytes(content)
    assert "the attribute host_before claims 4294967295 bytes" in cost(lambda: formats.load(net))


def test_many_texts_in_a_graph(graph, tmp_path):
    for path in (graph, foreign_graph(tmp_path / "b.nir")):
        with h5py.File(path, "r+") as file:
            group = file.require_group("node/metadata/many")
            for i in range(1000):
                group.create_dataset(str(i), (1,), "S60000", compression="gzip")
        assert path.stat().st_size < 2**21
        assert "claims more values than are read" in cost(lambda path=path: formats.load(path))


def test_many_references_to_one_text(tmp_path):
    path = foreign_graph(tmp_path / "b.nir")
    with h5py.File(path, "r+") as file:
        replace(
            file,
            "node/edges",
            np.array([["x" * 60_000, "y"], *[["y", "y"]] * 2999], dtype=object),
            dtype=h5py.string_dtype(),
        )
        offset = file["node/edges"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[offset : offset + 16 * 6000] = content[offset : offset + 16] * 6000
    path.write_bytes(content)
    assert "claims more values than are read" in cost(lambda: formats.load(path))


@pytest.mark.parametrize("count", [20, 19_000])
def test_links_to_one_layer(count, tmp_path):
    neuron = CUBA(num_neurons=400, u_decay=4096, v_decay=512, v_th_mant=19)
    layer = Layer(name="a", synapse=Dense(weight=np.full((400, 400), 2)), neuron=neuron)
    netx.write(Net(inputs=(Input(num_channels=400),), layers=(layer,), steps=4), tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net", "r+") as file:
        for i in range(2, count):
            file[f"layer/{i}"] = file["layer/1"]
    assert "layer/2/2 is the same object as /layer/1; each" in cost(lambda: formats.load(tmp_path / "a.net"))


def test_a_tower_of_links(graph):
    with h5py.File(graph, "r+") as file:
        below = file["node"].create_group("tower")
        for level in range(8):
            above = file.create_group(f"t{level}")
            for i in range(4):
                above[str(i)] = below
            below = above
        file["node/metadata/tower"] = below
    assert "is the same object as" in cost(lambda: formats.load(graph))


@pytest.mark.parametrize("suffix", [".net", ".nir"])
def test_many_objects(suffix, net, graph):
    path = net if suffix == ".net" else graph
    with h5py.File(path, "r+") as file:
        for i in range(2, 25_000):
            file.create_group(f"layer/{i}" if suffix == ".net" else f"node/metadata/{i % 10}/{i}")
    assert ("more than 20000" if suffix == ".nir" else "at most 20000") in cost(lambda: formats.load(path))


def test_layers_of_many_neurons(tmp_path):
    """Images whose size is one number, and neurons whose parameters are one number each."""
    path = tmp_path / "a.net"
    synapse = Conv(weight=np.full((1, 1, 1, 1), 2), in_shape=(1, 2, 2))
    neuron = CUBA(num_neurons=4, u_decay=4096, v_decay=512, v_th_mant=19)
    layers = tuple(Layer(name=f"a{i}", synapse=synapse, neuron=neuron) for i in range(30))
    netx.write(Net(inputs=(Input(num_channels=4),), layers=layers, steps=4), path)
    with h5py.File(path, "r+") as file:
        replace(file, "layer/0/shape", np.array([1, 1000, 1000]))
        for i in range(1, 31):
            replace(file, f"layer/{i}/shape", np.array([1, 1000, 1000]))
            replace(file, f"layer/{i}/inShape", np.array([1, 1000, 1000]))
    assert "layer/5/shape claims 1000000 neurons" in cost(lambda: formats.load(path))


def test_neurons_of_a_packed_record(graph):
    with h5py.File(graph, "r+") as file:
        neuron = file["node/metadata/spikeproof/net/layers/0/neuron"]
        for name in ("u_decay", "v_decay", "bias_mant"):
            replace(neuron, name, 0)
        replace(neuron, "num_neurons", 2**31 - 1)
    assert "num_neurons claims 2147483647 neurons" in cost(lambda: formats.load(graph))


def test_large_networks_of_our_own_load(tmp_path):
    """The limits are for files that are small for what they claim."""
    rng = np.random.default_rng(0)
    weight = 2 * rng.integers(-128, 128, (2048, 2048))
    neuron = CUBA(num_neurons=2048, u_decay=4096, v_decay=512, v_th_mant=19)
    layers = tuple(Layer(name=f"a{i}", synapse=Dense(weight=weight), neuron=neuron) for i in range(2))
    large = Net(inputs=(Input(num_channels=2048),), layers=layers, steps=4)
    for name in ("a.net", "a.nir"):
        formats.write(large, tmp_path / name)
        assert formats.load(tmp_path / name) == large


@pytest.mark.parametrize(
    "options", [{"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}]
)
def test_packed_datasets_load(options, net, tmp_path):
    before = formats.load(net)
    with h5py.File(net, "r+") as file:
        replace(file, "layer/1/weight", file["layer/1/weight"][()], chunks=(2, 2), **options)
    assert formats.load(net) == before


# --- 3. messages


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("layer/1/shape", np.zeros(2**20, np.int8)),
        ("layer/0/shape", np.zeros(2**20, np.int8)),
        ("layer/1/type", np.array([b"\x1b[31m" + b"x" * 60_000])),
        ("layer/1/neuron/type", np.array([b"\x1b]0;x\x07" + b"x" * 60_000])),
        ("layer/1/name", np.array([b"\x1b[2J" + b"x" * 60_000])),
        ("layer/1/weight", np.array([b"\x1b[2J" + b"x" * 60_000])),
        ("te", np.array([b"x"])),
    ],
)
def test_values_are_shortened_and_escaped(place, value, net):
    with h5py.File(net, "r+") as file:
        if place in file:
            del file[place]
        file.create_dataset(place, data=value, compression="gzip")
    words = cost(lambda: formats.load(net))
    assert len(words) < 1200 and "Error" in words


@pytest.mark.parametrize("place", ["", "layer/", "layer/1/", "layer/1/neuron/"])
def test_names_are_shortened_and_escaped(place, net, graph):
    for name in ("\x1b[31mred\x07", "x" * 60_000, "\u202egnp.exe", "a\nb"):
        with h5py.File(net, "r+") as file:
            file[place + name] = 1
        words = cost(lambda: formats.load(net))
        assert len(words) < 1200 and ("\\" in words or "characters" in words)
        with h5py.File(net, "r+") as file:
            del file[place + name]
        with h5py.File(graph, "r+") as file:
            file[f"node/nodes/{name}/{name}"] = 1
        assert len(cost(lambda: formats.load(graph))) < 1200
        with h5py.File(graph, "r+") as file:
            del file[f"node/nodes/{name}"]


def test_versions_and_notes_are_shortened_and_escaped(net, graph):
    with h5py.File(net, "r+") as file:
        file.attrs["spikeproof_schema"], file.attrs["spikeproof_version"] = 9, "\x1b[31m" + "x" * 30_000
    assert "written by spikeproof \\x1b[31mxx" in cost(lambda: formats.load(net))
    with h5py.File(net, "r+") as file:
        file.attrs["spikeproof_schema"] = np.zeros(8000, np.int8)
    assert "not one number or one text" in cost(lambda: formats.load(net))
    with h5py.File(graph, "r+") as file:
        replace(file, "node/metadata/spikeproof/schema", np.zeros(100_000, np.int8))
        replace(file, "node/metadata/spikeproof/version", "\x1b[31m" + "x" * 60_000)
    assert "(100000 in all)" in cost(lambda: formats.load(graph))


def test_what_a_message_shows():
    assert quoted.plain(b"a\xff") == "a\\xff"
    assert quoted.quoted("a\x1bb") == "'a\\x1bb'"
    assert quoted.quoted(np.arange(20)) == "[0, 1, 2, 3, 4, 5, 6, 7, ... (20 in all)]"
    assert quoted.quoted((1,)) == "(1,)"
    assert quoted.listed(["a", "b"]) == "a, b"


# --- 4. NIR


def _datatype(file):
    file["node/nodes/x"] = np.dtype("f4")


def _no_group(file):
    file["node/nodes/x"] = 1.0


def _no_edges(file):
    replace(file, "node/edges", np.zeros(0))


def _odd_edges(file):
    replace(file, "node/edges", np.array(["input", "first"], dtype=object))


def _type(file):
    replace(file, "node/nodes/lif/type", np.array(["LIF", "LIF"], dtype=object))


def _metadata(file):
    file["node/metadata"] = 3.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_datatype, "node/nodes/x is a named datatype"),
        (_no_group, "node 'x' is no group of fields"),
        (_no_edges, "the graph has no edges"),
        (_odd_edges, "edges are no pairs of names"),
        (_type, "node 'lif': type is missing, or no text"),
        (lambda file: file.__setitem__("node/nodes/lif/tau_ref", 1.0), "node 'lif': tau_ref is no field of LIF nodes"),
        (lambda file: file.__setitem__("node/nodes/first/bias", [1.0, 2]), "node 'first': bias is no field of Linear"),
        (lambda file: file.__setitem__("node/more", 1.0), "more is no field of a graph"),
    ],
)
def test_odd_graphs_are_refused_by_name(change, words, tmp_path):
    path = foreign_graph(tmp_path / "b.nir")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises((FileFormatError, UnsupportedError)) as found:
        formats.load(path)
    assert words in str(found.value) and "not a readable" not in str(found.value)


def test_a_text_where_a_record_belongs_is_refused(graph):
    with h5py.File(graph, "r+") as file:
        file["node/metadata/spikeproof/net/layers/0/cpg"] = "text"
    with pytest.raises(
        FileFormatError, match="metadata/spikeproof/net/layers/0: a field of a Layer is of the wrong kind"
    ):
        formats.load(graph)


def test_a_reference_that_claims_to_be_wide_is_refused(tmp_path):
    """The size of a dataset that HDF5 does not compare with its shape."""
    path = foreign_graph(tmp_path / "b.nir")
    with h5py.File(path) as file:
        offset = file["node/type"].id.get_offset()
    content = bytearray(path.read_bytes())
    layout = content.index(b"\x03\x01" + struct.pack("<QQ", offset, 16))
    content[layout + 10 : layout + 18] = struct.pack("<Q", 2**31)
    path.write_bytes(content)
    assert "node/type keeps its texts behind references of 2147483648 bytes" in cost(lambda: formats.load(path))


def test_metadata_that_is_no_group_is_no_harm(tmp_path):
    path = foreign_graph(tmp_path / "b.nir")
    before = formats.load(path)
    with h5py.File(path, "r+") as file:
        file["node"].pop("metadata", None)
        _metadata(file)
    assert formats.load(path) == before


def test_a_shape_that_contradicts_the_input_is_refused(tmp_path):
    path = foreign_graph(tmp_path / "b.nir", conv=True)
    with h5py.File(path, "r+") as file:
        replace(file, "node/nodes/first/input_shape", [3, 4])
    with pytest.raises(UnsupportedError, match=r"node 'first': input_shape is \[3, 4\], but images of \(3, 3\) arrive"):
        formats.load(path)


@pytest.mark.parametrize("suffix", [".net", ".nir"])
def test_a_file_in_use_is_told_as_such(suffix, net, graph):
    path = net if suffix == ".net" else graph
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    child = multiprocessing.get_context("fork").Process(target=_hold, args=(path, ready, done))
    child.start()
    try:
        assert ready.wait(20)
        for reader in (formats.load, lint):
            with pytest.raises(FileFormatError, match="in use: another program .* Close it there, or copy the file"):
                reader(path)
    finally:
        done.set()
        child.join(20)
    formats.load(path)


def _hold(path, ready, done):
    with h5py.File(path, "r+"):
        ready.set()
        done.wait(20)


# --- 6. run folders, and logs of sweeps


@pytest.fixture
def trained(tmp_path):
    """A run's folder, with the files that are text."""
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.write_recipe(find("digits"))
    values = {"metric": "accuracy", "test_score": 0.5, "test_samples": 1, "parameters": 1, "seconds": 1, "versions": {}}
    run.result_path.write_text(json.dumps(values))
    assert run.recipe() and run.result()
    return run


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe{}", "it is not UTF-8 text"),
        (b'{"epochs": ' + b"[" * 200_000, "not"),
        (b"[" * 200_000, "not"),
        (b'{"\x1b[31m' + b"x" * 10**6 + b'": 1}', "not"),
        (b'{"task": "digits", "' + b"x" * 10**6 + b'": 1}', "characters"),
        (b" " * (2**22 + 1), "4194305 bytes; at most 4194304 are read"),
        (b"", "not"),
    ],
)
@pytest.mark.parametrize("name", ["recipe", "result"])
def test_a_runs_text_that_is_none_is_refused(name, content, words, trained):
    path = trained.folder / f"{name}.json"
    path.write_bytes(content)
    found = cost(getattr(trained, name))
    assert found.startswith(f"FileFormatError: {path}: ") and (words in found or name == "result")


def test_a_result_of_other_types_is_refused(trained):
    good = json.loads(trained.result_path.read_text())
    for key, value in {"metric": None, "test_score": "a", "parameters": [], "versions": [1]}.items():
        trained.result_path.write_text(json.dumps(good | {key: value}))
        with pytest.raises(FileFormatError, match="not a result of this version"):
            trained.result()


@pytest.mark.parametrize("name", ["recipe.json", "result.json", "model.safetensors"])
def test_a_pipe_in_a_runs_folder_does_not_block(name, trained):
    (trained.folder / name).unlink(missing_ok=True)
    os.mkfifo(trained.folder / name)
    read = {"recipe.json": trained.recipe, "result.json": trained.result}.get(name, lambda: trained.load_into(None))
    assert "Name a regular file" in cost(read)


ROW = {"samples": [0], "comparison": {}, "diagnosis": None, "output": [[], []]}


@pytest.mark.parametrize(
    "row",
    [
        b"[" * 200_000,
        b"\xff",
        b"1",
        b"{}",
        json.dumps(ROW | {"samples": [[1]]}).encode(),
        json.dumps(ROW | {"samples": None}).encode(),
        json.dumps(ROW | {"output": [1]}).encode(),
        json.dumps(ROW | {"comparison": 3}).encode(),
    ],
)
def test_a_damaged_line_of_a_sweeps_log_is_told_by_its_number(row, tmp_path):
    path = tmp_path / "log.jsonl"
    with SweepLog(path, {"net": "a"}) as log:
        log.append(ROW)
    with open(path, "ab") as file:
        file.write(row + b"\n")
    assert "line 3 is damaged. Remove that line" in cost(lambda: SweepLog(path, {"net": "a"}))


def test_other_logs_and_pipes_are_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"spikeproof_sweep": 1, "net": "\x1b[31m" + "x" * 10**6}) + "\n")
    assert "holds results for another net ('\\x1b[31mx" in cost(lambda: SweepLog(path, {"net": "a"}))
    os.mkfifo(tmp_path / "pipe")
    assert "Name another --results file" in cost(lambda: SweepLog(tmp_path / "pipe", {"net": "a"}))
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**26 + 1)
    assert "at most 67108864 are read" in cost(lambda: SweepLog(tmp_path / "large", {"net": "a"}))
