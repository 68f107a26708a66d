"""Sequence models: shapes, gradients, what each positional encoding is, and what recipes and exports refuse."""

import copy

import numpy as np
import pytest
import safetensors.torch
import torch

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.contract.sources.phase import position as index_of
from spikeproof.train import cpg
from spikeproof.train.analysis import figures as analysis_figures
from spikeproof.train.kernels import select
from spikeproof.train.neurons import LIF
from spikeproof.train.neurons.fire import fire
from spikeproof.train.runs.build import build
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find, make
from spikeproof.train.sequence import BODIES, SequenceModel
from spikeproof.train.sequence.coded import Coded
from spikeproof.train.sequence.gru import GRULayer
from spikeproof.train.sequence.layer import Neurons, taps
from spikeproof.train.sequence.position import FULL, POSITIONS, PositionOptions, designed, distinct, table
from spikeproof.train.tasks import Split, Task
from spikeproof.train.tasks.objectives import REGRESS

STEPS, LENGTH = 4, 12


def model(body="spike-rnn", kind="none", *, channels=3, seed=0, full=False, **options):
    torch.manual_seed(seed)
    position = PositionOptions(kind, channels=10, seed=seed, full=full)
    return SequenceModel(body, channels, 5, LENGTH, width=16, depth=2, heads=4, position=position, **options)


def values(samples=6, channels=3):
    return torch.from_numpy(np.random.default_rng(7).normal(size=(samples, channels, LENGTH)).astype(np.float32))


@pytest.mark.parametrize("kind", POSITIONS)
@pytest.mark.parametrize("body", BODIES)
def test_every_parameter_of_every_model_learns(body, kind):
    module, x = model(body, kind), values()

    found = module(x)
    (found - 1).square().mean().backward()

    assert found.shape == (6, 5) and found.isfinite().all()
    # A bias before a norm has no effect; all else must hear of the loss.
    silent = {name for name, one in module.named_parameters() if one.grad is None or not one.grad.any()}
    assert {name for name in silent if not name.endswith("synapse.bias")} == set()
    assert torch.equal(model(body, kind)(x), model(body, kind)(x))  # the seed decides


@pytest.mark.parametrize("encoder", ["repeat", "delta", "conv"])
def test_encoders_make_spikes_of_values_and_of_tokens(encoder):
    words = torch.randint(1, 9, (6, 1, LENGTH), generator=torch.Generator().manual_seed(0))
    for module, x in ((model(encoder=encoder), values()), (model(encoder=encoder, vocabulary=9), words)):
        seen = []
        module.encoder.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output))
        module(x)
        (spikes,) = seen
        assert spikes.shape[:3] == (STEPS, 6, LENGTH) and set(spikes.unique().tolist()) == {0.0, 1.0}


def test_padding_says_nothing():
    module = model("spike-rnn", "cpg", vocabulary=9).eval()
    words = torch.randint(1, 9, (1, 1, LENGTH), generator=torch.Generator().manual_seed(0))
    words[..., 8:] = 0
    with torch.no_grad():  # whatever the padding token's vector is, it must not matter
        module.encoder.synapse.weight[..., 2] = 0  # but for the encoder's look ahead
        found = module(words)
        module.tokens.weight[0] = 5
    assert torch.equal(module(words), found) and found.any()
    assert module(torch.zeros_like(words)).isfinite().all()


def test_fused_neurons_are_the_toolkits_lif():
    torch.manual_seed(0)
    x = torch.randn(STEPS, 500, 3)
    x[:, :100] = torch.randint(-2, 3, (STEPS, 100, 3)) * 0.15  # membranes on the threshold and near it
    weight, cell, found = torch.randn_like(x), LIF(3), []
    for kernels in ("fused", "reference"):
        leaf = x.clone().requires_grad_()
        with select.use(kernels):
            spikes = Neurons(3)(leaf)
        (spikes * weight).sum().backward()
        found.append((spikes.detach(), leaf.grad))
    state, expected = cell.initial(x[0]), []
    for t in range(STEPS):
        s, state = cell(x[t], state, t)
        expected.append(s)
    assert torch.equal(found[0][0], torch.stack(expected)) and torch.equal(found[1][0], found[0][0])
    assert 0.1 < found[0][0].mean() < 0.9
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


