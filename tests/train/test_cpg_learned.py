"""Oscillators that learn: the contract's integers at every edge, gradients, and networks that are exact as trained."""

import itertools

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import FileFormatError, InputError, RecordError, UnsupportedError
from spikeproof.contract.sources import phase, raster
from spikeproof.contract.sources.coupled import Coupled
from spikeproof.contract.sources.phase import NYQUIST, TURN, Phase
from spikeproof.export import formats
from spikeproof.export.slayer import record
from spikeproof.lava_procs import compat
from spikeproof.sim.verify.verify import verify
from spikeproof.train import cpg
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.runs.build import build
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.loop.trainee import Trainee
from spikeproof.train.runs.recipe import make
from spikeproof.train.runs.restore import restore

STEPS = 64
UNIT = 1 / TURN
INCREMENTS = (0, 1, NYQUIST - 1, NYQUIST, NYQUIST + 1, TURN - 1, TURN, -1, -NYQUIST, 5 * TURN + 12344, 2097152)
PHASES = (0, UNIT, 0.5 - UNIT, 0.5, 0.5 + UNIT, 1 - UNIT, 1, -UNIT, -0.25, 7.125)
WINDOWS = (-0.3, 0, UNIT, 3 * UNIT, 0.2, 0.5 - UNIT, 0.5 + UNIT, 1 - UNIT, 1, 1.4)


def learned(n=6, steps=STEPS, seed=0, **options):
    """Oscillators whose parameters are anything."""
    encoding = cpg.Learned(n, steps, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        encoding.oscillator_turns.normal_(0, steps / 3, generator=generator)
        encoding.oscillator_phase.uniform_(-2, 2, generator=generator)
        encoding.oscillator_window.uniform_(0.1, 0.6, generator=generator)
    return encoding


def stepped(params, steps):
    state, found = phase.reset(params), []
    for _ in range(steps):
        spikes, state = phase.step(params, state)
        found.append(spikes)
    return np.array(found)


def test_spikes_are_the_records_at_every_edge():
    edges = np.array(list(itertools.product(INCREMENTS, PHASES, WINDOWS)))
    encoding = cpg.Learned(len(edges), STEPS)
    with torch.no_grad():
        encoding.oscillator_turns.copy_(torch.from_numpy(edges[:, 0] * UNIT * STEPS))
        encoding.oscillator_phase.copy_(torch.from_numpy(edges[:, 1]))
        encoding.oscillator_window.copy_(torch.from_numpy(edges[:, 2]))

    params, spikes = encoding.record(), encoding(600).detach().numpy().T

    assert (params.increment <= NYQUIST).all() and params.length.min() == 1 and params.length.max() == TURN - 1
    assert set(params.increment.tolist()) >= {0, 1, NYQUIST - 1, NYQUIST, 12344}
    assert np.array_equal(spikes, stepped(params, 600)) and np.array_equal(spikes, raster(params, 600))
    # The same window test in real numbers, where no phase is near an edge.
    at = (edges[:, 1] + np.arange(600)[:, None] * edges[:, 0] * UNIT + 0.5) % 1 - 0.5
    inside = edges[:, 2].clip(0, 1) / 2 - np.abs(at)
    far = np.abs(inside) > 2 * UNIT
    assert np.array_equal(spikes[far], inside[far] > 0) and far.mean() > 0.6


@pytest.mark.parametrize("steps", [1, 7, 24, 672, 2**23])
def test_a_record_gives_the_parameters_again(steps):
    first, again = learned(300, steps, seed=steps), cpg.Learned(300, steps)
    again.load(first.record())
    assert again.record() == first.record()
    assert torch.equal(again(50), first(50))


@pytest.mark.parametrize(
    "params",
    [
        Phase.from_paper(40),
        Phase.from_paper(7, 50.0, -0.3),
        Phase.from_paper(3, 9.0, period=11),
        cpg.design(672).params,
        cpg.design(300, style="paper").params,
        Phase(num_neurons=3, increment=[5, 0, NYQUIST], start=[TURN - 2, 0, 9], length=[4, 0, TURN], initial=3),
    ],
    ids=["published", "odd", "period", "gray", "designed", "edges"],
)
def test_it_begins_with_what_it_is_given(params):
    encoding = cpg.Learned(steps=500, params=params)
    found, expected = encoding(2000).detach().numpy().T, raster(params, 2000)
    assert np.array_equal(found, raster(encoding.record(), 2000))
    # A window of even length has no middle, and loses its last phase.
    last = (phase.phases(params, np.arange(2000) % (params.period or 2000)) - params.start) % TURN == params.length - 1
    lost = last & (params.length % 2 == 0)
    silent = (params.length == 0) & (found == 1)  # nothing is the window of one phase
    assert np.array_equal(found != expected, lost | silent)
    assert (found != expected).mean() < 0.002
    assert torch.equal(cpg.Learned(40, 500)(99), cpg.Encoding(40)(99))


def smoothed(turns, at_0, window, positions, steps, surrogate_reach):
    """The spikes whose derivative is the surrogate: the integral of a triangle over the distance to the edge."""
    at = (at_0 + positions[:, None] * turns / steps + 0.5) % 1 - 0.5
    x = ((window / 2 - np.abs(at)) / surrogate_reach).clip(-1, 1)
    return 0.5 + x - x * np.abs(x) / 2


@pytest.mark.parametrize("surrogate_reach", [0.25, 0.1])
@pytest.mark.parametrize("period", [0, 17])
def test_gradients_are_those_of_smoothed_spikes(surrogate_reach, period):
    encoding = learned(9, surrogate_reach=surrogate_reach).double()
    encoding.period = period
    weight = np.random.default_rng(0).normal(size=(50, 9))
    (encoding(50).T * torch.from_numpy(weight)).sum().backward()

    parameters = list(encoding.parameters())
    values = [one.detach().numpy() for one in parameters]
    positions = np.arange(50) % (period or 50)
    for i, parameter in enumerate(parameters):
        for channel in range(9):
            losses = []
            for side in (1, -1):
                moved = [value.copy() for value in values]
                moved[i][channel] += side * 1e-6
                losses.append((smoothed(*moved, positions, STEPS, surrogate_reach) * weight).sum())
            expected = (losses[0] - losses[1]) / 2e-6
            # The spikes are of rounded parameters: 2**-24 turn off, where the triangle's slope is 1 / surrogate_reach**2.
            assert parameter.grad[channel].item() == pytest.approx(expected, rel=1e-3, abs=2e-4), (i, channel)


def test_windows_past_their_ends_come_back_and_go_no_further():
    encoding = learned(4)
    with torch.no_grad():
        encoding.oscillator_window.copy_(torch.tensor([-0.1, -0.1, 1.1, 1.1]))
    (encoding(STEPS) * torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])).sum().backward()
    grad = encoding.oscillator_window.grad
    assert grad[0] == 0 and grad[1] < 0 and grad[2] > 0 and grad[3] == 0


