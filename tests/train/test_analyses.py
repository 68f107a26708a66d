"""What is said of a trained network is true of networks of which it is known."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import FileFormatError, UnsupportedError
from spikeproof.export.arithmetic import spiking
from spikeproof.export.slayer import record
from spikeproof.train.analysis import analyses
from spikeproof.train.runs.baselines import LSTM, Baseline
from spikeproof.train.runs.build import build
from spikeproof.train.runs.recipe import find
from spikeproof.train.runs.run import Run
from spikeproof.train.sequence import SequenceModel
from spikeproof.train.sequence.position import PositionOptions
from spikeproof.train.tasks.objectives import CLASSIFY


@pytest.fixture
def trained():
    torch.manual_seed(0)
    recipe = find("digits-plain").replace(["hidden=8,8"])
    task = recipe.load_task()
    return build(recipe, task), task.test.take(np.arange(12)), task


def test_an_encoding_with_a_period_is_like_itself_a_period_later(trained):
    module, _, _ = trained
    with torch.no_grad():
        module.encoding.weight.copy_(module.encoding.weight[:, :8].repeat(1, 8) * 5)
    similarity = analyses.encoding_similarity(record(module.blocks, steps=64).encoding(64))
    assert similarity.shape == (64, 64)
    assert np.allclose(similarity.diagonal(), 1) and np.allclose(similarity.diagonal(8), 1)
    assert similarity.diagonal(3).mean() < 0.99


def test_parameters_at_the_ends_of_their_registers_are_counted(trained):
    module, _, _ = trained
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.clamp_(-0.1, 0.1)
        module.blocks[1].synapse.weight.view(-1)[:16] = torch.tensor([1.5, -1.5]).repeat(8)  # of 64
        module.blocks[1].synapse.weight.view(-1)[16] = 0.99  # one level short of the end, 254 / 256
        module.blocks[1].synapse.bias[0] = 9.0
        module.encoding.weight.view(-1)[:128] = 0.3  # of 512
    found = analyses.saturated(record(module.blocks, steps=64))
    layers = [layer.name for layer in record(module.blocks, steps=64).layers]
    assert found == {
        f"weights of {layers[0]}": 0.0, f"biases of {layers[0]}": 0.0,
        f"weights of {layers[1]}": 17 / 64, f"biases of {layers[1]}": 1 / 8,
        f"weights of {layers[2]}": 0.0, f"biases of {layers[2]}": 0.0,
        "encoding": 0.25,
    }  # fmt: skip


def test_gradients_over_time_are_those_of_autograd(trained):
    module, some, _ = trained
    found = analyses.gradients_over_time(module, some, CLASSIFY)
    assert list(found) == ["layer 1", "layer 2"] and all(norms.shape == (64,) for norms in found.values())
    # The read-out averages over time, so the last layer hears the loss directly and evenly, but for what its own
    # spikes change later: the last step has that part alone.
    first, second, readout = module.blocks
    spikes = second(first(torch.as_tensor(some.x))).detach().requires_grad_()
    loss = CLASSIFY.loss(readout(spikes), torch.as_tensor(some.y))
    (direct,) = torch.autograd.grad(loss, spikes)
    norms = direct.square().sum((0, 1)).sqrt()
    assert found["layer 2"] == pytest.approx((norms / norms.max()).numpy(), rel=1e-5)
    assert found["layer 1"].max() == 1 and found["layer 1"].min() < 0.9


@pytest.mark.parametrize(
    "make", [lambda: Baseline(1, (64, 7), 10, 64, neuron="alif", read="last"), lambda: LSTM(1, (64, 7), 10)]
)
def test_gradients_of_floating_point_networks_too(trained, make):
    _, some, _ = trained
    torch.manual_seed(0)  # some networks are silent in their first state
    network = make()
    found = analyses.gradients_over_time(network, some, CLASSIFY)
    assert list(found) == ["layer 1", "layer 2"] and all(norms.shape == (64,) for norms in found.values())
    assert all(norms.max() == 1 for norms in found.values())
    if network.read == "last":  # of the last layer's spikes, the loss hears the last step, and older ones through it
        assert found["layer 2"].argmax() == 63  # a width of 64 and 64 steps: the axes are not mixed up
    with pytest.raises(UnsupportedError, match="Flatten has no layers of neurons"):
        analyses.gradients_over_time(torch.nn.Flatten(), some, CLASSIFY)


def test_arithmetic_is_that_of_the_paper(trained):
    # The paper prints 22.9 and 24.1 nJ a step for LIF and ALIF and 13.5 for CE-LIF, and no firing rates; these are rates
    # between which the counting gives its figures.
    cases = (
        ("lif", (64, 256, 256), 2, (0.13, 0.155), (22.9, 24.1)),
        ("alif", (64, 256, 256), 2, (0.1, 0.14), (22.9, 24.1)),
        ("ce-lif", (64, 152, 152), 0, (0.25, 0.27), (13.5,)),
    )
    for neuron, hidden, recurrent, rates, printed in cases:
        low, high = (
            spiking(neuron, 1, hidden, 10, (rate,) * 3, recurrent_layers=recurrent).joules * 1e9 for rate in rates
        )
        assert all(low < figure < high for figure in printed), neuron
    small = spiking("lif", 2, (3,), 4, (0.5,), input_rate=0.25)
    assert (small.mac, small.ac) == (3, 2 * 3 * 0.25 + 3 * 0.5 + 3 * 4 * 0.5)

    _, _, task = trained
    recipe = find("digits-plain").replace(["neuron=lstm", "hidden=5,6"])
    cells = 4 * (5 + 25) + 17 * 5 + 4 * (30 + 36) + 17 * 6
    assert analyses.arithmetic(recipe, task, ()).mac == cells + 60
    recipe = find("digits-plain").replace(["neuron=alif", "hidden=5,6", "recurrent=true"])
    found = analyses.arithmetic(recipe, task, (0.5, 0.25))
    assert found.mac == 5 + 3 * 11
    assert found.ac == (25 + 2 * 5) * 0.5 + 30 * 0.5 + (36 + 2 * 6) * 0.25 + 60 * 0.25


def test_the_landscape_has_the_networks_own_loss_in_its_middle_and_leaves_it_alone(trained):
    module, some, _ = trained
    before = [parameter.clone() for parameter in module.parameters()]
    with torch.no_grad():
        loss = CLASSIFY.loss(module(torch.as_tensor(some.x)), torch.as_tensor(some.y)).item()
    seen = []
    places, found = analyses.loss_landscape(module, some, CLASSIFY, points=3, progress=lambda *now: seen.append(now))
    assert found[1, 1] == pytest.approx(loss) and np.ptp(found) > 0
    assert places.tolist() == [-0.5, 0, 0.5] and seen[-1] == (9, 9)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_a_log_is_read_by_columns_and_a_damaged_one_is_refused(tmp_path):
    run = Run(tmp_path)
    run.log_path.write_text("epoch,loss,train_score,validation_score,seconds\n1,2.5,0.1,,3.0\n2,1.5,0.2,,6.0\n")
    curve = analyses.learning_curve(run)
    assert curve["loss"].tolist() == [2.5, 1.5] and np.isnan(curve["validation_score"]).all()
    for text in ("", "epoch,loss\n1,x\n"):
        run.log_path.write_text(text)
        with pytest.raises(FileFormatError, match=r"log\.csv: cannot be read as a log"):
            analyses.learning_curve(run)


def test_gradients_of_a_sequence_model_are_those_of_its_positions():
    torch.manual_seed(0)
    options = {"width": 8, "depth": 1, "spike_steps": 2, "encoder": "repeat"}
    module = SequenceModel("spike-rnn", 1, 10, 64, position=PositionOptions("cpg", 6), **options)
    some = find("digits-plain").load_task().test.take(np.arange(12))
    found = analyses.gradients_over_time(module, some, CLASSIFY)
    assert list(found) == ["layer 1", "layer 2"]  # the encoder has nothing to learn
    assert all(norms.shape == (64,) and norms.max() == 1 for norms in found.values())
    # The read-out averages over positions: the last layer hears the loss evenly, but for its own later spikes.
    assert np.ptp(found["layer 2"]) < 0.5
