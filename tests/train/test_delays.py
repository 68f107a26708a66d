"""Delays that learn: forward the contract's whole steps, backward the gradients of a spread that is written out here."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import spikeproof
from spikeproof.contract.errors import FileFormatError, InputError, UnsupportedError
from spikeproof.contract.sources import raster
from spikeproof.contract.synapses.axon import Axon, arrivals
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export.slayer import record
from spikeproof.sim import engine
from spikeproof.sim.verify import headroom
from spikeproof.train.blocks import celif, cuba, delays
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.cpg import Concat, Encoding
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.recipe import find, make
from spikeproof.train.runs.restore import restore


def summed(x, weight, whole):
    """Sums over synapses with delays, one spike after the other, in Python's integers."""
    samples, inputs, steps = x.shape
    found = np.zeros((samples, len(weight), steps), dtype=object)
    for n, o, i, t in itertools.product(range(samples), range(len(weight)), range(inputs), range(steps)):
        if t + whole[o, i] < steps:
            found[n, o, t + whole[o, i]] += int(weight[o, i]) * int(x[n, i, t])
    return found


def spread_out(delay, most, width):
    """How the relaxation spreads a spike: a Gaussian over the whole delays, of sum 1, by torch's own gradients."""
    bell = torch.stack([torch.exp(-((tap - delay) ** 2) / (2 * width**2)) for tap in range(most + 1)])
    return bell / bell.sum(0)


def relaxed(x, weight, delay, most, width):
    """Sums in which a spike arrives spread out over all delays; shape (N, O, T)."""
    shares, steps = spread_out(delay, most, width), x.shape[-1]
    return sum(
        torch.einsum("oi,nit->not", weight * shares[d], nn.functional.pad(x, (d, 0))[..., :steps])
        for d in range(most + 1)
    )


@given(st.data())
def test_sums_are_those_of_whole_delays(data):
    n_in, n, most = (data.draw(st.integers(1, high)) for high in (4, 3, 7))
    steps, payload = data.draw(st.integers(1, 9)), data.draw(st.sampled_from((1, 255)))
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    module = delays.SynapseDelays((n, n_in), most)
    with torch.no_grad():
        module.delay.uniform_(-2, most + 2)
    x, weight = torch.randint(-payload, payload + 1, (2, n_in, steps)), torch.randint(-128, 128, (n, n_in)) * 2
    bias = data.draw(st.sampled_from((None, torch.arange(n, dtype=torch.float64))))

    got = module(x.double(), weight.double(), bias)

    whole = module.record()
    expected = summed(x.numpy(), weight.numpy(), whole) + (0 if bias is None else bias.numpy()[:, None])
    assert ((whole >= 0) & (whole <= most)).all()
    assert np.array_equal(got.detach().numpy(), expected.astype(float))
    float32 = module(x.float(), weight.float(), None if bias is None else bias.float())
    assert float32.dtype == torch.float32 and np.array_equal(float32.detach().numpy(), expected.astype(float))


@given(st.integers(0, 2**16), st.integers(1, 9), st.integers(1, 12))
def test_axons_are_those_of_the_contract(seed, most, steps):
    torch.manual_seed(seed)
    module, s = delays.AxonDelays((5,), most), (torch.rand(3, 5, steps) < 0.5).float()
    with torch.no_grad():
        module.delay[0] = most  # so that one is not 0
    assert np.array_equal(module(s).detach().numpy(), arrivals(Axon(delay=module.record()), s.numpy()))


