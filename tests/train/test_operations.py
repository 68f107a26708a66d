"""What an answer of a sequence model costs, against loops over every spike and closed forms."""

import itertools

import pytest
import torch

from spikeproof.export.arithmetic import Arithmetic
from spikeproof.train.analysis import operations
from spikeproof.train.sequence import BODIES, SequenceModel
from spikeproof.train.sequence.counterparts import Counterpart
from spikeproof.train.sequence.position import PositionOptions

LENGTH, CHANNELS, WIDTH, STEPS = 5, 3, 8, 2


def model(body, kind="none", *, length=LENGTH, attention="product", encoder="conv"):
    torch.manual_seed(0)
    position = PositionOptions(kind, 6)
    made = SequenceModel(
        body, CHANNELS, 4, length, width=WIDTH, depth=1, spike_steps=STEPS, position=position, heads=2,
        attention=attention, encoder=encoder,
    )  # fmt: skip
    made(torch.randn(32, CHANNELS, length))  # norms that let neurons fire
    return made.eval()


def x_of(length=LENGTH, samples=2):
    return torch.randn(samples, CHANNELS, length, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["none", "cpg", "sinusoid", "random", "learned", "cpg-learned"])
def test_every_spike_that_arrives_is_an_accumulate(kind):
    made, x = model("spike-rnn", kind), x_of()
    with torch.no_grad():
        code = None if made.position is None else made.position()
        sent = [made.encoder(x)]
        sent.append(made.first(sent[-1], code))
        sent.append(made.body(sent[-1]))
    encoder, first, last = (float(one.sum()) for one in sent)
    found = operations.count(made, x.numpy())
    neurons, half = STEPS * LENGTH * WIDTH, 1 / len(x)
    assert found["layers"] == Arithmetic(mac=2 * neurons, ac=half * (encoder * WIDTH + first + first * WIDTH + last))
    values = CHANNELS * LENGTH
    assert found["encoder"] == Arithmetic(mac=values * 3 * STEPS + values * STEPS, ac=half * encoder)
    assert found["read-out"] == Arithmetic(mac=4 * WIDTH, ac=half * last)
    rows = STEPS * LENGTH * 6
    expected = {
        "cpg": lambda: Arithmetic(mac=0, ac=rows + float(code.sum()) * WIDTH),
        "cpg-learned": lambda: Arithmetic(mac=0, ac=rows + float(code.sum()) * WIDTH),
        "sinusoid": lambda: Arithmetic(mac=rows * WIDTH, ac=0),
        "learned": lambda: Arithmetic(mac=rows * WIDTH, ac=0),
        "random": lambda: Arithmetic(mac=0, ac=rows * WIDTH),  # -1 and 1: each adds or takes off
    }
    assert (operations.CODE in found) == (kind != "none")
    if kind != "none":
        assert found[operations.CODE] == expected[kind]()


@pytest.mark.parametrize(("length", "attention"), [(3, "product"), (9, "product"), (3, "xnor")])
def test_attention_by_loops(length, attention):
    """With 4 numbers a head, length 3 multiplies queries and keys first, and length 9 keys and values."""
    made, x = model("spikformer", length=length, attention=attention), x_of(length)
    seen, attending = {}, made.body[0].attention
    attending.project.register_forward_hook(lambda _, given, out: seen.update(qkv=out))
    attending.out.register_forward_hook(lambda _, given, out: seen.update(sent=given[0]))
    found = operations.count(made, x.numpy())["attention"]
    q, k, v = seen["qkv"].view(STEPS * len(x), length, 3, 2, 4).permute(2, 0, 3, 1, 4).flatten(1, 2)
    places, numbers, added = range(length), range(4), 0
    for head in range(len(q)):
        if attention == "xnor":  # all bits of all pairs, then each value's spikes for every position
            added += sum(1 for _ in itertools.product(places, places, numbers)) + length * int(v[head].sum())
        elif length == 9:
            kept = k[head].T @ v[head]
            added += sum(int(k[head, j, a] * v[head, j, b]) for j in places for a in numbers for b in numbers)
            added += sum(int(q[head, i, a]) * int(kept[a, b] != 0) for i in places for a in numbers for b in numbers)
        else:
            met = q[head] @ k[head].T
            added += sum(int(q[head, i, a] * k[head, j, a]) for i in places for j in places for a in numbers)
            added += sum(int(met[i, j] != 0) * int(v[head, j, a]) for i in places for j in places for a in numbers)
    assert added > 10
    assert found == Arithmetic(mac=STEPS * length * WIDTH, ac=(added + float(seen["sent"].sum())) / len(x))


def test_gates_by_hand():
    made, x = model("spike-gru"), x_of()
    with torch.no_grad():
        sent = made.first(made.encoder(x), None)
        h = made.body(sent)
    encoder = float(made.encoder(x).detach().sum())
    before = float(h[:, :, :-1].sum())  # nothing hears the state behind the last position
    expected = encoder * WIDTH + float(sent.sum()) + 3 * WIDTH * (float(sent.sum()) + before) + h.numel()
    assert operations.count(made, x.numpy())["layers"].ac == expected / len(x)


@pytest.mark.parametrize("encoder", ["repeat", "delta"])
def test_encoders(encoder):
    found = operations.count(model("spike-rnn", encoder=encoder), x_of().numpy())["encoder"]
    values = CHANNELS * LENGTH
    assert found.mac == values * STEPS + (values * STEPS if encoder == "delta" else 0)


@pytest.mark.parametrize("body", BODIES)
def test_hooks_are_gone_afterwards_and_answers_are_the_same(body):
    made, x = model(body, "cpg"), x_of()
    with torch.no_grad():
        expected = made(x)
        operations.count(made, x.numpy())
        assert torch.equal(made(x), expected)
    assert not any(part._forward_hooks for part in made.modules())


def test_counterparts_by_closed_forms():
    outside = CHANNELS * WIDTH * LENGTH + 4 * WIDTH
    of_body = {
        "transformer": LENGTH * 12 * WIDTH**2 + 2 * LENGTH**2 * WIDTH,
        "gru": LENGTH * 6 * WIDTH**2,
        "tcn": LENGTH * 6 * WIDTH**2,
    }
    for body, expected in of_body.items():
        made = Counterpart(body, CHANNELS, 4, LENGTH, width=WIDTH, depth=1, heads=2)
        assert operations.count(made, x_of().numpy()) == {"layers": Arithmetic(mac=expected + outside, ac=0.0)}


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="Linear is no sequence model"):
        operations.count(torch.nn.Linear(2, 2), [[0.0, 1.0]])
