"""NIR files: the identical record back, nothing misread, and other libraries' graphs quantised with both gaps."""

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import nets

from spikeproof.contract.errors import FileFormatError, MissingDependencyError, UnsupportedError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.axon import Axon
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import formats, packing
from spikeproof.export.nir import file as nir_file
from spikeproof.export.nir import graph as nir_graph
from spikeproof.export.nir.foreign import Imported
from spikeproof.sim.simulate import simulate
from spikeproof.sim.verify.nir_gap import between, gap, real_spikes
from spikeproof.sim.verify.verify import verify

FOREIGN = Path(__file__).parent / "foreign"
TIME_STEP = {"snntorch": None, "norse": 1e-6, "spikingjelly": None, "sinabs": 1.0, "rockpool": 1e-3}
"""Library -> the time step of its file; norse 1.1.0 multiplies time constants by dt."""


def mixed_net():
    """CPG, CE-LIF, delays, a convolution's successor and a read-out."""
    rng = np.random.default_rng(0)
    weight = 2 * rng.integers(-60, 61, (6, 5))
    first = Layer(
        name="input",  # as the node of the input is called
        synapse=Dense(weight=weight),
        neuron=CELIF(num_neurons=6, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9),
        cpg=Phase.from_paper(2),
        axon=Axon(delay=[0, 1, 2, 3, 4, 5]),
    )
    second = Layer(
        name="b",
        synapse=Dense(weight=weight[:4, :5].repeat(2, axis=1)[:, :6]),
        neuron=CUBA(num_neurons=4, u_decay=1024, v_decay=128, v_th_mant=19, bias_mant=[1, 2, 3, 4]),
    )
    last = Layer(name="out", synapse=Dense(weight=weight[:2, :4]), neuron=Readout(num_neurons=2))
    te = rng.integers(-128, 128, (7, 6))
    return Net(inputs=(Input(num_channels=3, bits=8, exp=-6),), layers=(first, second, last), steps=7, te=te)


def cuba_net(*, bias=True, conv=False):
    """What NIR has nodes for."""
    rng = np.random.default_rng(1)

    def layer(name, n_out, n_in, **decays):
        weight = 2 * rng.integers(-50, 61, (n_out, n_in))
        neuron = CUBA(num_neurons=n_out, v_th_mant=91, bias_mant=2 * bias, **decays)
        return Layer(name=name, synapse=Dense(weight=weight), neuron=neuron)

    layers = [layer("a", 8, 8 if conv else 6, u_decay=4096, v_decay=512), layer("b", 5, 8, u_decay=4096, v_decay=0)]
    if not bias:
        layers.append(layer("c", 4, 5, u_decay=1024, v_decay=256))
    channels = 6
    if conv:
        synapse = Conv(weight=2 * rng.integers(-50, 61, (2, 1, 2, 2)), in_shape=(1, 3, 3))
        neuron = CUBA(num_neurons=8, u_decay=4096, v_decay=512, v_th_mant=90)
        layers.insert(0, Layer(name="conv", synapse=synapse, neuron=neuron))
        channels = 9
    return Net(inputs=(Input(num_channels=channels),), layers=tuple(layers), steps=40)


@settings(max_examples=20)
@given(net=nets())
def test_a_record_comes_back_identical(net, tmp_path_factory):
    assert packing.unpack(packing.pack(net)) == net
    path = tmp_path_factory.mktemp("nir") / "net.nir"

    formats.write(net, path)

    assert formats.load(path) == net


