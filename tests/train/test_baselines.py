"""The networks that CE-LIF is compared with: their neurons' equations, gradients and parameter counts."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.train.blocks import celif
from spikeproof.train.kernels import select
from spikeproof.train.neurons import ALIF, EMBEDDINGS, LIF, NEURONS, FloatCELIF
from spikeproof.train.neurons.fire import fire
from spikeproof.train.runs.baselines import LSTM, Baseline
from spikeproof.train.runs.build import build
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.recipe import find
from spikeproof.train.runs.run import Run


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("options", "hidden", "expected"),
    [
        ({"neuron": "ce-lif-float"}, (64, 88, 88), 83_562),
        ({"neuron": "ce-lif-float"}, (64, 152, 152), 153_962),
        ({"neuron": "lif"}, (64, 256, 256), 85_130),
        ({"neuron": "lif", "recurrent": True}, (64, 256, 256), 155_082),
        ({"neuron": "alif", "recurrent": True}, (64, 256, 256), 156_234),
        ({"neuron": "ce-lif-float", "recurrent": True}, (64, 136, 136), 158_386),
        ({"neuron": "ce-lif-float", "recurrent": True}, (64, 152, 152), 181_378),
    ],
)
def test_parameters_are_as_many_as_in_the_paper(options, hidden, expected):
    assert count(Baseline(1, hidden, 10, 784, **options)) == expected


def run(neuron, x):
    """Spikes of a neuron for currents (T,) in plain Python's order of steps."""
    state, spikes = neuron.initial(x[:1, None]), []
    for t in range(len(x)):
        s, state = neuron(x[t : t + 1, None], state, t)
        spikes.append(s.item())
    return spikes


CURRENTS = torch.linspace(-0.4, 0.9, 40)[torch.randperm(40, generator=torch.Generator().manual_seed(1))]


def by_hand(name):
    """Each neuron again, in scalars and written apart from it, with its initial parameters."""
    u = s = h = 0.0
    torch.manual_seed(0)
    neuron = FloatCELIF(1, torch.nn.Parameter(torch.full((1, 40), 0.05))) if name == "ce-lif" else NEURONS[name](1)
    value = {key: parameter.double().flatten().tolist() for key, parameter in neuron.named_parameters()}
    gate = [1 / (1 + np.exp(-g)) for g in value.get("gates", [])]
    spikes = []
    for x in CURRENTS.double().tolist():
        theta = 0.3
        if name in ("lif", "ltmd"):
            u = 0.5 * u * (1 - s) + x
        elif name == "plif":
            u = u * (1 - s)
            u += 0.5 * (x - u)
        elif name == "alif":
            alpha, rho = np.exp(-1 / value["tau_membrane"][0]), np.exp(-1 / value["tau_adaptation"][0])
            h = rho * h + (1 - rho) * s
            theta = 0.3 + 1.8 * h
            u = alpha * u + x - theta * s
        elif name == "glif":
            a, b, c = gate
            u = (1 - a * 0.5) * u * (1 - c * s) + (1 - b * 0.5) * x - (1 - c) * 0.3 * s
        else:
            h = 0.99 * h + u * 0.05
            u = 0.5 * u * (1 - s) + x
            theta = 0.3 + h
        s = float(u > theta)
        spikes.append(s)
    return neuron, spikes


@pytest.mark.parametrize("name", [*NEURONS, "ce-lif"])
def test_a_neuron_follows_its_equations(name):
    neuron, expected = by_hand(name)
    found = run(neuron.double(), CURRENTS.double())
    assert found == expected
    assert 3 < sum(found) < 37


def test_the_float_celif_is_the_limit_of_the_integer_one():
    """With a fine scale the integer network's spikes are the float one's, but for ties that rounding decides."""
    torch.manual_seed(0)
    encoding = celif.TemporalEncoding(6, 50)
    block = celif.Dense({"scale": 512}, 3, 6, temporal_encoding=encoding, weight_scale=0.4, bias=False)
    with torch.no_grad():
        block.synapse.weight.copy_(block.synapse.quantized()[0])
        encoding.weight.copy_(encoding(6, 50))
    model = Baseline(3, (6,), 2, 50, neuron="ce-lif-float", threshold_decay=41 / 4096).double()
    with torch.no_grad():
        model.layers[0].synapse.weight.copy_(block.synapse.weight)
        model.layers[0].synapse.bias.zero_()
        model.encoding.copy_(encoding.weight)
    model.layers[0].neuron.threshold = block.neuron.threshold
    x = (torch.rand(20, 3, 50) < 0.6).float()

    ours, floats = block(x), model.layers[0](x.double().mT).mT

    assert 0.05 < floats.mean() < 0.8
    assert (ours != floats).float().mean() < 0.005


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_every_embedding_moves_the_threshold_in_its_own_way(embedding):
    neuron = FloatCELIF(1, torch.nn.Parameter(torch.full((1, 40), 0.05)), embedding=embedding)
    state = neuron.initial(torch.zeros(1, 1))._replace(u=torch.tensor([[0.7]]), s=torch.tensor([[1.0]]))
    _, after = neuron(torch.zeros(1, 1), state, 3)
    expected = {"s": 1, "u": 0.7, "te": 0.05, "s+te": 1.05, "u+te": 0.75, "s*te": 0.05, "u*te": 0.035}[embedding]
    assert after.h.item() == pytest.approx(expected)