def test_gates_are_those_of_the_equations():
    torch.manual_seed(0)
    layer, weight = GRULayer(6), torch.randn(2, 3, 9, 6)
    x = (torch.rand(2, 3, 9, 6) > 0.6).float()
    found = []
    for by_equations in (False, True):
        leaf = x.clone().requires_grad_()
        layer.zero_grad()
        if by_equations:
            currents, h, states = layer.synapse(leaf), torch.zeros(2, 3, 6), []
            for current in currents.unbind(2):
                (a, c), (b, d) = (both.split([12, 6], -1) for both in (current, layer.recurrent(h)))
                r, z = fire(a + b).chunk(2, -1)
                n = fire(c + r * d)
                h = (1 - z) * n + z * h
                states.append(h)
            out = torch.stack(states, 2)
        else:
            out = layer(leaf)
        (out * weight).sum().backward()
        found.append([out.detach(), leaf.grad, *(one.grad.clone() for one in layer.parameters())])
    assert set(found[0][0].unique().tolist()) == {0.0, 1.0} and found[1][1].any()
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_published_codes_stand_at_the_authors_index():
    rows = table(PositionOptions("cpg", channels=10), STEPS, LENGTH)
    assert ["".join(str(int(bit)) for bit in row) for row in rows[:4]] == [
        "0101010101", "1001010101", "1001010101", "0001010101",
    ]  # fmt: skip
    stream = cpg.Encoding(10)(STEPS * LENGTH).T.numpy()
    shown = model("spike-rnn", "cpg").position().numpy()
    for t_s, place in ((0, 0), (1, 0), (2, 7), (3, 11)):
        assert np.array_equal(shown[t_s, 0, place], stream[index_of(t_s, place, LENGTH)])