@pytest.mark.slow
@settings(max_examples=400)
@given(net=nets())
def test_any_record_comes_back_identical(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    formats.write(net, path)
    assert formats.load(path) == net


def types(path):
    with h5py.File(path) as file:
        return {name: node["type"][()].decode() for name, node in file["node/nodes"].items()}


def test_nir_reads_what_it_has_nodes_for_and_its_shapes_fit(tmp_path):
    nir_graph.write(cuba_net(conv=True), tmp_path / "net.nir")

    read = nir.read(tmp_path / "net.nir")

    assert types(tmp_path / "net.nir") == {
        "input": "Input",
        "conv:synapse": "Conv2d",
        "conv": "LIF",
        "a:flatten": "Flatten",
        "a:synapse": "Affine",
        "a": "LIF",
        "b:synapse": "Affine",
        "b": "LIF",
        "output": "Output",
    }
    assert read.nodes["conv"].output_type["output"].tolist() == [2, 2, 2]
    assert len(read.edges) == 8
    np.testing.assert_array_equal(read.nodes["a:synapse"].bias, np.full(8, 2 / 64 * 4096 / 512))
    np.testing.assert_allclose(read.nodes["a"].tau, np.full(8, 1e-4 * 4096 / 512))
    assert (read.nodes["a"].r == 1).all() and (read.nodes["b"].r == 1).all()  # the gain is in the weights
    np.testing.assert_array_equal(read.nodes["b:synapse"].bias, np.full(5, 2 / 64 * 2**27))  # neurons that do not leak


def test_what_nir_has_no_node_for_is_ours_and_is_refused_by_its_reader(tmp_path):
    nir_graph.write(mixed_net(), tmp_path / "net.nir")

    found = types(tmp_path / "net.nir")
    assert found == {
        "input": "Input",
        ":te": "spikeproof.TemporalEncoding",
        "input:synapse": "Linear",
        "input:cpg": "spikeproof.Phase",
        "input:cpg_synapse": "Linear",
        "input:neuron": "spikeproof.CELIF",
        "input:delay": "Delay",
        "b:synapse": "Linear",
        "b": "CubaLIF",
        "out:synapse": "Linear",
        "out": "spikeproof.Readout",
        "output": "Output",
    }
    with pytest.raises((AssertionError, KeyError)):  # what nir 1.0.8 raises for a type that it does not know
        nir.read(tmp_path / "net.nir")
    with h5py.File(tmp_path / "net.nir") as file:
        assert file["node/nodes/input:neuron/v_th_mant"][()] == 19  # its integers, for readers to come
    assert formats.load(tmp_path / "net.nir") == mixed_net()


@pytest.mark.parametrize("change", [{"graded": 1}, {"u_shift": 1}, {"v_decay": [0, 1, 0, 0]}])
def test_cuba_neurons_that_nir_would_misread_are_ours(change, tmp_path):
    fields = {"num_neurons": 4, "u_decay": 4096, "v_decay": 9, "v_th_mant": 1, "bias_mant": 3} | change
    layer = Layer(name="a", synapse=Dense(weight=np.full((4, 1), 2)), neuron=CUBA(**fields))
    nir_graph.write(Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=3), tmp_path / "net.nir")
    # Its node holds the bias, so the linear node must not.
    assert types(tmp_path / "net.nir") | {"a:synapse": "Linear", "a": "spikeproof.CUBA"} == types(tmp_path / "net.nir")
    # Who adds a field to CUBA neurons says here and in nir_graph what NIR makes of it.
    known = {"num_neurons", "u_decay", "v_decay", "v_th_mant", "bias_mant", "a_shift", "graded", "u_shift"}
    assert {field.name for field in dataclasses.fields(CUBA)} == known


def test_feedback_is_a_loop_of_a_linear_node(tmp_path):
    net = cuba_net()
    first = dataclasses.replace(net.layers[0], feedback=Dense(weight=np.full((8, 8), -4)))
    net = dataclasses.replace(net, layers=(first, *net.layers[1:]))
    nir_graph.write(net, tmp_path / "net.nir")

    read = nir.read(tmp_path / "net.nir")

    assert {("a", "a:feedback"), ("a:feedback", "a")} <= set(read.edges)
    np.testing.assert_array_equal(read.nodes["a:feedback"].weight, np.full((8, 8), -4 / 64 * 4096 / 512))
    assert formats.load(tmp_path / "net.nir") == net


def test_an_infinite_time_constant_is_a_node_of_ours(tmp_path):
    layer = Layer(
        name="a", synapse=Dense(weight=[[2]]), neuron=CUBA(num_neurons=1, u_decay=100, v_decay=0, v_th_mant=1)
    )
    net = Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=3)
    nir_graph.write(net, tmp_path / "net.nir")
    assert types(tmp_path / "net.nir")["a"] == "spikeproof.CUBA"


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file["node"])


