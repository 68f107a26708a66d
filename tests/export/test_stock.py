"""Files of stock lava-dl: its own networks reproduce its own ground truths, and what it exports is what it trained."""

import importlib.metadata
from pathlib import Path

import h5py
import numpy as np
import pytest
from stock_files import CONV, DENSE, INPUT, write

from spikeproof.contract.errors import FileFormatError, UnsupportedError
from spikeproof.contract.net import Input
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.delta import Delta
from spikeproof.contract.neurons.readout import Readout
from spikeproof.export import formats, stock
from spikeproof.sim import engine, reference
from spikeproof.sim.lava import backend as lava_backend

RUN = {"engine": engine.run, "reference": reference.run}


@pytest.fixture(scope="module")
def shipped():
    """The folder of networks and ground truths that lava-dl's wheel carries among its tests."""
    try:
        folder = importlib.metadata.distribution("lava-dl").locate_file("tests/lava/lib/dl/netx")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("lava-dl is not installed")
    if not Path(str(folder)).joinpath("gts").is_dir():
        pytest.skip("lava-dl is installed without its tests, which hold the ground truths")
    return Path(str(folder))


def truth(folder, name):
    """A ground truth as whole numbers, images (column, row, channel) in our order, and flat: (neurons, steps)."""
    values = np.load(folder / "gts" / f"{name}.npy")
    assert (values == np.trunc(values)).all()
    if values.ndim > 2:
        values = np.moveaxis(values, (0, 1, 2), (2, 1, 0))
    return values.reshape(-1, values.shape[-1]).astype(np.int64)


def held(folder, name, steps):
    """A picture, as a bias that stands for all steps."""
    picture = np.load(folder / "gts" / f"{name}.npy").transpose(2, 1, 0).reshape(-1)
    return np.repeat(picture[None, :, None], steps, axis=2).astype(np.int32)


@pytest.mark.parametrize("backend", [*RUN, pytest.param("lava", marks=pytest.mark.lava)])
def test_tinynet_gives_its_ground_truth(shipped, backend):
    net, transform = stock.read(shipped / "tiny.net", steps=15)
    run = RUN.get(backend, lava_backend.run)
    layers = run(net, held(shipped, "tinynet/input_bias", 15)).layers
    # The ground truths are torch's, (batch, channel, row, column, step), and begin a step before the bias.
    gts = {name: np.load(shipped / f"gts/tinynet/{name}.npy")[0][..., 1:] for name in ("input", "layer1", "output")}
    current = np.load(shipped / "gts/tinynet/current.npy")[0][..., 1:]

    assert transform == (36, 34)
    assert net.steps == 15 and stock.read(shipped / "tiny.net").net.steps == 64
    for layer, name in zip(net.layers, gts, strict=True):
        assert gts[name].any()
        assert np.array_equal(layers[layer.name]["s"][0], gts[name].reshape(-1, 15))
    assert np.array_equal(layers["conv1"]["u"][0], 64 * current.reshape(-1, 15))


def test_ntidigits_with_its_delays_gives_its_ground_truth(shipped):
    net = stock.read(shipped / "gts/ntidigits/ntidigits.net").net
    payload = np.load(shipped / "gts/ntidigits/input.npy").astype(np.int32)
    expected = truth(shipped, "ntidigits/output")

    layers = engine.run(net, payload[None]).layers

    assert [layer.axon is not None for layer in net.layers] == [True, True, False, False]
    assert expected[:, 4:].sum() > 20_000  # stock NetX runs three layers and a source four steps late
    assert np.array_equal(layers["dense4"]["s"][0][:, :-4], expected[:, 4:]) and not expected[:, :4].any()
    groups = expected[:, 4:].reshape(11, 22, -1).sum(1)
    assert np.array_equal(layers["average5"]["v"][0][:, :-4], 2 * groups)  # 2 a spike, 22 neurons a group


PILOTNET = ["input", "conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2"]


def test_pilotnet_lif_gives_its_ground_truth_in_every_register(shipped):
    """But for the last layer, whose ground truth does not follow from that of the layer before it."""
    net, transform = stock.read(shipped / "gts/pilotnet_lif/network.net")
    layers = engine.run(net, held(shipped, "pilotnet_lif/image", net.steps)).layers

    assert transform == (40, 36) and net.steps == 16
    for i, (layer, name) in enumerate(zip(net.layers, PILOTNET, strict=False)):
        # One step a layer; before its reset a layer of theirs runs on its bias alone.
        steps = slice(i, i + net.steps)
        spikes = truth(shipped, f"pilotnet_lif/{name}")[:, steps]
        assert spikes.any()
        assert np.array_equal(layers[layer.name]["s"][0], spikes)
        if i:
            assert np.array_equal(layers[layer.name]["u"][0], truth(shipped, f"pilotnet_lif/{name}-u")[:, steps])
            # On the chip, a membrane that fired holds its refractory counter, 2 << 6.
            membrane = truth(shipped, f"pilotnet_lif/{name}-v")[:, steps]
            assert np.array_equal(np.where(spikes, 128, layers[layer.name]["v"][0]), membrane)


