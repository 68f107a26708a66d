"""Convolutions of SLAYER's: torch, the engine and Lava agree on every spike and register, and so does stock NetX."""

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, exact, lively, neuron, of_family, spikes

from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.synapses.conv import Conv
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim.verify.verify import verify

STEPS = 12


def geometry(random, shape):
    """Any geometry of a convolution on images of a shape, and the shape of what it makes."""
    channels, *sizes = shape
    kernel, stride, padding, dilation, out = [], [], [], [], []
    for size in sizes:
        padding.append(int(random.integers(0, 3)))
        kernel.append(int(random.integers(1, min(4, size + 2 * padding[-1]) + 1)))
        room = (size + 2 * padding[-1] - 1) // max(1, kernel[-1] - 1)
        dilation.append(int(random.integers(1, max(1, min(3, room)) + 1)))
        stride.append(int(random.integers(1, 3)))
        out.append((size + 2 * padding[-1] - dilation[-1] * (kernel[-1] - 1) - 1) // stride[-1] + 1)
    groups = int(random.choice([g for g in (1, 2, 3) if channels % g == 0]))
    features = groups * int(random.integers(1, 4))
    options = {"kernel_size": tuple(kernel), "stride": tuple(stride), "padding": tuple(padding)}
    return (channels, features), {**options, "dilation": tuple(dilation), "groups": groups}, (features, *out)


def network(seed, samples=3):
    """One to three convolutions, a Flatten and one or two dense blocks, and their input."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    shape = tuple(int(n) for n in random.integers((1, 4, 4), (4, 9, 9)))
    x = spikes(random, samples, *shape, STEPS)
    blocks = torch.nn.Sequential()
    for _ in range(random.integers(1, 4)):
        features, options, shape = geometry(random, shape)
        options |= {"delay_shift": bool(random.random() < 0.6), "weight_norm": bool(random.random() < 0.3)}
        options["delay"] = bool(random.random() < 0.3)
        blocks.append(block.Conv(neuron(random), *features, weight_scale=4, **options))
    width = int(np.prod(shape))
    if random.random() < 0.7:
        blocks.append(block.Flatten())
        for n in random.integers(3, 8, random.integers(1, 3)):
            blocks.append(block.Dense(neuron(random), width, int(n), weight_scale=4))
            width = int(n)
    lively(blocks)(torch.as_tensor(x))
    for each in blocks:
        if getattr(each, "delay", None) is not None:
            each.delay.delay.data = torch.as_tensor(random.uniform(0, 4, each.delay.delay.shape)).float()
    return blocks, x


pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")


def test_torch_the_rule_and_the_engine_agree():
    exact(network, 0, 5, ("engine", "reference"))


@pytest.mark.slow
def test_they_agree_on_many_networks():
    exact(network, 1000, 40, ("engine", "reference"))


@pytest.mark.lava
def test_lava_agrees():
    exact(network, 100, 3, ("lava",))


@pytest.mark.slow
@pytest.mark.lava
def test_lava_agrees_on_many_networks():
    exact(network, 2000, 20, ("lava",))


def test_a_file_gives_back_its_convolutions(tmp_path):
    for seed in range(5):
        blocks, x = network(seed)
        net = record(blocks, sample=x)
        netx.write(net, tmp_path / "net.net")
        assert netx.load(tmp_path / "net.net") == net
        assert any(isinstance(layer.synapse, Conv) for layer in net.layers)


def other(family, seed):
    """A convolution of another family, with a dense block behind it, and their input."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    blocks, params = of_family(random, family)
    conv = blocks.Conv(params, 2, 4, 3, stride=(2, 1), padding=1, weight_scale=4, delay=True, groups=1 + seed % 2)
    net = torch.nn.Sequential(conv, blocks.Flatten(), blocks.Dense(params, 4 * 3 * 4, 5, weight_scale=4))
    x = spikes(random, 3, 2, 5, 4, 20)
    lively(net)(torch.as_tensor(x))
    return net, x


@pytest.mark.parametrize("family", ["alif", "rf", "rf_iz", "adrf", "adrf_iz"])
def test_other_families_convolve(family):
    fired = 0
    for seed in range(4):
        verdict = verify(*other(family, seed), backends=("engine",))
        assert verdict.exact, str(verdict)
        fired += busy(verdict)
    assert fired >= 2


@pytest.mark.lava
@pytest.mark.parametrize("family", ["alif", "rf"])
def test_other_families_convolve_on_lava(family):
    verdict = verify(*other(family, 1), backends=("lava",))
    assert busy(verdict), str(verdict)


@pytest.mark.lava
def test_more_groups_than_lavas_process_can_count_are_exact():
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    params = {"threshold": 0.3, "current_decay": 0.5, "voltage_decay": 0.1}
    blocks = torch.nn.Sequential(
        block.Conv(params, 130, 130, 3, padding=1, groups=130, weight_scale=4), block.Conv(params, 130, 2, 2)
    )
    x = spikes(random, 2, 130, 3, 4, 6)

    verdict = verify(lively(blocks), x, backends=("engine", "lava"))

    assert busy(verdict), str(verdict)


def test_dense_blocks_on_images_are_what_torch_makes_of_them():
    """A kernel of one pixel sees each pixel by itself; one for whole images sees them flattened."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    params = {"threshold": 0.3, "current_decay": 0.5, "voltage_decay": 0.1}
    x = spikes(random, 3, 2, 4, 5, STEPS)
    pixels, whole, first = (
        torch.nn.Sequential(block.Dense(params, 2, 3, weight_scale=4), block.Conv(params, 3, 2, 2, weight_scale=4)),
        torch.nn.Sequential(
            block.Dense(params, (5, 4, 2), 7, weight_scale=4), block.Dense(params, 7, 4, weight_scale=4)
        ),
        torch.nn.Sequential(block.Flatten(), block.Dense(params, 40, 7, weight_scale=4)),
    )
    for blocks in (pixels, whole, first):
        verdict = verify(lively(blocks), x, backends=("engine",))
        assert busy(verdict), str(verdict)
    assert record(pixels, sample=x).layers[0].synapse.out_shape == (3, 4, 5)
    with pytest.raises(
        UnsupportedError, match=r"layer 'cuba1': in_neurons: the weights are for images of .*\(2, 4, 5\), "
    ):
        record(whole, sample=x.transpose(0, 1, 3, 2, 4))


class Reversed(torch.nn.Module):
    """Calls its blocks from the last to the first, with something between them."""

    def __init__(self, blocks, between=lambda x: x):
        super().__init__()
        self.blocks = torch.nn.ModuleList(blocks)
        self.between = between

    def forward(self, x):
        for each in reversed(self.blocks):
            x = self.between(each(x))
        return x


def dense(n_in, n_out):
    return block.Dense({"threshold": 0.3, "current_decay": 0.5, "voltage_decay": 0.1}, n_in, n_out, weight_scale=4)


def test_the_order_is_that_of_the_calls():
    torch.manual_seed(1)
    x = spikes(np.random.default_rng(0), 3, 6, 25)
    module = lively(Reversed([dense(5, 4), dense(6, 5)], torch.nn.Dropout(0.5)))

    verdict = verify(module, x, backends=("engine",))

    assert busy(verdict), str(verdict)
    assert [layer.num_inputs for layer in record(module, sample=x).layers] == [6, 5]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (lambda: Reversed([dense(6, 6), dense(6, 6)], lambda x: 1 - x),
         r"test_slayer_conv.py:\d+: rsub stands between 'blocks.1' and 'blocks.0'; it joins spikes with a constant"),
        (lambda: torch.nn.Sequential(torch.nn.ReLU()), "Sequential calls no block"),
        (lambda: block.Conv({"threshold": 1, "current_decay": 1, "voltage_decay": 1}, 6, 1, 3),
         r"layer 'cuba1': a convolution takes images of \(channels, rows, columns\), but \(6,\) arrives"),
    ],
)  # fmt: skip
def test_what_does_not_follow_is_refused(module, words):
    with pytest.raises(UnsupportedError, match=words):
        record(module(), sample=spikes(np.random.default_rng(0), 1, 6, 9))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernel_size": 9}, r"layer 'cuba1': Conv weight: a kernel of \(9, 9\) is larger than images of \(7, 7\)"),
        ({"dilation": 200}, r"layer 'cuba1': Conv dilation\[0\] = 200 is not a whole number in 1..127"),
    ],
)
def test_convolutions_that_lava_cannot_hold_are_refused(changes, words):
    params = {"threshold": 1, "current_decay": 1, "voltage_decay": 1}
    conv = block.Conv(params, **{"in_features": 1, "out_features": 1, "kernel_size": 1, **changes})
    with pytest.raises(UnsupportedError, match=words):
        record(conv, sample=np.zeros((1, 1, 7, 7, 5)))
    with pytest.raises(UnsupportedError, match=r"layer 'cuba1': the size of its images is unknown. Pass sample="):
        record(conv, steps=5)
