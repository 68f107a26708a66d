"""CPG encodings in torch: the contract's spikes, gradients that reach the weights, and records that are exact."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError, RecordError, UnsupportedError
from spikeproof.contract.sources import raster
from spikeproof.contract.sources.phase import Phase
from spikeproof.export.slayer import blocks, record
from spikeproof.lava_procs import compat
from spikeproof.sim.verify.verify import verify
from spikeproof.train import cpg
from spikeproof.train.blocks import celif
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.runs.models import Classifier


@pytest.mark.parametrize("mode", ["phase", "coupled"])
@pytest.mark.parametrize("num_neurons", [1, 5, 40])
def test_torch_spikes_are_the_contracts_over_20_000_steps(mode, num_neurons):
    encoding = cpg.Encoding(num_neurons, w_max=1000.0, mode=mode)

    spikes = encoding(20_000)

    assert spikes.shape == (num_neurons, 20_000)
    assert np.array_equal(spikes.T, raster(encoding.record(), 20_000))
    assert torch.equal(encoding(100), spikes[:, :100])


def test_spikes_are_those_of_the_paper():
    spikes = cpg.Encoding(10)(3)

    assert ["".join(str(int(bit)) for bit in column) for column in spikes.T] == [
        "0101010101",
        "1001010101",
        "1001010101",
    ]
    assert cpg.position(2, 3, 12) == 27  # p = t_s * L + l


def test_a_designed_code_is_an_encoding():
    encoding = cpg.Encoding(params=cpg.design(64).params)

    codes = {tuple(column) for column in encoding(64).T.tolist()}
    assert encoding.num_neurons == 6 and len(codes) == 64


def test_concat_puts_the_spikes_beside_the_input_for_every_sample():
    encoding = cpg.Encoding(4, w_max=20.0)
    x = torch.rand(3, 2, 9)

    both = cpg.concat(x, encoding)

    assert torch.equal(both[:, :2], x)
    assert torch.equal(both[:, 2:], encoding(9).expand(3, 4, 9))
    assert torch.equal(cpg.Concat(encoding)(x), both)


def test_cpg_linear_is_one_weight_matrix_over_input_and_code():
    torch.manual_seed(0)
    encoding, te = cpg.Encoding(4, w_max=20.0), celif.TemporalEncoding(6, 9)
    block = cpg.Dense({}, 2, 6, cpg=encoding, temporal_encoding=te, input_exp=-6)

    net = record(torch.nn.Sequential(block, Readout(6, 3)))

    assert net.layers[0].cpg == encoding.params
    assert net.layers[0].synapse.weight.shape == (6, 2 + 4)
    assert net.input.num_channels == net.layers[0].num_inputs == 2
    assert net.cpg_payload(0) == 64  # a CPG spike is 1.0 beside graded input


@pytest.mark.lava
@pytest.mark.parametrize("options", [{"cpg": 8}, {"cpg_te": 9}, {"cpg": 5, "cpg_te": 12}])
def test_trained_networks_with_oscillators_are_exact(options):
    torch.manual_seed(0)
    module = Classifier(1, (14, 16), 3, 24, **options)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    x = torch.rand(12, 1, 24)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(module(x), torch.arange(12) % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    verdict = verify(module, x[:3].numpy())

    assert all(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))
    assert verdict.exact, str(verdict)


@pytest.mark.lava
def test_stock_slayer_blocks_take_a_cpg_too():
    compat.apply()
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    torch.manual_seed(0)
    params = {"threshold": 0.5, "current_decay": 0.3, "voltage_decay": 0.1}
    module = torch.nn.Sequential(
        cpg.Concat(cpg.Encoding(6, w_max=30.0)),
        slayer.block.cuba.Dense(params, 2 + 6, 10, delay_shift=False, weight_scale=3),
        cpg.Concat(cpg.Encoding(5, w_max=30.0, mode="coupled")),
        slayer.block.cuba.Dense(params, 10 + 5, 4, delay_shift=False, weight_scale=3),
    )
    spikes = np.random.default_rng(0).integers(0, 2, (3, 2, 20))

    verdict = verify(module, spikes)

    assert verdict.exact and verdict.comparisons[1].silent == (), str(verdict)


def test_a_driven_encoding_is_its_record_and_gets_gradients():
    torch.manual_seed(0)
    driven = cpg.DrivenEncoding(5, cpg.Encoding(6, w_max=20.0), te_exp=9, std=0.3)
    te = driven(4, 30).detach()

    assert np.array_equal(te * 512, driven.record().rows(30).T[:4])
    assert te.abs().max() == 0.25  # clipped to 8 bits
    driven(4, 30).sum().backward()
    assert (driven.weight.grad[:4] != 0).any() and (driven.weight.grad[4:] == 0).all()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: cpg.Encoding(0), RecordError, "num_neurons = 0"),
        (lambda: cpg.Encoding(4, threshold=1.0), RecordError, "threshold = 1"),
        (
            lambda: cpg.Concat(cpg.Encoding(4))(torch.zeros(2, 3, 5, 5, 9)),
            InputError,
            r"shape \(2, 3, 5, 5, 9\) is not \(samples, channels, steps\).*beside dense blocks",
        ),
        (lambda: cpg.Encoding(4, mode="hopf"), UnsupportedError, "mode = 'hopf' is unknown; known are phase, coupled"),
        (
            lambda: Phase(num_neurons=1, increment=2**23 + 1, start=0, length=1),
            RecordError,
            "increment",
        ),
        (
            lambda: blocks(torch.nn.Sequential(cpg.Concat(cpg.Encoding(3)))),
            UnsupportedError,
            "ends in a Concat|holds no",
        ),
        (
            lambda: blocks(torch.nn.Sequential(*(cpg.Concat(cpg.Encoding(3)) for _ in range(2)))),
            UnsupportedError,
            "Two Concat modules follow each other",
        ),
    ],
)
def test_bad_oscillators_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
