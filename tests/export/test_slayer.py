"""Modules -> records: stock SLAYER blocks are read without being touched, or refused by name."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.net import Input
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.export.describe import describe
from spikeproof.export.slayer import export_netx, record
from spikeproof.lava_procs import compat
from spikeproof.train import cpg
from spikeproof.train.blocks import celif
from spikeproof.train.blocks.readout import Readout

compat.apply()
slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")

ADAPTIVE = {"threshold_step": 0.1, "threshold_decay": 0.1, "refractory_decay": 0.1}
RESONATE = {"threshold": 1.0, "period": 8, "decay": 0.1}
PARAMS = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.03}


def cuba(**options):
    torch.manual_seed(0)
    return slayer.block.cuba.Dense(PARAMS, 4, 3, **{"delay_shift": False, **options})


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
def test_a_stock_block_is_read_and_left_as_it_was():
    block = cuba(weight_norm=True)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    x = (torch.rand(2, 4, 9) < 0.5).float()
    spikes = block(x)

    net = record(torch.nn.Sequential(block), steps=9)

    neuron = net.layers[0].neuron
    assert isinstance(neuron, CUBA)
    assert (neuron.u_decay[0], neuron.v_decay[0], neuron.v_th_mant) == (1024, 123, 64)
    assert list(block.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())
    assert torch.equal(block(x), spikes)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
def test_a_weight_norm_is_read_as_the_next_forward_pass_computes_it():
    block = cuba(weight_norm=True, weight_scale=2)
    before = record(block, steps=9).layers[0].synapse.weight
    with torch.no_grad():
        block.synapse.weight_v.neg_()  # as a training step does: the weight itself follows in the next forward pass

    after = record(block, steps=9).layers[0].synapse.weight

    block(torch.zeros(1, 4, 9))
    assert np.array_equal(after, record(block, steps=9).layers[0].synapse.weight)
    assert np.array_equal(after, -before) and after.any()


def test_a_mask_is_in_the_record():
    mask = torch.tensor([[1, 0, 1, 0]] * 3).float()
    net = record(torch.nn.Sequential(cuba(mask=mask, weight_scale=8)), steps=9)

    weight = net.layers[0].synapse.weight
    assert (weight[:, [1, 3]] == 0).all() and (weight[:, [0, 2]] != 0).any()


def test_stock_blocks_and_ours_mix_in_one_network():
    encoding = celif.TemporalEncoding(5, 6)
    net = record(
        torch.nn.Sequential(cuba(), celif.Dense({}, 3, 5, temporal_encoding=encoding), Readout(5, 2)),
    )

    assert [layer.name for layer in net.layers] == ["cuba1", "celif2", "readout3"]
    assert net.steps == 6 and np.array_equal(net.te, encoding.record())


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
@pytest.mark.parametrize(
    ("module", "words"),
    [
        (lambda: cuba(count_log=True), "layer 'cuba1': count_log"),
        (lambda: cuba(mask=torch.ones(3, 4), weight_norm=True), "layer 'cuba1': mask: .*the mask does nothing"),
        (lambda: cuba(pre_hook_fx=lambda w, descale=False: w), "layer 'cuba1': pre_hook_fx"),
        (lambda: _with(PARAMS, norm=torch.nn.Identity), "layer 'cuba1': norm: integers can do what MeanOnlyBatchNorm"),
        (lambda: sigma_delta(norm=SCALE), "layer 'sigma_delta1': norm: sigma-delta units do not divide"),
        (lambda: _recurrent(norm=SCALE), "layer 'cuba1': norm: SLAYER's recurrent block divides"),
        (lambda: _recurrent(graded_spike=True), "layer 'cuba1': graded_spike: feedback is unary"),
        (lambda: _uneven(), "layer 'rf1': norm: real and imaginary sums are divided by different"),
        (lambda: torch.nn.Sequential(cpg.Concat(cpg.Encoding(2)), _moved("alif")), "layer 'alif1': norm: behind a Concat"),
        (lambda: _with(PARAMS, persistent_state=True), "layer 'cuba1': persistent_state"),
        (lambda: _with(PARAMS, threshold=64.0), "layer 'cuba1': threshold: .*fires at equality"),
        (lambda: _with(PARAMS, shared_param=False), "layer 'cuba1': shared_param: .* Run the module once"),
        (lambda: _with(PARAMS, scale=100), "layer 'cuba1': scale: 100 is not a power of two"),
        (lambda: cuba(pre_hook_fx=None), "layer 'cuba1': pre_hook_fx: the forward pass uses a weight of .*no 8-bit"),
        (lambda: slayer.block.alif.Average(2), "layer 'alif1': the number of its inputs is unknown"),
        (lambda: torch.nn.Sequential(cuba(), slayer.block.cuba.Average(2)), "layer 'cuba2': num_outputs: 3 neurons"),
        (lambda: torch.nn.Sequential(cuba(), slayer.block.cuba.Average(1, count_log=True)), "layer 'cuba2': count_log"),
        (lambda: torch.nn.Sequential(cuba(), slayer.block.cuba.Average(3), cuba()), "layer 'cuba2': Average: .* last"),
        (lambda: slayer.block.cuba.TimeDecimation(2), "layer 'cuba1': TimeDecimation: .* Decimate the input"),
        (lambda: slayer.block.cuba.KWTA(PARAMS | {"threshold": 9}, 4, 3, 1), "layer 'cuba1': threshold: .* constant"),
        (lambda: slayer.block.rf.KWTA(dict(RESONATE), 4, 3, 1), "layer 'rf1': KWTA: SLAYER's own forward pass raises"),
        (lambda: slayer.block.cuba.Input(PARAMS, weight=2.0), "layer 'cuba1': the number of its inputs is unknown"),
        (lambda: _hooked_input(), "layer 'cuba1': pre_hook_fx: only the neuron's own quantize_8bit is known"),
        (lambda: slayer.block.rf.Input(RESONATE), "layer 'rf1': Input: SLAYER's own forward pass raises"),
        (lambda: torch.nn.Sequential(_with(PARAMS, graded_spike=True), slayer.block.cuba.Input(PARAMS)),
         "layer 'cuba2': Input: it rounds the graded spikes that arrive"),
        (lambda: slayer.block.cuba.Input(), "Input: .* Build it with delay_shift=False"),
        (lambda: slayer.block.cuba.Unpool(PARAMS, 2), "layer 'cuba1': the size of its images is unknown"),
        (lambda: sigma_delta(activation=torch.tanh), "layer 'sigma_delta1': activation: .*relu"),
        (lambda: sigma_delta(cum_error=True), "layer 'sigma_delta1': cum_error"),
        (lambda: torch.nn.Linear(4, 3), "Sequential has a forward pass of its own, or hooks, and only a run shows .* Pass sample="),
    ],
)  # fmt: skip
def test_what_cannot_be_exact_is_refused_by_layer_reason_and_fix(module, words):
    with pytest.raises(UnsupportedError, match=words):
        record(torch.nn.Sequential(module()), steps=5)


MEAN, SCALE = slayer.neuron.norm.MeanOnlyBatchNorm, slayer.neuron.norm.WgtScaleBatchNorm


def _recurrent(**changes):
    return slayer.block.cuba.Recurrent({**PARAMS, **changes}, 4, 3)


def _uneven():
    block = slayer.block.rf.Dense({**RESONATE, "norm": SCALE}, 4, 3)
    block.neuron.real_norm.running_var.fill_(4.0)
    return block


def _moved(family):
    block = getattr(slayer.block, family).Dense({**PARAMS, **ADAPTIVE, "norm": MEAN}, 6, 3)
    block.neuron.norm.running_mean.fill_(1.0)
    return block


def _hooked_input():
    block = slayer.block.cuba.Input(PARAMS)
    block.pre_hook_fx, block.neuron.shape = torch.round, torch.Size([4])
    return block


def sigma_delta(**changes):
    params = {"threshold": 0.1, "activation": torch.nn.functional.relu, **changes}
    return slayer.block.sigma_delta.Dense(params, 4, 3)


def _with(params, **changes):
    return slayer.block.cuba.Dense({**params, **changes}, 4, 3, delay_shift=False)


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        ("cuba", {"shared_param": False}, "layer 'cuba1': shared_param=False: .* along the columns of images"),
        ("rf", {"norm": MEAN}, "layer 'rf1': images: a norm's mean, .* here of 10214400 weights"),
    ],
)
def test_what_cannot_be_exact_on_images_is_refused(family, changes, words):
    block = getattr(slayer.block, family).Conv((PARAMS if family == "cuba" else RESONATE) | changes, 1, 2, 3)
    if "norm" in changes:
        block.neuron.real_norm.running_mean.fill_(1.0)

    with pytest.raises(UnsupportedError, match=words):
        record(block, sample=np.zeros((1, 1, 40, 42, 6)))


def test_networks_without_order_encoding_or_length_are_refused():
    class Bare(torch.nn.Module):
        pass

    te = [celif.TemporalEncoding(3, 4) for _ in range(2)]
    with pytest.raises(UnsupportedError, match="Bare has a forward pass of its own"):
        record(Bare())
    with pytest.raises(UnsupportedError, match="holds no layers"):
        record(torch.nn.Sequential())
    with pytest.raises(UnsupportedError, match=r"Pass sample=, an input, or steps="):
        record(torch.nn.Sequential(cuba()))
    with pytest.raises(UnsupportedError, match="2 different TemporalEncoding objects"):
        record(torch.nn.Sequential(*(celif.Dense({}, 3, 3, temporal_encoding=one) for one in te)))
    encoder = slayer.block.sigma_delta.Input({"threshold": 0.1, "activation": torch.relu})
    with pytest.raises(UnsupportedError, match=r"Input: it rounds what enters to multiples of 2\*\*-5 itself"):
        record(encoder, sample=np.zeros((1, 4, 6)), input=Input(num_channels=4, bits=8, exp=-4))
    with pytest.raises(UnsupportedError, match="layer 'celif2': input_exp is for the first layer"):
        record(torch.nn.Sequential(*(celif.Dense({}, 3, 3, temporal_encoding=te[0], input_exp=-6) for _ in range(2))))


@pytest.mark.parametrize("learned", [False, True])
def test_a_rotation_out_of_the_unit_circle_is_read_as_the_forward_pass_takes_it_and_left_alone(learned):
    torch.manual_seed(0)
    block = slayer.block.rf.Dense({**RESONATE, "requires_grad": learned}, 4, 3, delay_shift=False)
    block.neuron.sin_decay.data[:], block.neuron.cos_decay.data[:] = 3500.3, 3500.3

    neuron = record(torch.nn.Sequential(block), steps=9).layers[0].neuron

    assert (neuron.sin_decay == (2896 if learned else 3500)).all()
    assert block.neuron.sin_decay.item() == np.float32(3500.3)


def test_sigma_delta_keeps_a_threshold_that_no_mantissa_holds():
    block = sigma_delta(threshold=0.0)
    lowest = record(torch.nn.Sequential(block), steps=4).layers[0].neuron
    block.neuron.delta.threshold.data[:] = 0.1
    learned = record(torch.nn.Sequential(block), steps=4)

    assert (lowest.v_th == 64).all()  # the forward pass keeps it at 1 / 4096, which is 64 / 2**18
    assert (learned.layers[0].neuron.v_th == np.ceil(np.float32(0.1) * 2**18)).all()
    assert (learned.input.bits, learned.input.exp, learned.layers[0].neuron.state_exp) == (16, -12, 6)
    shown = describe(learned)["layers"][0]["parameters"]
    assert shown["threshold"] == pytest.approx(0.1, abs=2**-18) and not shown["bias"]


def test_what_follows_graded_spikes_shifts_them_back_or_is_refused():
    graded = _with(PARAMS, graded_spike=True, scale=128)
    then = slayer.block.cuba.Dense({**PARAMS, "scale": 32}, 3, 2, delay_shift=False)
    te = celif.TemporalEncoding(3, 4)

    net = record(torch.nn.Sequential(graded, then), steps=4)

    assert [layer.neuron.a_shift for layer in net.layers] == [6, 6 - 13]
    with pytest.raises(UnsupportedError, match=r"layer 'celif2': it takes unary spikes, .* graded_spike=False"):
        record(torch.nn.Sequential(graded, celif.Dense({}, 3, 3, temporal_encoding=te)))


def test_a_first_block_takes_the_input_that_is_stated():
    net = record(torch.nn.Sequential(cuba()), steps=4, input=Input(num_channels=9, bits=8, exp=-2))

    assert (net.input.num_channels, net.input.bits, net.layers[0].neuron.a_shift) == (4, 8, 4)


def test_a_file_that_would_be_read_as_nir_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"net\.NIR: export_netx writes NetX files, .* spikeproof\.write"):
        export_netx(torch.nn.Sequential(), tmp_path / "net.NIR")
    assert not any(tmp_path.iterdir())