@pytest.mark.parametrize("width", [0.5, 1.7, 6.0])
def test_gradients_of_synapses_are_those_of_the_spread_for_delays_and_exact_for_the_rest(width):
    torch.manual_seed(0)
    most, steps = 6, 11
    module = delays.SynapseDelays((4, 3), most).double()
    module.width = width
    x = (torch.rand(2, 3, steps) < 0.4).double().requires_grad_()
    weight = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    g = torch.randn(2, 4, steps, dtype=torch.float64)

    got = torch.autograd.grad((module(x, weight, None) * g).sum(), (x, weight, module.delay))

    whole = nn.functional.one_hot(module.whole(), most + 1).movedim(-1, 0).double()
    hard = sum(
        torch.einsum("oi,nit->not", weight * whole[d], nn.functional.pad(x, (d, 0))[..., :steps])
        for d in range(most + 1)
    )
    expected = torch.autograd.grad((hard * g).sum(), (x, weight))
    (of_delay,) = torch.autograd.grad((relaxed(x, weight, module.delay, most, width) * g).sum(), module.delay)
    for ours, theirs in zip(got, (*expected, of_delay), strict=True):
        assert theirs.abs().max() > 1e-3 and torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    with torch.no_grad():  # and by finite differences, without torch's gradients
        for at in itertools.product(range(4), range(3)):
            ends = []
            for step in (1e-5, -1e-5):
                moved = module.delay.clone()
                moved[at] += step
                ends.append((relaxed(x, weight, moved, most, width) * g).sum())
            assert torch.isclose(got[2][at], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_gradients_of_axons_are_those_of_the_spread_for_delays_and_exact_for_spikes(width):
    torch.manual_seed(1)
    most, steps = 5, 9
    module = delays.AxonDelays((4,), most).double()
    module.width = width
    s = (torch.rand(3, 4, steps) < 0.4).double().requires_grad_()
    g = torch.randn(3, 4, steps, dtype=torch.float64)

    of_spikes, of_delay = torch.autograd.grad((module(s) * g).sum(), (s, module.delay))

    identity = torch.eye(4, dtype=torch.float64)
    soft = relaxed(s, identity, module.delay[:, None].expand(4, 4), most, width)
    (expected,) = torch.autograd.grad((soft * g).sum(), module.delay)
    assert expected.abs().min() > 1e-4 and torch.allclose(of_delay, expected, rtol=1e-10, atol=1e-12)
    for c, d in enumerate(module.record()):
        assert torch.equal(of_spikes[:, c], nn.functional.pad(g[:, c, d:], (0, int(d))))


def test_a_delay_at_the_end_of_its_range_learns_inward_only():
    torch.manual_seed(0)
    module = delays.SynapseDelays((1, 1), 4)
    x = torch.zeros(1, 1, 8)
    x[0, 0, 1] = 1
    weight, later = torch.ones(1, 1), torch.arange(8.0)  # the later a spike arrives, the more it costs
    for start, sign, moves in ((-0.5, 1, False), (-0.5, -1, True), (4.5, -1, False), (4.5, 1, True)):
        with torch.no_grad():
            module.delay.fill_(start)
        (grad,) = torch.autograd.grad((module(x, weight, None) * sign * later).sum(), module.delay)
        assert bool(grad != 0) is moves


def test_a_delay_is_learned():
    """One synapse, and the current that it should deliver: gradient descent finds the delay from far away."""
    torch.manual_seed(0)
    module, x = delays.SynapseDelays((1, 1), 20), (torch.rand(8, 1, 60) < 0.1).float()
    target = nn.functional.pad(x, (17, 0))[..., :60].cumsum(-1)
    with torch.no_grad():
        module.delay.fill_(3.0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.3)
    for i in range(150):
        delays.narrow(module, i / 150)
        optimizer.zero_grad()
        (module(x, torch.ones(1, 1), None).cumsum(-1) - target).square().mean().backward()
        optimizer.step()
    assert module.record() == 17


def test_the_spread_narrows_over_three_quarters_of_the_training():
    module = nn.Sequential(delays.AxonDelays((2,), 40), nn.Linear(2, 2), delays.SynapseDelays((1, 1), 1))
    widths = []
    for share in (0.0, 0.375, 0.75, 1.0):
        delays.narrow(module, share)
        widths.append(module[0].width)
        assert module[2].width == 0.5  # never less than half a step
    assert widths[0] == 10 and widths[1] == pytest.approx(5**0.5) and widths[2:] == pytest.approx([0.5, 0.5])


def dense(*sizes, **options):
    return cuba.Dense({"scale": 256}, *sizes, **options)


def network(neuron, delay, most=9, width=16):
    """Two layers with delays and a read-out, of analog input in four channels."""
    encoding = {} if neuron == "cuba" else {"temporal_encoding": celif.TemporalEncoding(width, 24)}
    kind = cuba if neuron == "cuba" else celif
    return nn.Sequential(
        kind.Dense({"scale": 256}, 4, width, input_exp=-6, delay=delay, max_delay=most, weight_scale=3.0, **encoding),
        kind.Dense({"scale": 256}, width, width, delay=delay, max_delay=most, weight_scale=3.0, **encoding),
        Readout(width, 3),
    )


@pytest.mark.lava
@pytest.mark.parametrize("delay", ["axon", "synapse"])
@pytest.mark.parametrize("neuron", ["ce-lif", "cuba"])
def test_a_network_is_exact_on_engine_and_lava_and_from_its_file(neuron, delay, tmp_path):
    torch.manual_seed(3)
    module, x = network(neuron, delay), torch.rand(6, 4, 24).numpy()

    verdict = spikeproof.verify(module, x)

    assert verdict.exact and verdict.whole, str(verdict)
    assert spikeproof.verify(module, x, backends=("engine",), registers=False).exact
    written = spikeproof.export_netx(module, tmp_path / "net.net", sample=x)
    loaded = spikeproof.load(tmp_path / "net.net")
    for one in (written, loaded):
        for layer, part in zip(one.layers[:2], module, strict=False):
            held = layer.axon.delay if delay == "axon" else layer.delay
            assert np.array_equal(held, part.delays.record()) and len(np.unique(held)) > 3
            assert (layer.axon is None) == (delay == "synapse") and layer.delay.any() == (delay == "synapse")


def test_delays_change_what_a_network_computes():
    torch.manual_seed(3)
    module, x = network("cuba", "synapse"), torch.rand(6, 4, 24)
    before = module(x)
    with torch.no_grad():
        module[1].delays.delay.copy_(module[1].delays.delay.flip(0))
    assert not torch.equal(module(x), before)


def test_true_is_a_delay_of_each_axon():
    assert isinstance(cuba.Dense({}, 2, 3, delay=True).delays, delays.AxonDelays)
    assert cuba.Dense({}, 2, 3, delay=False).delays is None


@pytest.mark.parametrize("delay", ["axon", "synapse"])
def test_delays_of_zero_leave_the_block_as_it_is_without(delay):
    torch.manual_seed(0)
    encoding, x = celif.TemporalEncoding(5, 12), (torch.rand(3, 4, 12) < 0.5).float()
    plain = celif.Dense({}, 4, 5, temporal_encoding=encoding)
    late = celif.Dense({}, 4, 5, temporal_encoding=encoding, delay=delay, max_delay=3)
    with torch.no_grad():
        late.delays.delay.zero_()
        late.synapse.load_state_dict(plain.synapse.state_dict())
    assert plain(x).any() and torch.equal(plain(x), late(x))
    ours, theirs = late.record("a"), plain.record("a")
    assert ours.axon is None and not ours.delay.any() and np.array_equal(ours.synapse.weight, theirs.synapse.weight)
    grads = [torch.autograd.grad(one(x).sum(), one.synapse.weight)[0] for one in (plain, late)]
    if delay == "synapse":
        assert grads[0].any() and torch.allclose(*grads)


@pytest.mark.lava
def test_elements_that_are_moved_in_front_of_delays_take_their_delays_along():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = dense(4, 8, input_exp=-6), dense(6, 5, delay="synapse")

        def forward(self, x):
            return self.second(self.first(x).flip(1)[:, :6])

    torch.manual_seed(2)
    module, x = Turned(), torch.rand(5, 4, 24)
    verdict = spikeproof.verify(module, x.numpy())
    assert verdict.exact and verdict.whole and module(x).any(), str(verdict)
    layer = record(module, sample=x).layers[1]
    assert np.array_equal(layer.delay[:, :1:-1], module.second.delays.record())


def test_an_element_with_two_delays_to_a_neuron_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = dense(4, 3, input_exp=-6), dense(6, 5, delay="synapse")

        def forward(self, x):
            s = self.first(x)
            return self.second(torch.cat([s, s], dim=1))

    torch.manual_seed(0)
    with pytest.raises(UnsupportedError, match=r"'cuba2': element \d of what arrives .* delays that differ\. Give"):
        record(Twice(), sample=torch.rand(2, 4, 12))


def test_oscillators_beside_delays_of_synapses_are_refused():
    def with_code(delay):
        return nn.Sequential(Concat(Encoding(4, 10.0)), cuba.Dense({}, 7, 5, delay=delay), Readout(5, 2))

    x = (torch.rand(2, 3, 12) < 0.5).float()
    with pytest.raises(
        UnsupportedError, match="'cuba1': delay: behind a Concat .* Build it without, or with delay='axon'"
    ):
        record(with_code("synapse"), sample=x)
    assert record(with_code("axon"), sample=x).layers[0].axon is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delay": "dendrite"}, "delay = 'dendrite' is unknown; choose 'axon'"),
        ({"delay": "axon", "max_delay": 64}, r"max_delay = 64 is outside 1\.\.63 steps, .* axons"),
        ({"delay": "synapse", "max_delay": 0}, r"max_delay = 0 is outside 1\.\.1023 steps, .* synapses"),
        ({"bias_exp": 3}, "CUBA bias_exp = 3: .* Build the block with bias_exp = 6"),
        ({"input_exp": 0, "input_bits": 20}, "CUBA: 3 inputs of up to .* Use fewer inputs or input_bits"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(UnsupportedError, match=words):
        cuba.Dense({}, 3, 2, **options)
    with pytest.raises(UnsupportedError, match=r"voltage_decay = 2 is outside 0\.\.1"):
        cuba.Neuron(voltage_decay=2)


@given(st.data())
def test_a_cuba_block_is_its_record(data):
    """Weights, biases and input of any value: the block's registers are those of its record's step."""
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    n_in, n, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 20))
    params = {
        "threshold": data.draw(st.sampled_from((0.0, 0.01, 0.3, 2.0))),
        "voltage_decay": data.draw(st.sampled_from((0.0, 0.001, 0.5, 1.0))),
        "scale": 2 ** data.draw(st.integers(0, 10)),
    }
    graded = data.draw(st.booleans())
    size = data.draw(st.sampled_from((0.1, 1.0, 30.0)))
    module = cuba.Dense(params, n_in, n, weight_scale=size, input_exp=-6 if graded else None)
    x = torch.rand(2, n_in, steps) if graded else (torch.rand(2, n_in, steps) < 0.5).float()

    layer, got = module.record("layer"), module.registers(x)
    sums = np.einsum("oi,nit->tno", layer.synapse.weight.astype(np.int64), module.input_record().encode(x.numpy()))

    state = layer.neuron.reset((2,))
    for t in range(steps):
        spikes, state = layer.neuron.step(state, sums[t])
        for ours, theirs in (
            (got.s, spikes),
            (got.u / module.neuron.unit, state.u),
            (got.v / module.neuron.unit, state.v),
        ):
            assert np.array_equal(ours[..., t], theirs)
    assert torch.equal(module(x), got.s)


