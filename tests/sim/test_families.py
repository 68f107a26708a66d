"""Networks of SLAYER's neuron families: torch, the engine and Lava, and the file between them, over streamed samples."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from slayer_ranges import NEURONS

from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.slayer import export_netx, record
from spikeproof.lava_procs import compat
from spikeproof.sim.verify.verify import verify

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

STEPS, SAMPLES = 30, 3
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it

GRADED = tuple(f"{family} graded" for family in NEURONS if family != "sigma_delta")
KINDS = (*NEURONS, *GRADED)


def drawn(family, random, **options):
    """Parameters of one block: one value for all neurons, or a range that SLAYER draws each neuron's from."""
    shared = bool(random.integers(2))
    params = {}
    for name, value in NEURONS[family].items():
        if isinstance(value, float):
            params[name] = value * random.choice([0.5, 1.0])
        elif not isinstance(value, tuple):
            params[name] = value
        elif shared:
            params[name] = random.uniform(*value)
        else:
            params[name] = tuple(sorted(random.uniform(*value, 2)))
    return {**params, "shared_param": shared, "scale": int(random.choice([32, 64, 64, 128])), **options}


def network(kind, seed, **options):
    """A network of two or three dense blocks of one kind, and input that makes all of them fire."""
    return chain([kind] * int(np.random.default_rng(seed).integers(2, 4)), seed, **options)


def chain(kinds, seed, **options):
    """A network of dense blocks of these kinds, and input that makes all of them fire."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    widths = random.integers(5, 14, len(kinds) + 1)
    blocks = torch.nn.Sequential()
    for kind, (inputs, outputs) in zip(kinds, itertools.pairwise(widths), strict=True):
        family, _, graded = kind.partition(" ")
        norm = bool(random.integers(2))
        mask = None if norm else torch.tensor(random.random((outputs, inputs)) < 0.8).float()
        params = drawn(family, random, **options) | ({"graded_spike": True} if graded else {})
        block = getattr(slayer.block, family).Dense(
            params, int(inputs), int(outputs), delay_shift=bool(random.integers(2)), weight_norm=norm, mask=mask,
            weight_scale=1.5 if family == "sigma_delta" else 0.7 if graded and len(blocks) else 5,
        )  # fmt: skip
        blocks.append(block.eval())
    x = (random.random((SAMPLES, widths[0], STEPS)) < 0.4).astype(np.float32)
    if family == "sigma_delta":
        unit = blocks[0].neuron.s_scale
        x = (x * np.round(random.normal(0, 0.5, x.shape) * unit) / unit).astype(np.float32)
        if random.integers(2):
            blocks.append(slayer.block.sigma_delta.Output(drawn(family, random), int(widths[-1]), 4).eval())
    blocks(torch.tensor(x))  # draws each neuron's parameters
    return blocks, x


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("family", KINDS)
def test_torch_and_the_engine_are_exact(family, seed, tmp_path):
    module, x = network(family, seed)
    net = export_netx(module, tmp_path / "net.net", steps=STEPS)

    assert netx.load(tmp_path / "net.net") == net
    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine",))

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[0].silent == ()


def images(family, seed):
    """A network of convolutions of a family with a dense block behind them, and images."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    block = getattr(slayer.block, family)

    def shared():
        return {name: sum(value) / 2 if isinstance(value, tuple) else value for name, value in NEURONS[family].items()}

    module = torch.nn.Sequential(
        block.Conv(shared(), 2, 4, 3, weight_scale=4, padding=1),
        block.Conv(shared(), 4, 3, 3, stride=2, weight_scale=4),
        block.Flatten(),
        block.Dense(drawn(family, random), 3 * 2 * 2, 5, weight_scale=4),
    ).eval()
    x = (random.random((SAMPLES, 2, 6, 6, STEPS)) < 0.4).astype(np.float32)
    if family == "sigma_delta":
        unit = module[0].neuron.s_scale
        x = (x * np.round(random.normal(0, 0.2, x.shape) * unit) / unit).astype(np.float32)
    module(torch.tensor(x))
    return module, x


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("family", NEURONS)
def test_convolutions_are_exact_in_torch_and_the_engine(family, seed):
    module, x = images(family, seed)

    verdict = verify(module, x, backends=("engine",))

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[0].silent == ()


