"""The search for inputs that take registers far: it never passes a bound, and it finds what samples do not show."""

import io
import subprocess
import sys

import numpy as np
import pytest
from graphs import graph
from kinds import network
from typer.testing import CliRunner

import spikeproof
from spikeproof.cli import app
from spikeproof.contract.errors import InputError
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons import KINDS
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.lava_procs import compat
from spikeproof.sim import engine
from spikeproof.sim.adjoint import Target, gradients
from spikeproof.sim.bounds import bounds
from spikeproof.sim.search import search

STEPS, N = 30, 40
WEIGHT = np.array([[254] * (N // 2) + [-254] * (N // 2)])
"""Half of the weights cancel the other half, so that random inputs stay near 0."""


def cancelling():
    neuron = CUBA(num_neurons=1, u_decay=0, v_decay=4096, v_th_mant=2**17 - 1)
    return Net(
        inputs=(Input(num_channels=N),),
        layers=(Layer(name="a", synapse=Dense(weight=WEIGHT), neuron=neuron),),
        steps=STEPS,
    )


@pytest.mark.parametrize("name", ["CELIF", "CUBA", "ALIF", "RF", "ADRFIZ", "SigmaDelta", "Readout"])
def test_no_input_that_is_found_passes_a_bound(name):
    net = network(KINDS[name])
    found = bounds(net)
    reached = search(net, found, rounds=6)
    assert_within(net, found, reached)
    assert any(one.value for one in reached)


def assert_within(net, found, reached):
    """Assert that what a search reached is real, and passes no bound."""
    of = {(bound.layer, bound.register): bound for bound in found.found}
    assert {(one.layer, one.register) for one in reached} == {key for key in of if key[1] != "sum"}
    for one in reached:
        bound = of[one.layer, one.register]
        assert abs(one.value) <= bound.largest or not bound.proven
        assert one.payload.shape == (net.num_channels, net.steps)
        again = engine.run(net, one.payload[None]).layers[one.layer][one.register]
        assert one.left or abs(int(one.value)) == np.abs(again.astype(np.int64)).max()


@pytest.mark.parametrize("seed", range(8))
def test_no_input_that_is_found_for_a_graph_passes_a_bound(seed):
    net, payload = graph(seed, most_layers=3, longest=9, steps=15)
    found = bounds(net)
    reached = search(net, found, rounds=2)
    assert_within(net, found, reached)
    trace = engine.run(net, payload)
    further = [abs(one.value) >= np.abs(trace.layers[one.layer][one.register]).max() for one in reached]
    assert np.mean(further) > 0.8  # further than samples take it, nearly everywhere


@pytest.mark.parametrize("name", ["CELIF", "CUBA", "Readout", "ALIF"])
def test_gradients_take_a_search_further(name):
    net = network(KINDS[name])
    found = bounds(net)
    bred, climbed = (search(net, found, rounds=2, ascend=ascend) for ascend in (False, True))
    assert all(abs(b.value) <= abs(c.value) for b, c in zip(bred, climbed, strict=True))


def hidden(n=60, steps=40):
    """Return a network whose register is far only if channel k is busy where an encoding that nobody sees is positive.

    Breeding, which sets stretches of some channels to one value, does not find that.
    """
    te = np.where(np.random.default_rng(5).random((steps, n)) < 0.5, 120, -120)
    neuron = CELIF(num_neurons=n, v_decay=4096, th_decay=0, v_th_mant=2**17 - 1, te_exp=4)
    layers = (Layer(name="a", synapse=Dense(weight=np.eye(n, dtype=int) * 254), neuron=neuron),)
    return Net(inputs=(Input(num_channels=n),), layers=layers, te=te, steps=steps)


def test_gradients_find_what_breeding_does_not():
    net = hidden()
    found = bounds(net)
    place = [bound.register for bound in found.found if bound.register != "sum"].index("h")
    bred, climbed = (search(net, found, rounds=4, ascend=ascend)[place] for ascend in (False, True))
    bound = next(bound for bound in found.found if bound.register == "h")
    assert abs(bred.value) < 0.9 * abs(climbed.value)
    assert abs(climbed.value) == bound.largest  # and that is all that there is


def test_gradients_are_those_of_sums():
    """Of a read-out without decay, each entry of the input adds its weight, scaled to the register, once a step left."""
    layers = (Layer(name="a", synapse=Dense(weight=[[10, -4]]), neuron=Readout(num_neurons=1), delay=[0, 2]),)
    net = Net(inputs=(Input(num_channels=2),), layers=layers, steps=6)
    x = np.zeros((1, 2, 6), np.int32)
    found = gradients(net, x, [Target(0, "v", 0, 4, -1)])[0]
    assert found.tolist() == [[-10.0] * 5 + [0.0], [4.0] * 3 + [0.0] * 3]


def test_gradients_of_a_convolution_are_its_weights():
    synapse = Conv(weight=2 * np.arange(8).reshape(2, 1, 2, 2), in_shape=(2, 3, 3), groups=2, padding=(1, 0))
    n = synapse.num_neurons
    net = Net(
        inputs=(Input(num_channels=18),),
        layers=(Layer(name="a", synapse=synapse, neuron=Readout(num_neurons=n)),),
        steps=1,
    )
    targets = [Target(0, "v", neuron, 0, 1) for neuron in range(n)]
    found = gradients(net, np.zeros((n, 18, 1), np.int32), targets)[..., 0]
    assert np.array_equal(found, synapse.sums(np.eye(18)).T)


def test_a_search_keeps_to_what_is_assumed():
    net = cancelling()
    found = bounds(net, max_active=3)
    for one in search(net, found, rounds=4):
        assert np.count_nonzero(one.payload, axis=0).max() <= 3
        bound = next(each for each in found.found if each.register == one.register)
        assert abs(one.value) <= bound.largest


def test_the_search_finds_what_samples_do_not_show():
    net = cancelling()
    x = (np.random.default_rng(0).random((10_000, N, STEPS)) < 0.5).astype(np.int32)
    assert np.abs(engine.run(net, x).layers["a"]["u"]).max() < 2**23 - 1

    current = next(one for one in search(net, bounds(net)) if one.register == "u")

    assert current.left and current.used == 1.0
    with pytest.raises(InputError, match="rounds = 0"):
        search(net, bounds(net), rounds=0)


def test_a_module_is_exact_on_samples_and_not_on_what_is_found(tmp_path):
    """SLAYER's registers have no end in torch; on the input that was found, the two sides part, and verify says why."""
    torch = pytest.importorskip("torch")
    compat.apply()
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="lava-dl is not installed")
    params = {"threshold": 50.0, "current_decay": 0.0, "voltage_decay": 1.0}
    module = torch.nn.Sequential(slayer.block.cuba.Dense(params, N, 1, delay_shift=False)).eval()
    module[0].synapse.weight.data[:] = torch.tensor(WEIGHT / 64.0).reshape(module[0].synapse.weight.shape)
    x = (torch.rand(500, N, STEPS, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    assert spikeproof.verify(module, x, backends=("engine",)).exact
    spikeproof.export_netx(module, tmp_path / "a.net", sample=x[:2])

    out = tmp_path / "found.npz"
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net"), "--search", "-o", str(out)])

    assert done.exit_code == 1 and "found: inputs that take cuba1's u out of its range" in done.stdout.replace(
        "\n", " "
    )
    with np.load(out) as found:
        verdict = spikeproof.verify(module, found["x"].astype(np.float32), backends=("engine",))
    assert not verdict.exact and "OUT OF RANGE" in str(verdict)
    with np.load(out) as found:
        assert list(found["register"]) == ["u", "v"][: len(found["x"])] and abs(found["value"][0]) >= 2**23 - 1


@pytest.mark.lava
def test_the_engine_and_lava_agree_even_where_a_register_leaves_its_range():
    """What is found is a difference between torch and integers; the integers are the same everywhere."""
    net = cancelling()
    worst = next(one for one in search(net, bounds(net)) if one.register == "u" and one.left)
    verdict = spikeproof.verify(net, worst.payload[None].astype(np.float32), backends=("engine", "lava"))
    compared = verdict.comparisons[0].layers[0]
    assert (compared.spikes_differ, compared.registers_differ, compared.registers_compared) == (0, 0, 2 * STEPS)


def test_an_output_without_a_search_is_refused(tmp_path):
    from spikeproof.cli import main  # noqa: F401

    spikeproof.write(cancelling(), tmp_path / "a.net")
    for options, words in (
        (["-o", str(tmp_path / "x.npz")], "--output: only with --search"),
        (["--seed", "0"], "--seed: only with --search"),
        (["--search", "--force"], "--force: only with --output"),
    ):
        done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net"), *options])
        assert isinstance(done.exception, InputError) and words in str(done.exception)


def test_found_inputs_replace_no_file_unasked_and_go_to_stdout(tmp_path):
    spikeproof.write(cancelling(), tmp_path / "a.net")
    asked, kept = ["prove", str(tmp_path / "a.net"), "--search"], tmp_path / "thesis.npz"
    kept.write_text("mine")
    done = CliRunner().invoke(app, [*asked, "-o", str(kept)])
    assert isinstance(done.exception, InputError) and "--force" in str(done.exception) and kept.read_text() == "mine"
    assert CliRunner().invoke(app, [*asked, "-o", str(kept), "--force"]).exit_code == 1
    piped = subprocess.run(
        [sys.executable, "-m", "spikeproof", *asked, "-o", "-"], capture_output=True, timeout=120, check=False
    )
    with np.load(kept) as replaced, np.load(io.BytesIO(piped.stdout)) as streamed:
        assert np.array_equal(replaced["x"], streamed["x"])
    assert b"left it" in piped.stderr


def test_a_search_that_finds_nothing_says_that_it_writes_nothing(tmp_path):
    spikeproof.write(network(KINDS["CUBA"]), tmp_path / "a.net")
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "a.net"), "--search", "-o", str(tmp_path / "x.npz")])
    assert done.exit_code == 0 and not (tmp_path / "x.npz").exists()
    assert "x.npz: nothing is written, for no input was found that leaves a range" in done.stderr.replace("\n", " ")