@pytest.mark.parametrize("name", ["network", "square_network"])
def test_pilotnet_sdnn_gives_its_ground_truth(shipped, name):
    # Without a reset, stock NetX's layers all begin at once: what delay_shift is.
    net = stock.read(shipped / f"gts/pilotnet_sdnn/{name}.net", steps=9, delay_shift=True).net
    _, rows, columns = net.layers[0].shape
    picture = np.load(shipped / "gts/pilotnet_sdnn/input.npy").transpose(3, 2, 1, 0)[..., :rows, :columns]
    payload = np.repeat(picture.reshape(1, -1, 1), 9, axis=2)

    layers = engine.run(net, payload).layers

    assert net.input == Input(num_channels=payload.shape[1], bits=12, exp=-6)
    assert isinstance(net.layers[0].neuron, Delta)
    square = "_square" * (name != "network")
    known = [i for i in range(1, 5) if (shipped / f"gts/pilotnet_sdnn/sigma{i}{square}.npy").exists()]
    assert len(known) == (2 if name == "network" else 4)
    for i in known:
        expected = truth(shipped, f"pilotnet_sdnn/sigma{i}{square}")[:, :9]
        assert expected.any() and np.array_equal(layers[f"conv{i}"]["sigma"][0], expected)
    if name == "network":
        assert np.array_equal(layers["dense9"]["v"][0], truth(shipped, "pilotnet_sdnn/output"))


def test_an_mnist_network_ends_in_what_was_trained_not_in_an_integrator(shipped):
    net, transform = stock.read(shipped / "mnist.net")

    assert [type(layer.neuron) for layer in net.layers] == [CUBA, CUBA, CUBA, Readout]
    assert net.layers[-1].neuron == Readout(num_neurons=10, v_decay=4096)
    assert transform == (76, 64) and transform.current([0, 0.5]).tolist() == [1.0, 102 / 64]


RESONATOR = {"neuron/gradedSpike": False, "neuron/vThMant": 25}
TURN = 2 * np.pi / 11


def test_the_ground_truths_of_single_blocks(shipped, tmp_path):
    gts = shipped / "gts"
    dense = {
        "type": "dense",
        "shape": [256],
        "weight": np.load(gts / "dense/weight.npy").astype(np.float32),
        **{"neuron/type": "CUBA", "neuron/iDecay": 4096, "neuron/vDecay": 415, "neuron/vThMant": 6},
        **{"neuron/refDelay": 1, "neuron/gradedSpike": False},
    }
    resonant = {
        "type": "dense",
        "shape": [256],
        "weight/real": np.load(gts / "complex_dense/weight_r.npy"),
        "weight/imag": np.load(gts / "complex_dense/weight_img.npy"),
        "neuron/type": "RF_PHASE",
        "neuron/sinDecay": int(4096 * 0.95 * np.sin(TURN)),
        "neuron/cosDecay": int(4096 * 0.95 * np.cos(TURN)),
        **RESONATOR,
    }
    for name, fields in (("dense", dense), ("complex_dense", resonant)):
        net = stock.read(write(tmp_path / name, [fields]), steps=2000).net
        payload = truth(shipped, f"{name}/in").astype(np.int32)
        expected = truth(shipped, f"{name}/out")
        assert expected.sum() > 1000
        assert np.array_equal(engine.run(net, payload[None]).layers["dense0"]["s"][0][:, :-1], expected[:, 1:])


def test_a_sigma_delta_block_gives_its_ground_truth_of_an_input_that_was_cast_to_bool(shipped, tmp_path):
    """Lava's Conv casts graded input to bool unless told its bits, and the test that this truth is from does not."""
    kernel = np.load(shipped / "gts/tinynet_sdnn/layer1_kernel.npy")  # outputs, columns, rows, inputs; flipped
    layer = {
        "type": "conv",
        "shape": [24, 6, 6],
        "weight": kernel.transpose(0, 3, 2, 1)[..., ::-1, ::-1].astype(np.float32),
        **{"stride": [2, 2], "padding": [0, 0], "dilation": [1, 1], "groups": 1},
        "bias": np.load(shipped / "gts/tinynet_sdnn/layer1_bias.npy"),
        **{"neuron/type": "SDNN", "neuron/activation": "relu", "neuron/vThMant": 20},
    }
    path = write(tmp_path / "sdnn.net", [layer])
    payload = np.pad(truth(shipped, "tinynet_sdnn/input"), ((0, 0), (1, 0))).astype(np.int32)

    net = stock.read(path, steps=16, input_shape=(3, 16, 16)).net
    cast, right = (engine.run(net, x[None]).layers["conv0"]["s"][0] for x in ((payload != 0).astype(np.int32), payload))

    expected = truth(shipped, "tinynet_sdnn/layer1")
    assert expected.any() and np.array_equal(cast, expected)
    assert not np.array_equal(right, expected)