def _replace(node, name, value):
    del node[name]
    node[name] = value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda node: node["nodes/b/tau_mem"].write_direct(np.full(4, 1e-3)), "node/nodes/b/tau_mem is not what"),
        (lambda node: _replace(node, "metadata/spikeproof/net/steps", 8), None),
        (lambda node: _replace(node, "metadata/spikeproof/schema", 9), "schema version 9"),
        (lambda node: _replace(node, "metadata/spikeproof/net/kind", "Nett"), "kind 'Nett' is unknown"),
        (lambda node: _replace(node, "metadata/spikeproof/net/kind", "CUBA"), "no field of a CUBA"),
        (lambda node: _replace(node, "metadata/spikeproof/net/layers/1/scale", 63), "scale = 63 is not a power of two"),
        (lambda node: node.__delitem__("metadata/spikeproof/net/layers/1/neuron/v_decay"), "a CUBA without v_decay"),
        (lambda node: node.__delitem__("nodes/out"), "node/nodes/out is not what"),
        (lambda node: node.__delitem__("metadata/spikeproof/net"), "holds no record"),
        (lambda node: node["nodes"].__setitem__("x", h5py.SoftLink("/node")), "links are not followed"),
        (lambda node: node["nodes"].__setitem__("x", h5py.ExternalLink("a.h5", "/")), "links are not followed"),
        (
            lambda node: node["nodes"].create_dataset("x", shape=(2**30,), dtype="f4", chunks=True),
            "node/nodes/x claims 1073741824 elements; at most",
        ),
    ],
)
def test_a_changed_or_damaged_file_is_refused(tmp_path, change, words):
    path = tmp_path / "net.nir"
    nir_graph.write(mixed_net(), path)
    edit(path, change)

    if words is None:  # the sample period stands in the integers alone
        assert formats.load(path).steps == 8
        return
    with pytest.raises(FileFormatError) as found:
        formats.load(path)
    assert str(path) in str(found.value) and words in str(found.value)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_what_is_no_nir_file_is_refused(tmp_path, content):
    path = tmp_path / "net.nir"
    if content is None:
        nir_graph.write(cuba_net(), path)
        content = path.read_bytes()[:4000]
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="not a readable NIR file"):
        formats.load(path)
    with pytest.raises(FileFormatError, match="no such file"):
        formats.load(tmp_path / "absent.nir")


def test_without_the_package_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(MissingDependencyError, match="pip install nir"):
        formats.write(cuba_net(), tmp_path / "net.nir")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=sorted(TIME_STEP))
def foreign(request):
    """Another library's file, its input and its own spikes."""
    imported = nir_file.read(FOREIGN / f"{request.param}.nir", dt=TIME_STEP[request.param], steps=60)
    assert isinstance(imported, Imported)
    with np.load(FOREIGN / f"{request.param}.npz") as saved:
        x = saved["x"].astype(float)
        theirs = [saved[name] for name in saved if name != "x"]
    own = dict(zip((layer.name for layer in imported.net.layers), theirs, strict=True))
    return request.param, imported, x, own


def test_another_librarys_graph_is_quantised_and_its_gaps_are_measured(foreign):
    library, imported, x, own = foreign
    integers = simulate(imported.net, x, backend="engine")

    quantisation = gap(imported, x, integers)
    with_source = between(own, integers)

    assert all(layer.spikes_fixed > 0 and layer.spikes_float > 0 for layer in (*quantisation.layers, *with_source))
    # How much of the raster differs: SpikingJelly resets and steps as NIR does, and 8 bits change nothing here.
    if library == "spikingjelly":
        assert [layer.differ for layer in with_source] == [0, 0]
    share = [layer.differ / layer.entries for layer in with_source]
    most = {"snntorch": 0.1, "norse": 0.01, "spikingjelly": 0.001, "sinabs": 0.03, "rockpool": 0.35}
    assert most[library] / 4 <= max(share) < most[library] or library == "spikingjelly"
    assert max(layer.differ / layer.entries for layer in quantisation.layers) < 0.1
    assert "forward Euler" in quantisation.as_dict()["meaning"]
    assert any("scale" in note and "weights by up to" in note for note in imported.notes)


def test_the_real_side_is_what_spikingjelly_computes(foreign):
    library, imported, x, own = foreign
    spikes, _ = real_spikes(imported, x)
    differ = {name: int(np.count_nonzero(spikes[name] != own[name])) for name in own}
    if library == "spikingjelly":
        assert set(differ.values()) == {0}
    # rockpool subtracts the threshold and decays by exp(-dt / tau), which its file does not say.
    most = 0.3 if library == "rockpool" else 0.02
    assert sum(differ.values()) < most * sum(raster.size for raster in own.values())


