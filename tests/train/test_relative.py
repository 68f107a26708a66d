"""XNOR attention and what relative encodings add to it, and the counterparts of real numbers."""

import itertools
import math

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.train.runs.build import build
from spikeproof.train.runs.recipe import find, make
from spikeproof.train.sequence import SequenceModel
from spikeproof.train.sequence.counterparts import Counterpart
from spikeproof.train.sequence.position import TABLES, PositionOptions
from spikeproof.train.sequence.relative import IN_ATTENTION, gray, relative
from spikeproof.train.sequence.spikformer import XNORAttention
from spikeproof.train.tasks import Split, Task

LENGTHS = (1, 2, 3, 8, 24, 48, 65)


def test_gray_codes_of_the_textbook():
    assert gray(np.arange(8)).tolist() == [0b000, 0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100]


@pytest.mark.parametrize("length", LENGTHS)
def test_gray_adds_the_bits_in_which_codes_agree(length):
    bits, found = max(1, math.ceil(math.log2(length))), relative("gray", length)
    for i, j in itertools.product(range(length), repeat=2):
        assert found[i, j] == bits - (gray(np.int64(i)) ^ gray(np.int64(j))).item().bit_count()
        if abs(i - j) and not abs(i - j) & (abs(i - j) - 1):  # the property that the paper proves
            assert bits - found[i, j] == (1 if abs(i - j) == 1 else 2)


@pytest.mark.parametrize("length", LENGTHS)
def test_log_adds_the_logarithm_of_the_distance(length):
    found = relative("log", length)
    exact = [[math.ceil(math.log2(length / (abs(i - j) + 1)) - 1e-12) for j in range(length)] for i in range(length)]
    assert found.tolist() == exact and found.min() == 0 and (found.diagonal() == math.ceil(math.log2(length))).all()


@pytest.mark.parametrize("kind", ["none", "gray", "log"])
def test_xnor_attention_counts_the_bits_that_agree(kind):
    torch.manual_seed(0)
    steps, samples, length, width, heads = 2, 3, 7, 12, 4
    one = XNORAttention(width, heads, torch.from_numpy(relative(kind, length)))
    q, k, v = (torch.rand(3, steps * samples, heads, length, width // heads) < 0.4).unbind(0)

    found = one.mixed(q.float(), k.float(), v.float())

    agree = (q.unsqueeze(-2) == k.unsqueeze(-3)).sum(-1)  # (..., L, L)
    bits = [f"{code:03b}" for code in gray(np.arange(length))]
    for i, j in itertools.product(range(length), repeat=2):
        if kind == "gray":  # the same as the codes' bits beside those of queries and keys
            agree[..., i, j] += sum(a == b for a, b in zip(bits[i], bits[j], strict=True))
        elif kind == "log":
            agree[..., i, j] += math.ceil(math.log2(length / (abs(i - j) + 1)))
    assert torch.equal(found, (agree.float() @ v.float()))


@pytest.mark.parametrize("kind", ["none", *IN_ATTENTION, "cpg"])
def test_every_parameter_behind_xnor_attention_learns(kind):
    torch.manual_seed(0)
    options = PositionOptions(kind, channels=10)
    module = SequenceModel("spikformer", 3, 5, 12, width=16, heads=4, position=options, attention="xnor")
    found = module(torch.randn(6, 3, 12))
    (found - 1).square().mean().backward()
    silent = {name for name, one in module.named_parameters() if one.grad is None or not one.grad.any()}
    assert {name for name in silent if not name.endswith("synapse.bias")} == set()
    assert not any(name.endswith("relative") for name in module.state_dict())  # fixed, so no part of what is stored


def test_relative_encodings_tell_an_order_that_attention_alone_does_not():
    """Behind the first layer, attention without a code gives a reversed sequence the reversed answer."""
    torch.manual_seed(0)
    length, width = 8, 12
    x = (torch.rand(2, 3, length, width) < 0.4).float()
    shuffled = x[:, :, torch.tensor([3, 0, 6, 1, 7, 2, 5, 4])]
    for kind in ("none", *IN_ATTENTION):
        torch.manual_seed(1)
        one = XNORAttention(width, 4, torch.from_numpy(relative(kind, length))).eval()
        sums = [one(given).sum(2) for given in (x, shuffled)]
        assert torch.equal(*sums) == (kind == "none")


@pytest.mark.parametrize("kind", ["none", *TABLES])
@pytest.mark.parametrize("body", ["transformer", "gru", "tcn"])
@pytest.mark.parametrize("vocabulary", [0, 9])
def test_every_parameter_of_a_counterpart_learns(body, kind, vocabulary):
    torch.manual_seed(0)
    module = Counterpart(
        body, 3, 5, 12, width=16, heads=4, position=PositionOptions(kind, channels=10), vocabulary=vocabulary
    )
    x = torch.randint(1, 9, (6, 1, 12)) if vocabulary else torch.randn(6, 3, 12)
    found = module(x)
    (found - 1).square().mean().backward()
    assert found.shape == (6, 5) and found.isfinite().all()
    silent = {name for name, one in module.named_parameters() if one.grad is None or not one.grad.any()}
    assert {name for name in silent if not (name.startswith("body.") and name.endswith(".bias"))} == set()


@pytest.mark.parametrize("body", ["transformer", "gru", "tcn"])
def test_what_comes_later_or_is_padding_is_not_heard(body):
    torch.manual_seed(0)
    module = Counterpart(body, 3, 5, 12, width=16, heads=4, vocabulary=9).eval()
    words = torch.randint(1, 9, (2, 1, 12))
    words[:, :, 8:] = 0
    with torch.no_grad():
        found = module(words)
        module.tokens.weight[0] = 5
        assert torch.equal(module(words), found) and found.any()
        assert module(torch.zeros_like(words)).isfinite().all()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"position": "gray"}, "position = 'gray' adds to attention = xnor, not to 'product'"),
        ({"position": "polar"}, "position: Input should be 'none', .* or 'log'"),
        ({"model": "spike-rnn", "position": "log"}, "position: Input should be"),
        ({"model": "transformer", "neuron": "real", "position": "relative"}, "position = 'relative' is made of spikes"),
        ({"model": "transformer", "neuron": "real", "hidden": [12]}, "hidden = 12 does not divide by heads = 8"),
        ({"model": "gru", "neuron": "real", "encoder": "delta"}, "encoder is for model = spike-rnn of neuron = lif"),
        ({"model": "tcn", "neuron": "lif"}, "neuron: Input should be 'real' with model = 'tcn', not 'lif'"),
    ],
)
def test_keys_without_a_use_are_refused(keys, words):
    with pytest.raises(InputError, match=words):
        make(task="digits", **{"model": "spikformer", "neuron": "lif", **keys})


def test_recipes_build_them():
    x = np.zeros((4, 3, 12), np.float32)
    task = Task("etth1", 6, Split(x, np.zeros((4, 6), np.float32)), None, Split(x, np.zeros((4, 6), np.float32)))
    for model in ("transformer", "gru", "tcn"):
        recipe = find("etth1").replace([f"model={model}", "neuron=real", "position=sinusoid", "hidden=32"])
        assert (
            build(recipe, task)(torch.from_numpy(x)).shape == (4, 6) and not recipe.deployable and not recipe.floating
        )
    recipe = find("etth1").replace(["model=spikformer", "attention=xnor", "position=gray"])
    assert build(recipe, task).body[0].attention.relative[0, 1] == 3