def blocks_of(family, params, block):
    """Blocks of a family behind each other, with images where it has convolutions."""
    import torch
    from slayer_nets import slayer

    if family == "sigma_delta":
        return torch.nn.Sequential(block.Dense(params, 6, 8, weight_scale=2), block.Output(params, 8, 3))
    if family == "cuba":
        return torch.nn.Sequential(
            block.Conv(params, 2, 4, 3, padding=1, weight_scale=4, delay=True),
            block.Pool({**params}, 2),
            block.Flatten(),
            block.Recurrent({**params}, 24, 5, weight_scale=3),
            block.Dense({**params, "graded_spike": True}, 5, 6, weight_scale=9, delay=True, weight_norm=True),
            block.Dense({**params}, 6, 4, weight_scale=9),
            block.Affine({**params}, 4, 2, dynamics=False),
        )
    if family == "cuba with norms":
        norm = {"norm": slayer.neuron.norm.MeanOnlyBatchNorm}
        return torch.nn.Sequential(
            block.Dense({**params, "norm": slayer.neuron.norm.WgtScaleBatchNorm}, 6, 5, weight_scale=3),
            block.Recurrent(params | norm, 5, 8, weight_scale=3),
            block.Affine({**params, "norm": None}, 8, 3),
        )
    if family == "alif":
        params = params | {"norm": slayer.neuron.norm.MeanOnlyBatchNorm}
    return torch.nn.Sequential(block.Dense(params, 6, 8, weight_scale=3), block.Dense(params, 8, 4, weight_scale=4))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
@pytest.mark.parametrize("family", ["cuba", "cuba with norms", "alif", "rf", "rf_iz", "adrf", "adrf_iz", "sigma_delta"])
def test_what_stock_lava_dl_exports_is_the_record_of_the_module(family, tmp_path):
    torch = pytest.importorskip("torch")
    from slayer_nets import of_family, slayer

    from spikeproof.export.slayer import record

    random = np.random.default_rng(3)
    torch.manual_seed(3)
    if family == "sigma_delta":
        block, params = slayer.block.sigma_delta, {"threshold": 0.25, "activation": torch.nn.functional.relu}
    else:
        block, params = of_family(random, family.partition(" ")[0])
    module = blocks_of(family, params, block).train()
    x = torch.as_tensor(random.integers(0, 2, (1, *([2, 4, 6] if family == "cuba" else [6]), 12)), dtype=torch.float32)
    module(x)  # draws shapes, delays and means
    for each in module.eval():
        if getattr(getattr(each, "neuron", None), "norm", None) is not None:
            each.neuron.norm.running_mean += 0.1
    net = record(module, sample=x.numpy())
    with h5py.File(tmp_path / "stock.net", "w") as file:
        for i, each in enumerate(module):
            each.export_hdf5(file.create_group(f"layer/{i}"))

    shape = tuple(x.shape[1:-1])
    found = stock.read(tmp_path / "stock.net", steps=12, input_shape=shape, delay_shift=family != "sigma_delta").net

    assert len(found.layers) == len(net.layers) and found.input == net.input
    for theirs, ours in zip(found.layers, net.layers, strict=True):
        assert (theirs.synapse, theirs.neuron, theirs.feedback) == (ours.synapse, ours.neuron, ours.feedback)
        assert (theirs.axon, theirs.cpg) == (ours.axon, ours.cpg)