def test_cuba_neurons_in_a_loop_of_the_users_are_captured():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = dense(4, 6)

        def forward(self, x):
            return self.dense.neuron(self.dense.synapse(x))

    torch.manual_seed(0)
    module, x = Loop(), (torch.rand(4, 4, 20) < 0.5).float()
    verdict = spikeproof.verify(module, x.numpy(), backends=("engine",))
    assert verdict.exact and module(x).any()


@pytest.mark.parametrize("channels", [0, 2])
def test_headroom_counts_payloads_where_they_arrive(channels):
    """The largest sum of magnitudes with a delay for each synapse, beside oscillators too: added up one by one."""
    torch.manual_seed(0)
    net = record(nn.Sequential(dense(3, 4, input_exp=-6, delay="synapse", max_delay=5)), steps=10)
    weight, of_codes = net.layers[0].synapse.weight.astype(np.int64), np.full((4, channels), -200)
    if channels:
        synapse, codes = Dense(weight=np.hstack([weight, of_codes])), Encoding(channels, 10.0).params
        net = dataclasses.replace(net, layers=(dataclasses.replace(net.layers[0], synapse=synapse, cpg=codes),))
    payload = net.input.encode(torch.rand(2, 3, 10).numpy())

    found = headroom.measure(net, payload, [engine.run(net, payload, record="all")], np.arange(len(payload)))

    magnitudes = summed(np.abs(payload), np.abs(weight), net.layers[0].delay)
    if channels:
        spikes = raster(codes, 10) * net.cpg_payload(0)
        assert spikes.any()
        magnitudes += (np.abs(of_codes) @ spikes.T)[None]
    assert found[0].register == headroom.SUM and found[0].largest == magnitudes.max()


