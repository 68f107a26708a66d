"""Input blocks with neurons, affine blocks with dynamics and constants in sums: torch and the simulations agree."""

import numpy as np
import pytest
import torch
from slayer_nets import block, busy, lively, of_family, slayer, spikes

from spikeproof.contract.errors import InputError
from spikeproof.contract.neurons.delta import Delta
from spikeproof.contract.neurons.leaky_integrator import LeakyIntegrator
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export import netx
from spikeproof.sim.verify.verify import verify

PARAMS = {"threshold": 0.6, "current_decay": 0.5, "voltage_decay": 0.2}
ENCODER = {"threshold": 0.2, "activation": torch.nn.functional.relu}
MEAN, SCALE = slayer.neuron.norm.MeanOnlyBatchNorm, slayer.neuron.norm.WgtScaleBatchNorm


def analog(seed, *shape):
    """Values that an input block rounds, some of them half way between two of its steps."""
    values = np.random.default_rng(seed).normal(0, 0.8, shape).clip(-3.9, 3.9)
    values[..., ::3] = np.round(values[..., ::3] * 64) / 64
    return values.astype(np.float32)


INPUTS = {
    "cuba": lambda: (block.Input(PARAMS), block.Dense(PARAMS, 6, 4, weight_scale=5)),
    "cuba, weight and bias": lambda: (
        block.Input(PARAMS, weight=1.3, bias=0.21, delay_shift=False), block.Dense(PARAMS, 6, 4, weight_scale=5)),
    "alif": lambda: _alif(),
    "sigma_delta": lambda: _encoder(weight=-0.7, bias=0.3),
    "sigma_delta, as it is": lambda: _encoder(delay_shift=True),
}  # fmt: skip


def _alif():
    blocks, params = of_family(np.random.default_rng(0), "alif")
    params |= {"threshold": 0.3, "current_decay": 0.5, "voltage_decay": 0.2}
    return blocks.Input(params, bias=0.1), blocks.Dense(params, 6, 4, weight_scale=5)


def _encoder(**options):
    blocks = slayer.block.sigma_delta
    return blocks.Input(ENCODER, **options), blocks.Dense(ENCODER, 6, 4, weight_scale=2), blocks.Output(ENCODER, 4, 3)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_with_a_neuron_is_a_first_layer(name, tmp_path):
    torch.manual_seed(1)
    blocks, x = lively(torch.nn.Sequential(*INPUTS[name]())), analog(1, 3, 6, 20)
    blocks(torch.as_tensor(x))

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert (verdict.net.input.bits, verdict.net.input.exp) == (7, -5)
    assert (verdict.net.layers[0].cpg is not None) == (blocks[0].bias is not None)
    assert isinstance(verdict.net.layers[0].neuron, Delta) == name.startswith("sigma_delta")
    netx.write(verdict.net, tmp_path / "net.net")
    assert netx.load(tmp_path / "net.net") == verdict.net


@pytest.mark.parametrize("bias", [None, 0.2])
def test_an_input_of_images_is_a_convolution_of_one_pixel_or_a_map(bias):
    torch.manual_seed(0)
    blocks = torch.nn.Sequential(
        block.Input(PARAMS, weight=1.5, bias=bias),
        block.Conv(PARAMS, 2, 3, 2, weight_scale=5),
    )
    x = analog(0, 2, 2, 3, 4, 15)

    verdict = verify(lively(blocks), x, backends=("engine",))

    assert busy(verdict), str(verdict)
    assert isinstance(verdict.net.layers[0].synapse, Conv) == (bias is None)


def test_what_an_input_block_would_clip_is_refused():
    x = analog(0, 1, 6, 4)
    x[0, 2, 3] = 4.1

    with pytest.raises(InputError, match=r"Input\[0, 2, 3\] = 4\.0999.*must lie in -127\.\.127"):
        verify(torch.nn.Sequential(*INPUTS["cuba"]()).eval(), x, backends=("engine",))