@pytest.mark.lava
@pytest.mark.parametrize("family", ["sigma_delta", pytest.param("adrf", marks=pytest.mark.slow)])
def test_convolutions_are_exact_on_lava(family):
    module, x = images(family, 0)

    verdict = verify(module, x, backends=("lava",))

    assert verdict.exact, str(verdict)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        (0, ("cuba", "rf", "alif", "adrf", "adrf_iz", "rf_iz")),
        (1, ("cuba graded", "alif graded", "rf graded", "rf_iz graded", "adrf graded", "adrf_iz graded")),
        (2, ("sigma_delta", "sigma_delta", "sigma_delta")),
        (3, ("sigma_delta", "cuba", "sigma_delta")),
    ],
)
def test_lava_is_exact(seed, kinds):
    module, x = chain(kinds, seed)

    verdict = verify(module, x, backends=("engine", "lava"))

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[1].silent == ()


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("seed", [*range(5), *range(210, 225)])
@pytest.mark.parametrize("family", KINDS)
def test_many_networks_are_exact_on_lava(family, seed):
    module, x = network(family, seed)

    verdict = verify(module, x, backends=("lava",))

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[0].silent == ()


def test_a_wrong_threshold_step_is_found_in_the_step_after_the_first_spike(tmp_path):
    module, x = network("alif", 1)
    net = record(module, steps=STEPS)
    first = net.layers[0]
    wrong = dataclasses.replace(first, neuron=dataclasses.replace(first.neuron, v_th_step=first.neuron.v_th_step + 1))
    netx.write(dataclasses.replace(net, layers=(wrong, *net.layers[1:])), tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine",))

    mismatch, trace = verdict.comparisons[0].first, verdict.traces[0].layers[first.name]
    assert not verdict.exact and (mismatch.layer, mismatch.variables) == (first.name, ("theta",))
    assert trace["s"][mismatch.sample, mismatch.neuron, mismatch.step - 1] == 1


@pytest.mark.parametrize("family", KINDS)
def test_a_weight_that_was_changed_is_found(family, tmp_path):
    module, x = network(family, 3)
    net = record(module, steps=STEPS)
    last = net.layers[-1]
    weight = last.synapse.weight.copy()
    weight[-1] += 20 * (weight[-1] < 200)
    wrong = dataclasses.replace(last, synapse=Dense(weight=weight))
    netx.write(dataclasses.replace(net, layers=(*net.layers[:-1], wrong)), tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine",))

    first = verdict.comparisons[0].first
    assert not verdict.exact and (first.layer, first.neuron) == (last.name, last.num_neurons - 1)


@pytest.mark.lava
@pytest.mark.parametrize("family", ["rf", "rf_iz"])
def test_decays_that_netx_would_change_are_exact_on_lava(family):
    """Through a period and a decay and back, stock NetX and Lava's RF make other integers of these."""
    pairs = np.array([(1, 4000), (2000, 3000), (1234, 3800), (3000, 1500), (77, 4094), (2896, 2895)])
    kept, angle = np.hypot(*pairs.T) / 4096, np.arctan2(*pairs.T)
    period = 2 * np.pi / angle  # as netx.hdf5 and proc.rf.process compute them
    again = np.stack([(kept * f(np.pi * 2 * 1 / period) * 4096).astype(np.int32) for f in (np.sin, np.cos)], axis=1)
    pairs = pairs[(again != pairs).any(1)]
    assert len(pairs) > 2
    module, x = network(family, 5)
    for block in module:
        chosen = pairs[np.arange(block.neuron.shape[0]) % len(pairs)]
        block.neuron.sin_decay.data, block.neuron.cos_decay.data = torch.tensor(chosen.T, dtype=torch.float32)

    verdict = verify(module, x, backends=("lava",))

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[0].silent == ()


def test_input_between_two_payloads_is_refused():
    module, x = network("sigma_delta", 1)
    x[1, 2, 3] = 0.1

    with pytest.raises(InputError, match=r"Input\[1, 2, 3\] = 0.1.* is not a multiple of 2\*\*-1"):
        verify(module, x, backends=("engine",))


def test_graded_input_into_a_stock_block_is_exact():
    module, x = network("cuba", 2)
    x = np.random.default_rng(0).integers(-40, 60, x.shape) / 32

    verdict = verify(module, x, input=Input(num_channels=1, bits=6, exp=-5), backends=("engine",))

    assert verdict.exact, str(verdict)