RECIPE = {"task": "digits", "hidden": (6, 5), "epochs": 2, "batch_size": 256, "validation": 0.1}


@pytest.mark.parametrize(("neuron", "delay"), [("cuba", "synapse"), ("ce-lif", "axon"), ("cuba", "none")])
def test_a_recipe_trains_delays_and_its_network_is_restored_from_its_file(neuron, delay, tmp_path):
    run = fit(make(neuron=neuron, delay=delay, **RECIPE), tmp_path)
    module = run.load().module
    held = [part.delays for part in module.blocks if getattr(part, "delays", None) is not None]
    assert len(held) == (0 if delay == "none" else 2)
    run.model_path.unlink()
    again = run.load().module
    x = torch.rand(3, 1, 64)
    assert torch.equal(module(x), again(x))


def test_a_run_that_goes_on_narrows_its_delays_as_one_that_was_not_ended(tmp_path, monkeypatch):
    class Ended(Exception):
        pass

    def end(epoch):
        raise Ended

    shares, narrow = [], delays.narrow
    monkeypatch.setattr(delays, "narrow", lambda module, share: (shares.append(share), narrow(module, share)))
    recipe = make(neuron="cuba", delay="synapse", **RECIPE)
    whole = fit(recipe, tmp_path / "whole")
    with pytest.raises(Ended):
        fit(recipe, tmp_path / "ended", on_epoch=end)
    again = fit(recipe, tmp_path / "ended")
    assert shares == [0.0, 0.5, 0.0, 0.5]
    assert (
        whole.log_path.read_text().splitlines()[2].split(",")[1]
        == again.log_path.read_text().splitlines()[2].split(",")[1]
    )