REFUSED = {
    "unknown layer": ([DENSE | {"type": "dens"}], "layer/0: type is 'dens'; stock NetX would leave such a layer out"),
    "concat": ([{"type": "concat"}], "layer/0: type is 'concat'; a record's layers follow each other"),
    "unknown neuron": ([DENSE | {"neuron/type": "GLIF"}], "neuron/type is 'GLIF'; SLAYER's are CUBA, LOIHI, ALIF"),
    "input shape": ([{"type": "input", "shape": [4]}, DENSE], "layer/1: its weights take 3 inputs, but (4,) arrive"),
    "fraction": ([DENSE | {"weight": [[1.5, 2, 4]] * 2}], "weight holds 1.5, a fraction, which stock NetX cuts off"),
    "odd and large": (
        [DENSE | {"weight": [[2, 3, 130]] * 2}],
        "weight: weights of the layer are odd, and those of 8 bits are from -128 to 127 then, not 130",
    ),
    "255": ([DENSE | {"weight": [[2, -3, 255]] * 2}], "beside negative weights, stock NetX makes 254 of larger ones"),
    "odd of SDNN": (
        [{k: v for k, v in DENSE.items() if "neuron" not in k} | {"neuron/type": "SDNN", "neuron/vThMant": 1}]
        and [
            {
                **{k: v for k, v in DENSE.items() if "neuron" not in k},
                **{"neuron/type": "SDNN", "neuron/vThMant": 1, "weight": [[2, 3, 4]] * 2},
            }
        ],
        "the sums of weights twice as large cannot be halved exactly before SigmaDelta neurons",
    ),
    "saturated": ([DENSE | {"weight": [[2, 256, 4]] * 2}], "weight: 256 is no 8-bit weight"),
    "refractory": (
        [DENSE | {"neuron/refDelay": 5}],
        "refDelay: 5 steps of rest after a spike; Lava's neurons have one",
    ),
    "delays": ([DENSE | {"delay": [3.0]}], "delay: 1 for 2 channels. Run the module before its export"),
    "long delay": ([DENSE | {"delay": [3.0, 63.0]}], "delay: 3 to 63 steps; Loihi holds 0 to 62, to which stock NetX"),
    "bias of images": (
        [
            {"type": "input", "shape": [1, 40, 40]},
            CONV
            | {"shape": [2, 38, 38], "bias": [2.0, 0.0], "neuron/type": "ALIF"}
            | {"neuron/thDecay": 1, "neuron/refDecay": 1, "neuron/vThStep": 1},
        ],
        "layer/1: images: a norm's mean, or an input's bias, makes all-to-all synapses of a convolution",
    ),
    "exponent": ([DENSE | {"neuron/weight_exp": [5.0]}], "weight_exp: 5, which WgtScaleBatchNorm clamps when it runs"),
    "activation": (
        [{k: v for k, v in DENSE.items() if "neuron" not in k} | {"neuron/type": "SDNN", "neuron/activation": "tanh"}],
        "activation: 'tanh', which stock NetX does not read",
    ),
    "another family's field": ([DENSE | {"neuron/type": "SDNN"}], "layer/0: neuron/gradedSpike is unknown here"),
    "image size": ([CONV], "layer/0: the file does not say the size of the images that enter. Pass input_shape="),
    "pool": (
        [
            {"type": "input", "shape": [1, 5, 4]},
            {k: v for k, v in CONV.items() if k != "groups"} | {"type": "pool", "kernelSize": [2, 2], "stride": [2, 2]},
        ],
        "kernelSize: windows of (2, 2) every (2, 2) do not part images of (5, 4), so that SLAYER lets one see",
    ),
    "average": ([INPUT, {"type": "average", "shape": [2]}], "it averages the network's input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exact_is_refused_by_layer_and_reason(name, tmp_path):
    layers, words = REFUSED[name]
    path = write(tmp_path / "stock.net", [{k: v for k, v in layer.items()} for layer in layers])

    with pytest.raises((UnsupportedError, FileFormatError), match=".") as caught:
        formats.load(path)

    assert words in str(caught.value) and str(path) in str(caught.value)


def test_a_damaged_file_ends_in_a_record_or_in_one_of_our_errors(tmp_path):
    good = write(tmp_path / "good.net", [INPUT, DENSE, DENSE | {"weight": np.full((2, 2), 4.0)}]).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(100):
        damaged = bytearray(good[: random.integers(len(good))] if random.random() < 0.3 else good)
        for place in random.integers(len(damaged) or 1, size=min(4, len(damaged))):
            damaged[place] = random.integers(256)
        (tmp_path / "bad.net").write_bytes(damaged)
        try:
            formats.load(tmp_path / "bad.net")
        except (UnsupportedError, FileFormatError) as error:
            refused += 1
            assert "bad.net" in str(error)
    assert 40 < refused < 100


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"shape": [2**31]}, "shape claims 2147483648 neurons; at most 4194304 are read"),
        ({"shape": [3]}, "shape is (3,), but the weights make it (2,)"),
        ({"weight": [[np.nan, 2, 2]] * 2}, "weight holds a value that is no finite number"),
        ({"weight": 2.0}, "weight has 1 values for 2 neurons"),
        ({"neuron/vThMant": -3}, "neuron/vThMant is -3; a threshold is not negative"),
        ({"neuron/vDecay": 5000}, "v_decay[0] = 5000 is not a whole number in 0..4096"),
        ({"bias": [1.0, 2.0, 3.0]}, "bias has 3 values; the layer has 2 channels and 2 neurons"),
    ],
)
def test_what_stock_netx_takes_without_a_word_is_refused(fields, words, tmp_path):
    with pytest.raises(FileFormatError) as caught:
        stock.load(write(tmp_path / "stock.net", [DENSE | fields]))

    assert words in str(caught.value)