@pytest.mark.lava
def test_engine_and_lava_are_exact_on_other_libraries_graphs():
    for library in ("snntorch", "norse"):  # SpikingJelly's is verified from the command line below
        dt = TIME_STEP[library]
        net = nir_file.read(FOREIGN / f"{library}.nir", dt=dt, steps=60).net
        with np.load(FOREIGN / f"{library}.npz") as saved:
            verdict = verify(net, saved["x"][:1].astype(float))
        assert verdict.exact, f"{library}: {verdict}"


def foreign_graph(tmp_path, *nodes, edges=None):
    named = {"input": nir.Input(input_type={"input": np.array([2])})}
    named |= {f"n{i}": node for i, node in enumerate(nodes)}
    named["output"] = nir.Output(output_type={"output": np.array([2])})
    names = list(named)
    edges = edges or list(itertools.pairwise(names))
    path = tmp_path / "foreign.nir"
    nir.write(path, nir.NIRGraph(nodes=named, edges=edges, type_check=False))
    return path


def lif(**changes):
    ones = np.ones(2)
    fields = {"tau": ones * 1e-3, "r": ones, "v_leak": 0 * ones, "v_threshold": ones, "v_reset": 0 * ones}
    return nir.LIF(**(fields | changes))


LINEAR = nir.Linear(weight=np.array([[1.0, -0.5], [0.25, 2.0]]))
DELAY = nir.Delay(delay=np.array([2e-4, 2e-4]))
AFFINE = nir.Affine(weight=LINEAR.weight, bias=np.array([0.1, 0.2]))


def test_the_numbers_of_an_import_by_hand(tmp_path):
    path = foreign_graph(tmp_path, AFFINE, lif(v_leak=np.array([0.0, 0.5])), nir.Delay(delay=np.array([1e-4, 3e-4])))
    imported = nir_file.read(path, steps=9)
    (layer,) = imported.net.layers

    # dt / tau = 0.1: the weights that act are a tenth, up to 0.2, and 254 / 0.2 = 1270, so the scale is 1024.
    assert layer.scale == 1024
    assert layer.synapse.weight.tolist() == [[102, -52], [26, 204]]  # even ones next to 102.4, -51.2, 25.6, 204.8
    assert layer.neuron.v_decay.tolist() == [410, 410] and layer.neuron.u_decay.tolist() == [4096, 4096]
    assert layer.neuron.v_th_mant == 1024
    assert layer.neuron.bias_mant.tolist() == [10, 72]  # (0.1 * 0.1) and (0.1 * 0.2 + 0.1 * 0.5) of 1024
    assert layer.axon == Axon(delay=[1, 3])
    assert imported.net.steps == 9


