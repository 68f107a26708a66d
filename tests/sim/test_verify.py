"""verify: torch, the contract and Lava on one network, and what it says when the file was altered."""

import dataclasses

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.slayer import export_netx, record
from spikeproof.lava_procs import compat
from spikeproof.sim import reference
from spikeproof.sim.simulate import encode, simulate
from spikeproof.sim.verify.verify import verify
from spikeproof.train.blocks import celif
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.runs.models import Classifier


@pytest.fixture
def module():
    torch.manual_seed(1)
    return Classifier(1, (10, 12), 3, 16).eval()


@pytest.fixture
def x():
    return np.random.default_rng(0).random((4, 1, 16), dtype=np.float32)


@pytest.mark.lava
def test_a_module_is_exact_on_the_contract_and_on_lava(module, x):
    verdict = verify(module, x)

    assert verdict.exact, str(verdict)
    assert [comparison.backends for comparison in verdict.comparisons] == [("torch", "engine"), ("torch", "lava")]
    assert verdict.comparisons[1].registers_compared == 4 * 16 * (3 * 10 + 3 * 12 + 3)
    torch_scores = module(torch.as_tensor(x)).detach()
    assert np.array_equal(verdict.answers["lava"].predictions, torch_scores.argmax(-1).numpy())
    scores = verdict.answers["lava"].output * module.blocks[-1].unit / 16
    assert np.array_equal(scores.astype(np.float32), torch_scores.numpy())


@pytest.mark.lava
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
def test_stock_slayer_blocks_mix_with_ours_and_are_exact(x):
    compat.apply()
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    torch.manual_seed(3)
    encoding = celif.TemporalEncoding(12, 20)
    params = {"threshold": 0.5, "current_decay": 0.3, "voltage_decay": 0.1}
    blocks = torch.nn.Sequential(
        celif.Dense({}, 2, 12, temporal_encoding=encoding, weight_scale=3),
        slayer.block.cuba.Dense(params, 12, 10, delay_shift=False, weight_scale=4, weight_norm=True),
        celif.Dense({"scale": 128}, 10, 6, temporal_encoding=encoding, weight_scale=3),
        slayer.block.cuba.Dense(params, 6, 5, delay_shift=False, weight_scale=8),
    )
    spikes = np.random.default_rng(0).integers(0, 2, (3, 2, 20))

    verdict = verify(blocks, spikes)

    assert verdict.exact, str(verdict)
    assert verdict.comparisons[1].silent == ()
    blocks[3].register_forward_hook(lambda block, args, output: output * 1.2)
    verdict = verify(blocks, spikes, backends=("engine",))
    assert verdict.whole and [one.words for one in verdict.host.after] == ["multiply"]


def flip(net, layer, neuron, source, bit):
    """The network with one bit of one weight flipped."""
    weight = net.layers[layer].synapse.weight.copy()
    weight[neuron, source] ^= 1 << bit
    layers = list(net.layers)
    layers[layer] = dataclasses.replace(layers[layer], synapse=Dense(weight=weight))
    return dataclasses.replace(net, layers=tuple(layers))


