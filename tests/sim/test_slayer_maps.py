"""Pooling, its inverse, transposed convolutions, affine blocks and weight hooks: torch and the simulations agree."""

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, lively, slayer, spikes

from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.export.slayer import record
from spikeproof.sim.verify.verify import verify

PARAMS = {"threshold": 0.9, "current_decay": 0.5, "voltage_decay": 0.2}
SHAPE = (2, 4, 6)


def conv(features=3):
    return block.Conv(PARAMS, SHAPE[0], features, 3, padding=1, weight_scale=4)


def after(*blocks, seed=0):
    """A convolution with blocks behind it that fires, and its input."""
    torch.manual_seed(seed)
    x = spikes(np.random.default_rng(seed), 3, *SHAPE, 15)
    return lively(torch.nn.Sequential(conv(), *blocks)), x


POOLS = {
    "plain": ({"kernel_size": 2}, Conv),
    "columns padded": ({"kernel_size": 2, "padding": (0, 1)}, Conv),
    "oblong": ({"kernel_size": (2, 3), "weight_scale": 0.5}, Conv),
    "with a delay": ({"kernel_size": 2, "delay": True, "delay_shift": False}, Conv),
    "rows added": ({"kernel_size": (6, 2), "stride": (8, 2), "weight_scale": 0.5}, Dense),
    "windows over two channels": ({"kernel_size": (4, 2), "padding": (1, 0), "weight_scale": 0.5}, Dense),
}


@pytest.mark.parametrize("name", POOLS)
def test_a_pooling_is_a_convolution_where_it_is_one_and_a_map_where_not(name, tmp_path):
    options, kind = POOLS[name]
    blocks, x = after(block.Pool(PARAMS, **options))
    blocks(torch.as_tensor(x))  # draws delays

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert isinstance(verdict.net.layers[1].synapse, kind)
    netx.write(verdict.net, tmp_path / "net.net")
    assert netx.load(tmp_path / "net.net") == verdict.net


MAPS = {
    "Unpool": lambda: block.Unpool({**PARAMS, "threshold": 0.4}, 2, weight_scale=2),
    "Unpool with a stride": lambda: block.Unpool({**PARAMS, "threshold": 0.4}, 2, stride=(2, 3), weight_scale=2),
    "ConvT": lambda: block.ConvT(PARAMS, 3, 2, 2, stride=(2, 1), padding=(0, 1), weight_scale=4),
    "ConvT in groups": lambda: block.ConvT(PARAMS, 3, 6, (2, 3), dilation=(2, 1), groups=3, weight_scale=4),
}


@pytest.mark.parametrize("name", MAPS)
def test_unpooling_and_transposed_convolutions_are_maps(name):
    blocks, x = after(MAPS[name](), block.Flatten())

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert isinstance(verdict.net.layers[1].synapse, Dense)
    assert verdict.net.layers[1].num_neurons == np.prod(blocks[1].shape)


@pytest.mark.slow
def test_many_seeds():
    for seed in range(20):
        for make in (*MAPS.values(), lambda: block.Pool(PARAMS, 2), lambda: block.Pool(PARAMS, (4, 2), padding=(1, 0))):
            verdict = verify(*after(make(), seed=seed), backends=("engine",))
            assert verdict.comparisons[0].verdict != "mismatch", f"seed {seed}: {verdict}"


@pytest.mark.lava
def test_lava_agrees_on_pooling_and_its_inverse():
    blocks, x = after(
        block.Pool(PARAMS, 2), MAPS["Unpool"](), block.Flatten(), block.KWTA(dict(PARAMS), 72, 8, 3), block.Average(4)
    )

    verdict = verify(blocks, x, backends=("lava",))

    assert busy(verdict), str(verdict)
    assert verdict.traces[1].layers["cuba5"]["v"].any()


def test_an_affine_block_is_a_readout_of_every_step():
    blocks, x = after(block.Flatten(), block.Affine(PARAMS, 72, 4, dynamics=False, weight_scale=3))

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    put_out = blocks(torch.as_tensor(x)).detach().numpy()
    assert np.array_equal(verdict.traces[1].layers["cuba2"]["v"] / 64, put_out) and put_out.any()


@pytest.mark.parametrize("groups", [9, 8, 1])
def test_an_average_is_a_readout_of_the_sums_of_groups(groups):
    blocks, x = after(block.Average(groups))

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    v, spikes_before = (verdict.traces[1].layers[name][key] for name, key in (("cuba2", "v"), ("cuba1", "s")))
    late = spikes_before.reshape(3, groups, -1, 15).sum(2)[..., :-1]
    assert v.any() and np.array_equal(v[..., 1:], 2 * late)
    put_out = torch.as_tensor(v, dtype=torch.float32) / (2 * 72 // groups)
    assert torch.equal(put_out, blocks(torch.as_tensor(x)))


def test_an_average_that_something_changes_is_not_read_as_what_it_should_be():
    blocks, x = after(block.Average(9))
    blocks[1].register_forward_hook(lambda module, args, output: output + 1e-3)

    verdict = verify(blocks, x, backends=("engine",))

    assert verdict.whole and str(verdict.host).startswith(
        "on the host, not on the chip: after the network: add (test_slayer_maps"
    )


def test_an_input_without_a_neuron_is_nothing():
    torch.manual_seed(0)
    x = spikes(np.random.default_rng(0), 3, 5, 15)
    dense = block.Dense({**PARAMS, "threshold": 0.4}, 5, 4, weight_scale=4)
    blocks = lively(torch.nn.Sequential(block.Input(delay_shift=False), dense))

    verdict = verify(blocks, x, backends=("engine",))

    assert busy(verdict), str(verdict)
    assert [layer.name for layer in verdict.net.layers] == ["cuba1"]


def four_bits(weight, descale=False):
    return slayer.utils.quantize_hook_fx(weight, scale=64, num_bits=4, descale=descale)


def as_it_is(weight):
    return weight


def test_a_hook_is_exact_if_it_makes_8_bit_weights_and_refused_if_not():
    torch.manual_seed(0)
    x = spikes(np.random.default_rng(0), 3, 5, 15)
    dense = block.Dense({**PARAMS, "threshold": 0.2}, 5, 4, weight_scale=4, pre_hook_fx=four_bits)

    verdict = verify(lively(dense), x, backends=("engine",))

    assert busy(verdict), str(verdict)
    assert np.abs(verdict.net.layers[0].synapse.weight).max() == 2 * 2**4
    dense.synapse.pre_hook_fx = as_it_is
    with pytest.raises(
        UnsupportedError, match=r"layer 'cuba1': pre_hook_fx: .*a multiple of 0.03125 from -4 to 3.96875"
    ):
        record(dense, sample=x)
    with torch.no_grad():
        dense.synapse.weight.copy_(torch.round(dense.synapse.weight * 8) / 8)
    assert verify(dense, x, backends=("engine",)).exact