@pytest.mark.parametrize(("begin", "goal"), [(3.0, 3.4), (3.4, 3.0), (0.3, 0.8), (20.0, 19.6), (31.9, 32.2)])
def test_training_moves_a_frequency_to_its_target(begin, goal):
    """The last target is past half a turn a step: it is reached all the same, as a slower one run backwards."""
    target, encoding = cpg.Learned(1, STEPS), cpg.Learned(1, STEPS)
    with torch.no_grad():
        for one, turns in ((target, goal), (encoding, begin)):
            one.oscillator_turns.fill_(turns)
            one.oscillator_phase.fill_(0.1)
            one.oscillator_window.fill_(0.3)
        wanted = target(STEPS)
    optimizer = torch.optim.Adam([encoding.oscillator_turns], lr=0.01)
    before = (encoding(STEPS) - wanted).abs().sum().item()
    for _ in range(150):
        optimizer.zero_grad()
        (encoding(STEPS) - wanted).square().sum().backward()
        optimizer.step()

    assert before >= 5 and (encoding(STEPS) - wanted).abs().sum() <= 2
    assert encoding.oscillator_turns.item() == pytest.approx(goal, abs=0.06)
    assert raster(encoding.record(), STEPS).T.tolist() == encoding(STEPS).tolist()


def trained(module, channels, steps, count=4):
    """Train a network a little; its oscillators have moved."""
    optimizer = torch.optim.Adam(module.parameters(), lr=0.03)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (12, channels, steps))).float()
    before = [one.record() for one in module.modules() if isinstance(one, cpg.Learned)]
    for _ in range(count):
        optimizer.zero_grad()
        found = module(x)
        found = found.mean(-1) if found.dim() == 3 else found
        torch.nn.functional.cross_entropy(found, torch.arange(12) % 3).backward()
        optimizer.step()
    after = [one.record() for one in module.modules() if isinstance(one, cpg.Learned)]
    assert before
    for old, new in zip(before, after, strict=True):
        for name in ("increment", "initial", "length"):
            assert (getattr(old, name) != getattr(new, name)).any(), name
    return module.eval(), x


def celif_network(steps=24):
    torch.manual_seed(0)
    te = cpg.DrivenEncoding(14, learned(5, steps, seed=1), std=0.05)
    return torch.nn.Sequential(
        cpg.Dense({"scale": 256}, 2, 14, cpg=learned(8, steps), temporal_encoding=te, input_exp=-6),
        cpg.Dense({"scale": 256}, 14, 10, cpg=learned(6, steps, seed=2), temporal_encoding=te),
        Readout(10, 3),
    )