def test_the_surrogate_is_a_boxcar():
    distance = torch.tensor([-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3], requires_grad=True)
    spikes = fire(distance)
    spikes.sum().backward()
    assert spikes.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert distance.grad.tolist() == [0, 0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("read", ["mean", "last", "every"])
@pytest.mark.parametrize("name", [*NEURONS, "ce-lif-float", "lstm"])
def test_every_parameter_learns_and_outputs_have_their_shape(name, read):
    torch.manual_seed(0)
    x = torch.rand(64, 2, 12)
    module = LSTM(2, (5, 4), 3, read=read)
    if name != "lstm":
        module = Baseline(2, (5, 4), 3, 12, neuron=name, recurrent=True, read=read)
    out = module(x * 3)
    assert out.shape == ((64, 3, 12) if read == "every" else (64, 3))
    out.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert sum(float(parameter.grad.abs().sum()) > 0 for parameter in module.parameters()) > 4


def test_a_baseline_trains_resumes_and_is_not_exported(tmp_path):
    recipe = find("digits-plain").replace(["neuron=alif", "recurrent=true", "hidden=6,6", "epochs=1", "batch_size=512"])
    run = fit(recipe, tmp_path)
    assert not run.net_path.exists() and run.result()["metric"] == "accuracy"
    module = Run.open(tmp_path).load_into(build(recipe, recipe.load_task()))
    assert count(module) == run.result()["parameters"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["neuron=cuba", "recurrent=true"],
            "recurrent is for neuron = 'ce-lif' and the floating-point spiking neurons",
        ),
        (["embedding=s"], "embedding = 's' is for neuron = 'ce-lif-float'"),
        (["neuron=lif", "cpg=4"], "oscillators go with neuron = 'ce-lif' or 'cuba', not 'lif'"),
        (["neuron=lstm", "recurrent=1"], "spiking neurons, not 'lstm'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        find("digits-plain").replace(settings)


@pytest.mark.parametrize(
    ("samples", "steps", "columns"), [(1, 1, 1), (3, 50, 50), (17, 40, 64), (2, 90, 40), (0, 9, 9)]
)
@pytest.mark.parametrize("every", [True, False], ids=["each step", "the mean"])
@pytest.mark.parametrize("embedding", [*EMBEDDINGS, None], ids=str)
def test_float_celif_kernels_are_the_steps(samples, steps, columns, every, embedding):
    """Spikes bit for bit; gradients, whose sums over samples have another order, nearly."""
    g = torch.Generator().manual_seed(7)
    n = 37
    encoding = torch.nn.Parameter(0.2 * torch.randn(n + 3, columns, generator=g))
    neuron = LIF(n) if embedding is None else FloatCELIF(n, encoding, half_width=0.25, embedding=embedding)
    x = torch.randn(samples, steps, n, generator=g)
    found = {}
    for kind in ("fused", "reference"):
        currents = x.clone().requires_grad_()
        with select.use(kind):
            spikes = neuron.over_time(currents)
        assert (spikes is None) == (kind == "reference")
        if spikes is None:
            spikes = by_steps(neuron, currents)
        weight = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(8))
        loss = (spikes * weight).sum() if every else (spikes.mean(1) * weight[:, 0]).sum()
        gradients = torch.autograd.grad(loss, (currents, encoding), allow_unused=True, materialize_grads=True)
        found[kind] = spikes.detach(), *gradients
    (ours, *gradients), (theirs, *wanted) = found.values()
    assert torch.equal(ours, theirs)
    assert steps < 40 or not samples or (ours.any() and not ours.all())
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (3, 50), (17, 90)])
@pytest.mark.parametrize("every", [True, False], ids=["each step", "the mean"])
def test_alif_kernels_are_the_steps(samples, steps, every):
    """With time constants so short that the adaptation matters within the sample."""
    torch.manual_seed(7)
    neuron = ALIF(37)
    with torch.no_grad():
        neuron.tau_adaptation.uniform_(2, 30)
        neuron.tau_membrane[:3] = 0.01  # below the least, which gets no gradient
    x = torch.randn(samples, steps, 37)
    weight, found = torch.randn(x.shape), {}
    for kind in ("fused", "reference"):
        currents = x.clone().requires_grad_()
        with select.use(kind):
            spikes = neuron.over_time(currents)
        assert (spikes is None) == (kind == "reference")
        spikes = by_steps(neuron, currents) if spikes is None else spikes
        loss = (spikes * weight).sum() if every else (spikes.mean(1) * weight[:, 0]).sum()
        found[kind] = spikes.detach(), *torch.autograd.grad(loss, (currents, *neuron.parameters()))
    (ours, *gradients), (theirs, *wanted) = found.values()
    assert torch.equal(ours, theirs)
    assert steps < 40 or 0.05 < ours.mean() < 0.95
    for a, b in zip(gradients, wanted, strict=True):
        assert steps == 1 or b.abs().max() > 1e-4
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, b.abs().max().item()))


def by_steps(neuron, x):
    state, spikes = neuron.initial(x[:, 0]), []
    for t, current in enumerate(x.unbind(1)):
        s, state = neuron(current, state, t)
        spikes.append(s)
    return torch.stack(spikes, 1)


def test_other_types_have_no_kernel():
    encoding = torch.nn.Parameter(torch.zeros(4, 9))
    assert FloatCELIF(4, encoding).over_time(torch.zeros(2, 9, 4, dtype=torch.float64)) is None
