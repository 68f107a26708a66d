"""Blocks whose synapses or neurons are not what SLAYER's classes made: pruned, normed, hooked, or of other classes."""

import pytest
import torch
from slayer_nets import slayer
from torch import nn
from torch.nn.utils import prune

import spikeproof
from spikeproof.contract.errors import InputError, UnsupportedError

PARAMS = {"threshold": 0.1, "current_decay": 0.5, "voltage_decay": 0.1}
X = (torch.rand(8, 6, 20, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def blocks():
    torch.manual_seed(0)
    return nn.Sequential(*(slayer.block.cuba.Dense(PARAMS, *sizes, weight_scale=4) for sizes in ((6, 8), (8, 4))))


WEIGHTS = {
    "pruned": lambda synapse: prune.l1_unstructured(synapse, "weight", amount=0.3),
    "pruned twice": lambda synapse: (
        prune.random_unstructured(synapse, "weight", 0.2),
        prune.identity(synapse, "weight"),
    ),
    "weight norm": nn.utils.weight_norm,
    "spectral norm": nn.utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*(weight_norm|spectral_norm):FutureWarning")
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_weight_that_is_computed_before_every_call_is_the_one_of_the_next_call(name, tmp_path):
    """After a step of the optimiser, the module still holds the one of the last."""
    module = blocks()
    for block in module:
        WEIGHTS[name](block.synapse)
    optimiser = torch.optim.SGD(module.parameters(), 50.0 if name.startswith("pruned") else 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        module(X).sum().backward()
        optimiser.step()
    module.eval()
    held = module[0].synapse.weight

    spikeproof.export_netx(module, tmp_path / "net.net", steps=20)

    assert module[0].synapse.weight is held
    assert spikeproof.verify(module, X, file=tmp_path / "net.net", backends=("engine",)).whole


@pytest.mark.filterwarnings("ignore:.*(weight_norm|spectral_norm):FutureWarning")
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_record_changes_nothing_of_a_module_in_training(name):
    module = blocks()
    for block in module:
        WEIGHTS[name](block.synapse)
    before = {key: value.clone() for key, value in module.train().state_dict().items()}
    first = spikeproof.record(module, steps=20)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module[0].synapse.training and spikeproof.record(module, steps=20) == first


def test_slayers_mask_and_pruning_do_not_go_together():
    module = blocks()
    module[0].mask = torch.ones_like(module[0].synapse.weight)
    prune.l1_unstructured(module[0].synapse, "weight", amount=0.3)
    with pytest.raises(UnsupportedError, match="mask: SLAYER's forward computes the weights anew"):
        spikeproof.record(module, steps=20)


@pytest.mark.parametrize("part", ["synapse", "neuron"])
def test_a_hook_inside_a_block_is_refused_where_it_changes_something(part):
    module = blocks()
    hook = getattr(module[0], part).register_forward_hook(lambda part, args, out: out * 0)
    with pytest.raises(UnsupportedError, match="or hooks, and only a run shows what it does"):
        spikeproof.record(module, steps=20)
    for call in (lambda: spikeproof.record(module, sample=X), lambda: spikeproof.verify(module, X)):
        with pytest.raises(UnsupportedError, match="layer 'cuba1': .*disagree. A hook"):
            call()
    hook.remove()

    seen = []
    getattr(module[0], part).register_forward_hook(lambda part, args, out: seen.append(out))
    assert spikeproof.verify(module, X, backends=("engine",)).whole and seen


class Limited(slayer.neuron.cuba.Neuron):
    def spike(self, voltage):
        spikes = super().spike(voltage)
        return spikes * (spikes.cumsum(-1) <= 15)


class Doubled(slayer.synapse.Dense):
    def forward(self, x):
        return super().forward(x) * 2


CHANGES = {
    "a neuron's method": (lambda block: setattr(block, "neuron", Limited(**PARAMS)), "neuron: its method spike is not"),
    "a synapse's": (lambda block: setattr(block, "synapse", Doubled(6, 8)), "synapse: its method forward is not"),
    "an object's": (lambda block: setattr(block.synapse, "forward", block.synapse.forward), "synapse: its method forward"),
    "another neuron": (
        lambda block: setattr(
            block,
            "neuron",
            slayer.neuron.alif.Neuron(
                **PARAMS, threshold_step=0.1, threshold_decay=0.1, refractory_decay=0.1
            ),
        ),
        "neuron: a block of cuba neurons holds one of alif",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_parts_that_do_something_else_than_slayers_are_refused_by_name(name):
    module = blocks()
    change, words = CHANGES[name]
    change(module[0])
    with pytest.raises(UnsupportedError, match=f"layer 'cuba1': {words}"):
        spikeproof.record(module, steps=20)


def test_a_sequential_with_a_forward_pass_of_its_own_needs_a_sample():
    module = blocks()
    module.forward = lambda x: module[1](module[0](x.flip(1)))
    with pytest.raises(UnsupportedError, match="has a forward pass of its own"):
        spikeproof.record(module, steps=20)
    assert spikeproof.verify(module, X, backends=("engine",)).whole


def test_thresholds_and_decays_that_no_record_holds_are_refused_by_their_own_names():
    dense = slayer.block.cuba.Dense({**PARAMS, "threshold": -0.1}, 6, 8)
    with pytest.raises(
        UnsupportedError, match="layer 'cuba1': threshold: it is -6 in units of 1/64.* from 0 to 2047.98"
    ):
        spikeproof.record(dense, steps=20)
    resonator = slayer.block.rf.Dense({"threshold": 0.1, "period": 10, "decay": 0.1, "requires_grad": True}, 6, 8)
    for name in ("sin_decay", "cos_decay"):
        getattr(resonator.neuron, name).data.zero_()
    with pytest.raises(UnsupportedError, match="layer 'rf1': sin_decay and cos_decay: .*divides by their length"):
        spikeproof.record(resonator, steps=20)


def test_a_data_set_is_no_input():
    with pytest.raises(InputError, match="Input is a TensorDataset, which is a data set. Give a torch DataLoader"):
        spikeproof.verify(blocks(), torch.utils.data.TensorDataset(X))