def conv_graph(tmp_path, **changes):
    """A grouped convolution of images, flattened into a dense layer, and its torch modules."""
    import torch

    torch.manual_seed(0)
    conv = torch.nn.Conv2d(2, 4, 3, stride=(2, 1), padding=(1, 0), groups=2).double()
    dense = torch.nn.Linear(4 * 3 * 4, 2, bias=False).double()
    ones = np.ones((4, 3, 4))
    fields = {"tau": ones * 4e-4, "r": 8 * ones, "v_leak": 0 * ones, "v_threshold": ones} | changes
    nodes = {
        "input": nir.Input(input_type={"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d(
            input_shape=(6, 6),
            weight=conv.weight.detach().numpy(),
            stride=(2, 1),
            padding=(1, 0),
            dilation=(1, 1),
            groups=2,
            bias=conv.bias.detach().numpy(),
        ),
        "neurons": nir.LIF(**fields),
        "flatten": nir.Flatten(input_type={"input": np.array([4, 3, 4])}, start_dim=0, end_dim=-1),
        "dense": nir.Linear(weight=dense.weight.detach().numpy()),
        "out": lif(r=6 * np.ones(2)),
        "output": nir.Output(output_type={"output": np.array([2])}),
    }
    edges = list(itertools.pairwise(nodes))
    nir.write(tmp_path / "conv.nir", nir.NIRGraph(nodes=nodes, edges=edges, type_check=False))
    return tmp_path / "conv.nir", conv


def test_convolutions_are_imported(tmp_path):
    import torch

    path, conv = conv_graph(tmp_path)
    imported = nir_file.read(path, steps=30)
    x = (np.random.default_rng(0).random((3, 2, 6, 6, 30)) < 0.4).astype(float)
    flat = x.reshape(3, 72, 30)

    first, _ = imported.net.layers
    assert first.shape == (4, 3, 4) and first.synapse.groups == 2
    fired = np.zeros((3, 48, 30), int)
    v = np.zeros((3, 48))
    for t in range(30):
        v = 0.75 * v + 2.0 * conv(torch.from_numpy(x[..., t])).detach().numpy().reshape(3, 48)
        fired[..., t] = v > 1
        v[v > 1] = 0
    spikes, _ = real_spikes(imported, flat)
    np.testing.assert_array_equal(spikes["neurons"], fired)
    integers = simulate(imported.net, flat, backend="engine")
    quantisation = gap(imported, flat, integers)
    assert all(layer.spikes_fixed > 0 for layer in quantisation.layers)
    assert max(layer.differ / layer.entries for layer in quantisation.layers) < 0.05


@pytest.mark.lava
def test_a_convolution_of_images_is_verified_from_the_command_line(run, tmp_path):
    path, _ = conv_graph(tmp_path)
    np.save(tmp_path / "images.npy", (np.random.default_rng(0).random((3, 2, 6, 6, 30)) < 0.4).astype(np.int8))
    common = ("-i", tmp_path / "images.npy", "--samples", "all")
    code, out, err = run("verify", path, *common, "--lava-samples", "1")
    assert code == 0, err
    assert "EXACT" in out.splitlines() and "3 of 3 samples keep their class" in out
    code, _, err = run("simulate", path, "-i", tmp_path / "images.npy", "--backend", "engine")
    assert code == 0, err

    np.save(tmp_path / "images.npy", np.zeros((3, 2, 6, 30), np.int8))
    code, _, err = run("verify", path, *common)
    assert code == 2 and "(samples, 72 channels, 30 steps)" in " ".join(err.split())


def test_neurons_of_one_channel_that_differ_are_refused(tmp_path):
    gains = 8 * np.ones((4, 3, 4))
    gains[1, 2, 3] = 7
    path, _ = conv_graph(tmp_path, r=gains)
    with pytest.raises(UnsupportedError, match="node 'conv': neurons of one channel differ"):
        formats.load(path)


def test_different_thresholds_and_a_linear_end_are_imported(tmp_path):
    path = foreign_graph(tmp_path, LINEAR, lif(v_threshold=np.array([1.0, 4.0])), AFFINE)
    imported = nir_file.read(path)
    first, last = imported.net.layers
    assert first.synapse.weight[1, 1] / first.scale == pytest.approx(0.1 * 2.0 / 4.0, abs=2 / first.scale)
    assert isinstance(last.neuron, Readout) and "sums its output over a sample" in imported.notes[-1]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([LINEAR, lif(v_reset=np.array([0.0, 1.5]))], "node 'n1': a threshold of 1 that is not above the reset of 1.5"),
        ([LINEAR, lif(tau=np.ones(2) * 1e-5)], "shorter than a time step of 0.0001 s. Give the time step"),
        ([LINEAR, lif(v_threshold=np.array([1.0, -1.0]))], "node 'n1': a threshold of -1"),
        ([AFFINE, DELAY, lif()], "node 'n1': a Delay behind a bias"),
        ([LINEAR, nir.LI(np.ones(2), np.ones(2), 0 * np.ones(2)), LINEAR, lif()], "node 'n1' puts out its membrane"),
        ([LINEAR, lif(), nir.Delay(delay=np.array([1e-4, 0.5e-4]))], "node 'n2': delays of 0.5 to 1 steps"),
        ([nir.Linear(weight=np.full((2, 2), 1e6)), lif()], "node 'n1': weights up to 100000"),
        ([nir.Linear(weight=np.full((2, 2), np.nan)), lif()], "weight is not finite numbers"),
    ],
)
def test_what_cannot_be_run_exactly_is_refused_by_name(tmp_path, nodes, words):
    path = foreign_graph(tmp_path, *nodes)
    with pytest.raises((UnsupportedError, FileFormatError)) as found:
        formats.load(path)
    assert str(found.value).startswith(f"{path}: ") and words in str(found.value)