def affine(norm=None, seed=0):
    """A dense block and an affine one with dynamics, and their input."""
    torch.manual_seed(seed)
    first = block.Dense(PARAMS, 5, 6, weight_scale=5)
    last = block.Affine(PARAMS | {"norm": norm}, 6, 3, weight_scale=20, weight_norm=norm is None)
    blocks, x = lively(torch.nn.Sequential(first, last)), spikes(np.random.default_rng(seed), 3, 5, 20)
    if norm is not None:
        last.neuron.norm.running_mean.fill_(-0.4)
        if norm is SCALE:
            last.neuron.norm.running_var.fill_(3.0)
    return blocks, x


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", [None, MEAN, SCALE])
def test_an_affine_block_with_dynamics_is_a_membrane(norm, tmp_path):
    blocks, x = affine(norm)

    verdict = verify(blocks, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert isinstance(verdict.net.layers[1].neuron, LeakyIntegrator)
    v = verdict.traces[1].layers["cuba2"]["v"]
    assert np.array_equal(v / 4096, blocks(torch.as_tensor(x)).detach().numpy()) and v.any()
    assert v.max() > 0.6 * 4096  # a CUBA neuron would have fired
    assert verify(blocks, x, backends=("engine",), registers=False).exact
    netx.write(verdict.net, tmp_path / "net.net")
    assert netx.load(tmp_path / "net.net") == verdict.net


DIVIDING = ("alif", "rf", "rf_iz", "adrf", "adrf_iz")
CASES = [(family, SCALE) for family in DIVIDING] + [(family, MEAN) for family in (*DIVIDING, "sigma_delta", "cuba")]


def normalised(family, norm, seed):
    """Blocks of a family with a norm, recurrent if they can be and CUBA must be, with any running means."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    blocks, params = of_family(random, family) if family != "sigma_delta" else (slayer.block.sigma_delta, dict(ENCODER))
    params |= {"threshold": 0.2, "norm": norm}
    if "current_decay" in params:
        params |= {"current_decay": 0.5, "voltage_decay": 0.2}
    dense = {"weight_scale": 2 if family == "sigma_delta" else 5}
    recurrent = family in ("alif", "cuba")
    first = (blocks.Recurrent if recurrent else blocks.Dense)(dict(params), 5, 6, **dense)
    module = lively(torch.nn.Sequential(first, blocks.Dense(params | {"persistent_state": False}, 6, 4, **dense)))
    x = spikes(random, 3, 5, 20)
    module(torch.as_tensor(x))
    for each in module:
        variance = 4.0 ** random.integers(-3, 3) * 0.9
        for name, buffer in each.named_buffers():
            if name.endswith("running_mean"):
                buffer.resize_(each.neuron.shape).uniform_(-0.8, 0.3)
            elif name.endswith("running_var"):
                buffer.fill_(variance)
    return module, x


@pytest.mark.parametrize(("family", "norm"), CASES)
def test_a_norm_is_a_constant_and_a_shift(family, norm):
    exact = 0
    for seed in range(3):
        module, x = normalised(family, norm, seed)
        verdict = verify(module, x, backends=("engine", "reference"))
        assert verdict.exact or verdict.comparisons[0].verdict == "nothing fired", f"seed {seed}: {verdict}"
        exact += busy(verdict)
        held_by_sums = family != "sigma_delta"
        assert (verdict.net.layers[0].cpg is not None) == held_by_sums
    assert exact


@pytest.mark.parametrize("family", ["alif", "rf"])
def test_a_norm_makes_all_to_all_synapses_of_a_convolution(family):
    torch.manual_seed(3)
    random = np.random.default_rng(3)
    blocks, params = of_family(random, family)
    params |= {"threshold": 0.2, "norm": MEAN} | ({"current_decay": 0.5} if family == "alif" else {})
    module = lively(
        torch.nn.Sequential(
            blocks.Conv(dict(params), 2, 3, 3, padding=1, weight_scale=4),
            blocks.Conv(dict(params), 3, 2, 2, weight_scale=4),
        )
    )
    x = spikes(random, 3, 2, 3, 4, 20)
    module(torch.as_tensor(x))
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.resize_(2 if name.startswith("1") else 3).uniform_(-0.8, 0.3)

    verdict = verify(module, x, backends=("engine", "reference"))

    assert busy(verdict), str(verdict)
    assert all(isinstance(layer.synapse, Dense) for layer in verdict.net.layers)


def on_lava(name):
    """An input block, and membranes that never fire or the rest of its kind, and analog input."""
    torch.manual_seed(2)
    blocks = INPUTS[name]()
    if name.startswith("cuba"):
        blocks += (block.Affine(PARAMS, 4, 3, weight_scale=9),)
    return lively(torch.nn.Sequential(*blocks)), analog(2, 2, 6, 15)


@pytest.mark.lava
@pytest.mark.parametrize("name", ["cuba, weight and bias", pytest.param("sigma_delta", marks=pytest.mark.slow)])
def test_lava_agrees(name):
    verdict = verify(*on_lava(name), backends=("lava",))

    assert busy(verdict), str(verdict)