@pytest.mark.parametrize("bit", range(1, 7))
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_flipped_weight_bit_is_located(module, x, tmp_path, bit, layer):
    net = record(module, sample=x)
    altered = flip(net, layer, neuron=2, source=0, bit=bit)
    netx.write(altered, tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net", backends=("reference",))

    assert not verdict.exact
    name = net.layers[layer].name
    weights = net.layers[layer].synapse.weight[2, 0], altered.layers[layer].synapse.weight[2, 0]
    assert f"layer {name!r}, neuron 2, synapse.weight[2, 0]: trained {weights[0]}, file {weights[1]}" in str(verdict)
    first = verdict.comparisons[0].first
    assert (first.layer, first.neuron) == (name, 2)
    sums = [
        reference.run(one, encode(one, x)).layers[name]["v"][first.sample, 2, : first.step + 1]
        for one in (net, altered)
    ]
    assert (sums[0][:-1] == sums[1][:-1]).all() and sums[0][-1] != sums[1][-1]


@pytest.mark.lava
def test_a_flipped_weight_bit_is_located_on_lava_too(module, x, tmp_path):
    netx.write(flip(record(module, sample=x), 1, neuron=4, source=0, bit=4), tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net")

    assert verdict.comparisons[1].backends == ("torch", "lava")
    assert (verdict.comparisons[1].first.layer, verdict.comparisons[1].first.neuron) == ("celif2", 4)
    assert verdict.comparisons[1].first == dataclasses.replace(
        verdict.comparisons[0].first,
        registers={
            "torch": verdict.comparisons[0].first.registers["torch"],
            "lava": verdict.comparisons[0].first.registers["engine"],
        },
    )


def test_any_other_alteration_is_named(module, x, tmp_path):
    net = record(module, sample=x)
    te = net.te.copy()
    te[3, 1] += 1
    neuron = dataclasses.replace(net.layers[1].neuron, th_decay=42)
    layer = dataclasses.replace(net.layers[1], neuron=neuron)
    netx.write(dataclasses.replace(net, te=te, layers=(net.layers[0], layer, net.layers[2])), tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net", backends=("reference",))

    assert "layer 'celif2', neuron 0, neuron.th_decay[0]: trained 41, file 42 (and 12 more)" in str(verdict)
    assert verdict.as_dict()["altered"][-1]["where"] == "te[3, 1]"
    assert not verdict.exact


def test_a_file_of_another_architecture_is_not_run(module, x, tmp_path):
    export_netx(Classifier(1, (10, 11), 3, 16), tmp_path / "net.net", sample=x)

    verdict = verify(module, x, file=tmp_path / "net.net")

    assert not verdict.exact and verdict.comparisons == ()
    assert "the file is not the trained network" in str(verdict)


def test_a_hook_that_changes_the_output_is_found(module, x):
    module.blocks[0].register_forward_hook(lambda block, args, output: output * 0)

    with pytest.raises(UnsupportedError, match=r"nothing but zeros arrives at 'blocks\.1'.*multiplies all spikes by 0"):
        verify(module, x, backends=("reference",))


def test_a_synapse_that_draws_is_found(module, x):
    synapse = module.blocks[0].synapse
    synapse.register_forward_hook(lambda synapse, args, output: output + torch.rand_like(output).round())

    with pytest.raises(UnsupportedError, match="layer 'celif1': the module's forward pass and its registers disagree"):
        verify(module, x, backends=("reference",))


def test_a_hook_that_makes_spikes_uneven_is_found_without_registers_too(module, x):
    module.blocks[1].register_forward_hook(lambda block, args, output: output * 1.2)

    with pytest.raises(UnsupportedError, match=r"test_verify.py:\d+ .*spikes arrive times 1.2 between 'blocks.1' and"):
        verify(module, x, backends=("engine",), registers=False)


def test_a_silent_network_is_not_exact(module):
    with torch.no_grad():
        for block in module.blocks:
            block.synapse.weight.zero_()
            block.synapse.bias.fill_(-1)

    verdict = verify(module, np.zeros((2, 1, 16), np.float32), backends=("reference",))

    assert not verdict.exact
    assert "NOTHING FIRED" in str(verdict)


def test_a_saturating_readout_is_compared_like_any_register(x):
    torch.manual_seed(0)
    encoding = celif.TemporalEncoding(4, 16)
    first = celif.Dense({}, 1, 4, temporal_encoding=encoding, input_exp=-6, weight_scale=4)
    module = torch.nn.Sequential(first, Readout(4, 2, a_shift=18, weight_scale=8))

    verdict = verify(module, x, backends=("reference",))
    assert verify(module, x, backends=("engine",), registers=False).exact

    assert verdict.exact
    assert np.abs(verdict.traces[0].layers["readout2"]["v"]).max() == 2**23 - 1


@pytest.mark.lava
@pytest.mark.parametrize("read", ["last", "every"])
def test_a_readout_without_memory_is_exact(x, read):
    torch.manual_seed(0)
    encoding = celif.TemporalEncoding(9, 16)
    first = celif.Dense({}, 1, 9, temporal_encoding=encoding, input_exp=-6, weight_scale=4)
    module = torch.nn.Sequential(first, Readout(9, 2, read=read))

    verdict = verify(module, x)

    assert verdict.exact, str(verdict)
    quick = verify(module, x, backends=("engine",), registers=False).comparisons[0]
    assert quick.exact and quick.registers_compared == 4 * 2 * 16


@pytest.mark.lava
def test_lava_vouches_for_a_share_and_the_engine_for_all(module, x, monkeypatch):
    many = np.concatenate([x, 1 - x, x[::-1]])
    monkeypatch.setattr(
        "spikeproof.sim.verify.pairing._CHUNK_BYTES", 5 * 4 * 16 * (4 * 10 + 4 * 12 + 3)
    )  # five samples at once
    seen = []

    verdict = verify(module, many, lava_samples=3, seed=5, progress=lambda *now: seen.append(now))

    engine, lava = verdict.comparisons
    assert verdict.exact and (engine.num_samples, lava.num_samples) == (12, 3)
    assert engine.spikes_compared == 12 * 16 * 22
    assert seen[:3] == [("samples of engine", 5, 12), ("samples of engine", 10, 12), ("samples of engine", 12, 12)]
    chosen = verdict.answers["lava"].samples
    assert len(set(chosen.tolist())) == 3
    assert np.array_equal(verdict.answers["torch"].output[chosen], verdict.answers["lava"].output)


def test_without_registers_every_spike_and_answer_is_still_compared(module, x):
    verdict = verify(module, x, backends=("engine", "reference"), registers=False)

    assert verdict.exact
    for comparison in verdict.comparisons:
        assert comparison.spikes_compared == 4 * 16 * 22 and comparison.spikes_fired > 0
        assert comparison.registers_compared == 4 * 3  # what the read-out holds in the end
    assert "theta" in verdict.traces[0].layers["celif1"]  # pictures have registers all the same
    whole = verify(module, x, backends=("engine",))
    assert np.array_equal(verdict.answers["torch"].output, whole.answers["torch"].output)


def test_without_registers_a_fault_is_located_and_diagnosed_from_registers(module, x, tmp_path):
    many = np.concatenate([np.zeros_like(x), x])
    net = record(module, sample=x)
    neuron = dataclasses.replace(net.layers[1].neuron, v_th_mant=net.layers[1].neuron.v_th_mant // 2)
    layers = (net.layers[0], dataclasses.replace(net.layers[1], neuron=neuron), net.layers[2])
    netx.write(dataclasses.replace(net, layers=layers), tmp_path / "net.net")

    verdict = verify(module, many, file=tmp_path / "net.net", backends=("engine",), registers=False)

    first, why = verdict.comparisons[0].first, verdict.diagnoses[0]
    assert not verdict.exact and first.layer == why.layer == "celif2" and first.sample == why.sample
    assert "theta" in first.registers["torch"] or "theta" in why.around[0][1]


def test_a_mismatch_in_a_later_chunk_keeps_its_sample_number(module, x, tmp_path, monkeypatch):
    many = np.concatenate([np.zeros_like(x), x])  # the flipped weight sees no input in the first four samples
    netx.write(flip(record(module, sample=x), 0, neuron=2, source=0, bit=5), tmp_path / "net.net")
    monkeypatch.setattr("spikeproof.sim.verify.pairing._CHUNK_BYTES", 1)

    verdict = verify(module, many, file=tmp_path / "net.net", backends=("engine",))

    assert verdict.comparisons[0].first.sample == 4
    assert verdict.comparisons[0].num_samples == 8


def test_bad_requests_are_refused(module, x):
    net = record(module, sample=x)
    with pytest.raises(InputError, match=r"Input has shape \(4, 1, 15\); expected \(samples, 1 channel, 16 steps\)"):
        verify(net, x[..., :15])
    with pytest.raises(InputError, match=r"The module does not take input of shape \(2, 2, 16\): "):
        verify(module, np.zeros((4, 2, 16)))
    with pytest.raises(InputError, match="Input has shape"):
        simulate(net, x[:0], backend="reference")
    with pytest.raises(InputError, match="Unknown backend 'chip'; known are engine, reference, lava"):
        verify(net, x, backends=("chip",))
    with pytest.raises(InputError, match="Unknown backend 'chip'"):
        simulate(net, x, backend="chip")
    with pytest.raises(InputError, match="A comparison needs two sides"):
        verify(net, x, backends=("reference",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lava_samples": 0}, "lava_samples=0: Lava compares at least one sample"),
        ({"lava_samples": -1}, "lava_samples=-1"),
        ({"lava_samples": "all"}, "lava_samples='all': Lava compares at least one sample"),
        ({"seed": -1}, "seed=-1: a seed is a whole number from 0 on"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"backends": "engine"}, r"backends='engine' is no sequence of names. Give \('engine', 'lava'\)"),
        ({"backends": None}, "backends=None is no sequence"),
    ],
)
def test_numbers_that_are_none_are_refused(module, x, options, words):
    with pytest.raises(InputError, match=words):
        verify(module, x, **options)