@pytest.mark.parametrize(
    ("channels", "w_max", "rows", "count"),
    [(40, 10000, 48, 44), (40, 10000, 672, 568), (40, 1000, 48, 48), (40, 1000, 672, 614), (10, 10000, 672, 74)],
)
def test_published_codes_repeat(channels, w_max, rows, count):
    assert distinct(table(PositionOptions("cpg", channels, w_max), 4, rows // 4)) == count


@pytest.mark.parametrize(("rows", "channels"), [(48, 40), (48, 10), (48, 6), (256, 40)])
def test_designed_codes_are_all_different_in_as_many_channels(rows, channels):
    rows_of = table(PositionOptions("cpg-designed", channels), 4, rows // 4)
    assert rows_of.shape == (rows, channels) and distinct(rows_of) == rows
    assert designed(rows, channels) is designed(rows, channels)


def test_too_few_channels_for_codes_that_differ_are_refused():
    with pytest.raises(UnsupportedError, match="above max_neurons = 3"):
        table(PositionOptions("cpg-designed", 3), 2, 6)


def test_tables_are_what_their_names_say():
    sinusoid, spikes = (table(PositionOptions(kind), STEPS, LENGTH) for kind in ("sinusoid", "cpg"))
    assert np.array_equal(sinusoid >= 0.8, spikes.astype(bool))
    drawn = [table(PositionOptions("random", seed=seed), STEPS, LENGTH) for seed in (0, 0, 1)]
    assert set(np.unique(drawn[0])) == {-1, 1}
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_the_encoding_changes_its_own_part_of_a_model_and_nothing_else():
    shapes = {
        kind: {name: tuple(one.shape) for name, one in model("spike-tcn", kind).named_parameters()}
        for kind in POSITIONS
    }
    plain = shapes["none"]
    for kind in ("random", "sinusoid", "cpg", "cpg-designed"):
        assert shapes[kind] == plain | {"first.synapse.weight": (16, 3 + 10)}
    assert shapes["learned"] == shapes["cpg"] | {"position.rows": (STEPS, 1, LENGTH, 10)}
    more = {name: shapes["relative"][name] for name in shapes["relative"] if name not in plain}
    assert shapes["relative"] == plain | more and all(name.startswith("relative.") for name in more)
    counts = [sum(p.numel() for p in model("spike-tcn", kind).parameters()) for kind in ("none", "cpg", "relative")]
    assert counts[1] - counts[0] == 16 * 10 and counts[2] - counts[0] == 16 * 3 * 16 + 16 + 2 * 16


@pytest.mark.parametrize("kind", ["cpg", "cpg-learned"])
@pytest.mark.parametrize("body", FULL)
def test_a_full_code_stands_beside_what_every_layer_hears(body, kind):
    module, plain, x = model(body, kind, full=True), model(body, kind), values()
    seen = {}
    for name, part in module.named_modules():
        if isinstance(part, Coded):
            part.register_forward_hook(lambda _, given, output, name=name: seen.update({name: (*given, output)}))

    (module(x) - 1).square().mean().backward()

    in_body = {
        "spike-rnn": ["body.0", "body.1"],
        "spike-tcn": [f"body.{i}.{which}" for i in (0, 1) for which in ("first", "second")],
        "spikformer": [f"body.{i}.each.{k}" for i in (0, 1) for k in (0, 1)],  # and no attention
    }[body]
    assert list(seen) == ["first", *in_body]
    more = {f"{name}.synapse.weight" for name in in_body}
    before = {name: one.shape for name, one in plain.named_parameters()}
    for name, one in module.named_parameters():
        extra = 10 if name in more else 0
        assert one.shape == (*before[name][:-1], before[name][-1] + extra), name
        assert name.endswith("synapse.bias") or one.grad.any(), name
    for name, (heard, code, output) in seen.items():
        layer = copy.deepcopy(module.get_submodule(name))
        together = torch.cat([heard, code.expand(*heard.shape[:3], -1)], -1)
        layer.norm.reset_running_stats()
        expected = layer.neuron(layer.norm(layer.synapse(together)))  # CPG-Linear: one matrix over [X || c]
        assert (expected != output).float().mean() < 1e-3, name  # a membrane on its threshold, by the order of a sum


@pytest.mark.parametrize(("body", "kind"), [("spike-gru", "cpg"), ("spike-rnn", "none"), ("spike-tcn", "relative")])
def test_a_full_code_that_nobody_can_hear_is_refused(body, kind):
    with pytest.raises(UnsupportedError, match=f"full = True .* the body is '{body}' with position '{kind}'"):
        model(body, kind, full=True)


@pytest.mark.parametrize("body", BODIES)
def test_only_position_and_the_body_know_the_order(body):
    """Shuffled positions change a Spike-RNN's answer only through its code; convolutions and gates see the order."""
    order = torch.from_numpy(np.random.default_rng(1).permutation(LENGTH))
    x = values()
    for kind in ("none", "cpg"):
        module = model(body, kind, encoder="repeat").eval()
        near = torch.allclose(module(x), module(x[..., order]), atol=1e-5)
        assert near == (kind == "none" and body in ("spike-rnn", "spikformer"))


def test_a_tcn_looks_at_nothing_that_comes_later():
    x = torch.randn(1, 2, 9, 3)
    later = x.clone()
    later[:, :, 6:] = 0
    assert torch.equal(taps(x, 3, 2)[:, :, :6], taps(later, 3, 2)[:, :, :6])
    assert torch.equal(taps(x, 3, 2)[:, :, 4], torch.cat([x[:, :, i] for i in (0, 2, 4)], -1))
    assert torch.equal(taps(x, 3, ahead=1)[:, :, 4], torch.cat([x[:, :, i] for i in (3, 4, 5)], -1))


RNN = ["model=spike-rnn", "neuron=lif", "hidden=8"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["position=cpg"], "position is for model = spike-rnn, spike-gru, .* and model is 'stack' of neuron 'ce-lif'"),
        (["spike_steps=2"], "spike_steps is for model = .* of neuron = lif"),
        (["model=spikformer"], "neuron: Input should be 'lif' with model = 'spikformer', not 'ce-lif'"),
        (["model=spikformer", "neuron=lif", "hidden=10"], "hidden = 10 does not divide by heads = 8"),
        (["model=spike-gru", "neuron=lif"], "has one width for all its layers: set hidden = 64, and depth"),
        ([*RNN, "heads=4"], "heads is for model = spikformer"),
        ([*RNN, "kernel=4"], "kernel is for model = spike-tcn"),
        ([*RNN, "position_channels=4"], "position_channels is for a position of random, sinusoid"),
        ([*RNN, "position=random", "position_w_max=9"], "position_w_max is for a position of cpg, sinusoid, cpg-learned, not 'random'"),
        ([*RNN, "position_full=true"], "position_full is for model = spike-rnn or spike-tcn or .* not 'spike-rnn' with 'none'"),
        (["model=spike-gru", "neuron=lif", "hidden=8", "position=cpg", "position_full=true"], "not 'spike-gru' with 'cpg'"),
        ([*RNN, "cpg=4"], "cpg is for model = stack, .*Set it to 0, its default.* Known are task, .*position"),
        ([*RNN, "scale=64"], "scale is for model = stack or spike-rnn of neuron = ce-lif"),
        ([*RNN, "neuron=ce-lif", "position=learned"], "'learned' cannot be exported, .* Use none, cpg, cpg-designed"),
        ([*RNN, "neuron=ce-lif", "encoder=delta"], "encoder is for .* of neuron = lif"),
        ([*RNN, "position=rotary"], "position: Input should be 'none', 'random'"),
    ],
)  # fmt: skip
def test_settings_without_a_meaning_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        find("digits-plain").replace(settings)


def test_tasks_that_a_model_cannot_answer_are_refused():
    split = Split(np.zeros((2, 1, 5), np.float32), np.zeros(2, np.float32))
    recipe = make(task="adding", model="spike-tcn")
    assert recipe.neuron == "lif" and recipe.hidden == (64,) and not recipe.deployable
    with pytest.raises(InputError, match="task = adding is not answered from the average"):
        build(recipe, Task("adding", 1, split, None, split, REGRESS))
    with pytest.raises(InputError, match="inputs are words, and a network of neuron = 'ce-lif' wants numbers"):
        build(find("digits-plain"), Task("mr", 2, split, None, split, vocabulary=3))


def test_a_run_that_was_ended_reaches_the_same_weights_and_norms(tmp_path):
    recipe = make(task="digits", model="spike-rnn", position="cpg", hidden=(8,), depth=1, epochs=2, batch_size=256)
    runs = [fit(recipe, tmp_path / "a")]

    def end(epoch):
        raise RuntimeError("ended")

    with pytest.raises(RuntimeError, match="ended"):
        fit(recipe, tmp_path / "b", on_epoch=end)
    runs.append(fit(recipe, tmp_path / "b"))

    kept = [safetensors.torch.load_file(run.model_path) for run in runs]
    assert any("running_mean" in name for name in kept[0]) and kept[0].keys() == kept[1].keys()
    for name, one in kept[0].items():
        assert torch.equal(one, kept[1][name]), name
    assert runs[0].result()["parameters"] == sum(p.numel() for p in build(recipe, recipe.load_task()).parameters())
    assert not runs[0].net_path.exists()


def test_uniqueness_is_told_from_pairs_of_runs(bench, tmp_path, monkeypatch):
    uniqueness = bench("uniqueness")
    settings = ["model=spike-rnn", "neuron=lif", "hidden=8", "position_channels=10", "spike_steps=2"]

    def line(code, seed, score):
        return {
            "recipe": "digits-plain",
            "settings": [*settings, f"position={code}", f"seed={seed}"],
            "result": {"test_score": score, "measures": {}},
        }

    monkeypatch.setattr(uniqueness, "_length", lambda name, settings: 64)
    lines = [line("cpg", 0, 0.5), line("cpg", 1, 0.7), line("cpg-designed", 1, 0.8), line("none", 1, 0.1)]
    (one,) = uniqueness.pairs(lines)

    assert one.positions == 128 and one.distinct[1] == 128
    assert one.distinct[0] == distinct(table(PositionOptions("cpg", 10), 1, 128)) < 100
    assert one.gains == pytest.approx([10])  # seed 0 has no partner
    assert "| 128 | " in uniqueness.order(lines)
    shares = uniqueness.shares((24, 48))
    assert all((0 < share).all() and (share <= 1).all() for share in shares.values())
    figure = analysis_figures.code_uniqueness((24, 48), shares, {one.label: one.gains})
    analysis_figures.save(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