def test_a_trained_celif_network_is_exact_on_the_engine_and_in_files(tmp_path):
    module, x = trained(celif_network(), 2, 24)

    verdict = verify(module, x[:3].numpy(), backends=("engine", "reference"))

    net = verdict.net
    assert verdict.exact and verdict.whole, str(verdict)
    assert [layer.cpg for layer in net.layers[:2]] == [module[i][0].encoding.record() for i in (0, 1)]
    assert net.te.cpg == module[0][1].neuron.temporal_encoding.encoding.record()
    formats.write(net, tmp_path / "a.net")
    formats.write(net, tmp_path / "a.nir")
    assert formats.load(tmp_path / "a.net") == net == formats.load(tmp_path / "a.nir")


@pytest.mark.lava
def test_a_trained_celif_network_is_exact_on_lava():
    module, x = trained(celif_network(), 2, 24)
    verdict = verify(module, x[:3].numpy())
    assert verdict.exact and verdict.comparisons[-1].silent == (), str(verdict)


@pytest.mark.lava
def test_stock_slayer_blocks_beside_oscillators_that_learned_are_exact_on_lava():
    compat.apply()
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    torch.manual_seed(0)
    params = {"threshold": 0.5, "current_decay": 0.3, "voltage_decay": 0.1}
    module, x = trained(
        torch.nn.Sequential(
            cpg.Concat(learned(6, 20)),
            slayer.block.cuba.Dense(params, 2 + 6, 10, delay_shift=False, weight_scale=3),
            cpg.Concat(learned(5, 20, seed=1)),
            slayer.block.cuba.Dense(params, 10 + 5, 3, delay_shift=False, weight_scale=3),
        ),
        2,
        20,
    )

    verdict = verify(module, x[:3].numpy())

    assert verdict.exact and verdict.comparisons[1].silent == (), str(verdict)
    assert [layer.cpg for layer in verdict.net.layers] == [module[i].encoding.record() for i in (0, 2)]


RECIPE = {
    "task": "digits",
    "model": "spike-rnn",
    "neuron": "ce-lif",
    "hidden": (8,),
    "depth": 1,
    "position": "cpg-learned",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recipe = make(**RECIPE, position_channels=6, position_w_max=50.0, epochs=1, stride=4, weight_decay=10.0)
    return fit(recipe, tmp_path_factory.mktemp("run"))


def test_a_run_is_given_again_by_its_exported_network_alone(run):
    recipe, net = run.recipe(), run.net()
    module = build(recipe, recipe.load_task())
    begun = module.blocks[0].encoding.record()
    assert begun.num_neurons == 6 and net.layers[0].cpg != begun

    restored = restore(module, net)

    assert restored.blocks[0].encoding.record() == net.layers[0].cpg
    assert np.array_equal(record(restored.blocks, steps=64).te, net.te)


def test_a_file_of_other_oscillators_is_refused(run):
    net, recipe = run.net(), run.recipe()
    module = build(recipe.replace(["position_channels=5"]), recipe.load_task())
    with pytest.raises(FileFormatError, match="5 oscillators that learn, and the file 6 of kind Phase|array of"):
        restore(module, net)


def test_oscillators_have_a_rate_of_their_own_and_no_decay():
    recipe = make(**RECIPE, position_rate=0.5, learning_rate=0.1, weight_decay=0.2, te_rate=0.3)
    task = recipe.load_task()
    module = build(recipe, task)
    groups = Trainee(recipe, module, task)._groups()
    of = {id(one): group for group in groups for one in group["params"]}
    encoding = module.blocks[0].encoding
    for parameter in encoding.parameters():
        assert of[id(parameter)]["lr"] == pytest.approx(0.05) and of[id(parameter)]["weight_decay"] == 0
    assert of[id(module.encoding.weight)]["lr"] == pytest.approx(0.03)
    assert sum(len(group["params"]) for group in groups) == len(list(module.parameters()))


@pytest.mark.parametrize(
    ("make_it", "error", "words"),
    [
        (lambda: cpg.Learned(0, 4), RecordError, "num_neurons = 0"),
        (lambda: cpg.Learned(4, 0), RecordError, "Learned steps"),
        (lambda: cpg.Learned(4, 2**23 + 1), RecordError, "Learned steps"),
        (lambda: cpg.Learned(4, 9, surrogate_reach=0.0), UnsupportedError, "surrogate_reach = 0.0 is not above 0"),
        (lambda: cpg.Learned(steps=9, params=Coupled.from_paper(4)), UnsupportedError, "Coupled oscillators have no phase"),
        (lambda: cpg.Learned(4, 9).load(Phase.from_paper(3)), InputError, "3 oscillators for 4 that learn"),
        (lambda: make(**{**RECIPE, "position": "cpg"}, position_rate=2.0), InputError, "position_rate is for a position of cpg-learned"),
    ],
)  # fmt: skip
def test_what_it_does_not_take_is_refused(make_it, error, words):
    with pytest.raises(error, match=words):
        make_it()