def test_delays_stay_as_they_are_drawn_at_a_rate_of_zero(tmp_path):
    drawn, learned = (
        fit(make(neuron="cuba", delay="synapse", delay_rate=rate, **RECIPE), tmp_path / str(rate)) for rate in (0, 20)
    )
    torch.manual_seed(0)
    first = Classifier(1, (6, 5), 10, 64, neuron="cuba", delay="synapse")
    ours, theirs = (run.load().module.blocks[1].delays.delay for run in (drawn, learned))
    assert torch.equal(ours, first.blocks[1].delays.delay) and not torch.equal(ours, theirs)


def test_a_file_with_an_encoding_is_none_of_a_network_without():
    torch.manual_seed(0)
    ours, other = Classifier(1, (4,), 2, 8, neuron="cuba"), Classifier(1, (4,), 2, 8)
    net = record(other.blocks, steps=8)
    with pytest.raises(
        FileFormatError, match="CELIF|The file has a temporal encoding, and the recipe's network has none"
    ):
        restore(ours, net)
    with pytest.raises(FileFormatError, match="The file has no temporal encoding, and the recipe's network has one"):
        restore(other, dataclasses.replace(record(ours.blocks, steps=8)))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"max_delay": 5}, "max_delay is for delays that learn: set delay = axon or synapse"),
        ({"delay": "axon", "max_delay": 64}, "max_delay = 64 is beyond the 63 steps of an axon"),
        ({"delay": "axon", "neuron": "lif"}, "delay is for neuron = 'ce-lif' or 'cuba', not 'lif'"),
        ({"delay": "synapse", "cpg": 4}, "delay = 'synapse' would delay oscillators"),
        ({"neuron": "cuba", "cpg_te": 4}, "cpg_te drives the temporal encoding of CE-LIF, and neuron is 'cuba'"),
        ({"neuron": "cuba", "recurrent": True}, "recurrent is for neuron = 'ce-lif'"),
    ],
)
def test_recipes_refuse_delays_that_mean_nothing(keys, words):
    with pytest.raises(InputError, match=words):
        make(task="digits", **keys)


def test_the_recipe_with_delays_is_one():
    recipe = find("fsdd-delays")
    assert (recipe.delay, recipe.neuron, recipe.deployable) == ("synapse", "cuba", True)