@pytest.mark.parametrize("library", sorted(TIME_STEP))
def test_the_stored_files_are_what_the_library_writes(library, tmp_path):
    pytest.importorskip(library, reason=f"{library} is not installed (extra 'bench')")
    script = tmp_path / "make.py"
    script.write_text((FOREIGN / "make.py").read_text())
    subprocess.run([sys.executable, str(script), library], check=True, capture_output=True, timeout=300)
    before, after = (nir_file.read(folder / f"{library}.nir", dt=1e-6) for folder in (FOREIGN, tmp_path))
    assert before.net == after.net


def test_a_file_of_the_form_before_still_loads(tmp_path):
    """Then neurons without current had their gain themselves, and those that do not leak were IF nodes."""
    for net in (cuba_net(), cuba_net(conv=True), cuba_net(bias=False)):
        made = nir_graph.graph(net, form=1)
        assert {"IF"} <= {type(node).__name__ for node in made.nodes.values()}
        del made.metadata["spikeproof"]["form"]  # which was not said then
        nir.write(tmp_path / "old.nir", made)
        assert formats.load(tmp_path / "old.nir") == net


def test_the_commands_read_and_write_nir(run, tmp_path):
    formats.write(mixed_net(), tmp_path / "a.net")
    assert run("export", tmp_path / "a.net", "-o", tmp_path / "b.nir")[0] == 0
    assert run("export", tmp_path / "b.nir", "-o", tmp_path / "c.net")[0] == 0
    assert formats.load(tmp_path / "c.net") == formats.load(tmp_path / "b.nir") == mixed_net()
    code, out, _ = run("inspect", tmp_path / "b.nir")
    assert code == 0 and "CELIF" in out
    assert run("map", tmp_path / "b.nir")[0] == 0
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((2, 3, 7)))
    code, out, err = run("simulate", tmp_path / "b.nir", "-i", tmp_path / "x.npy", "--backend", "engine", "--json")
    assert code == 0, err

    code, out, err = run("export", FOREIGN / "norse.nir", "-o", tmp_path / "d.net", "--dt", "1e-6", "--steps", "60")
    assert code == 0 and "rounding moves weights" in err and "rounding" not in out and "imported network" in out
    for options in (("--steps", 7), ("--input-shape", "1,1,3"), ("--delay-shift",), ("--clamp-delays",)):
        code, _, err = run("inspect", tmp_path / "b.nir", *options)
        assert (
            code == 2
            and f"{options[0]}" in err
            and f": not for {tmp_path / 'b.nir'}: what it is about stands in" in err
        )
        code, _, err = run("inspect", FOREIGN / "norse.nir", "--dt", "1e-6", *options)
        assert (code, options[0] in err) == ((0, False) if options[0] == "--steps" else (2, True)), err
    assert formats.load(tmp_path / "d.net").steps == 60 and formats.load(tmp_path / "d.net").steps == 60
    code, _, err = run("export", FOREIGN / "norse.nir", "-o", tmp_path / "e.net")
    assert code == 2 and "Give the time step" in err.replace("\n", " ")


@pytest.mark.lava
def test_verify_reports_both_gaps_of_another_librarys_graph(run, tmp_path):
    with np.load(FOREIGN / "spikingjelly.npz") as saved:
        np.save(tmp_path / "x.npy", saved["x"][:2])
    code, out, err = run("verify", FOREIGN / "spikingjelly.nir", "-i", tmp_path / "x.npy", "--samples", "all")
    assert code == 0, err
    assert "float to fixed: 2 of 2 samples keep their class" in out and "fixed to Lava: 0 of" in out
    assert "rounding moves weights" in err


@pytest.mark.parametrize("change", [{"graded": 1}, {"a_shift": -6}])
def test_graded_spikes_get_no_standard_node(change, tmp_path):
    net = cuba_net(bias=False)
    first = dataclasses.replace(net.layers[0], neuron=dataclasses.replace(net.layers[0].neuron, **change))
    nir_graph.write(dataclasses.replace(net, layers=(first, *net.layers[1:])), tmp_path / "net.nir")

    assert types(tmp_path / "net.nir")["a"] not in {"LIF", "CubaLIF", "IF"}
    assert formats.load(tmp_path / "net.nir").layers[0] == first
