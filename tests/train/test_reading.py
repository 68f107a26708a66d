"""What one neuron of a CE-LIF network does while it reads a sample, beside the registers that it is taken from."""

import numpy as np
import pytest
import torch

from spikeproof.export.slayer import record
from spikeproof.sim.simulate import simulate
from spikeproof.train.analysis import analyses, figures, neurons
from spikeproof.train.runs.build import build
from spikeproof.train.runs.recipe import find


@pytest.fixture(scope="module")
def read():
    recipe = find("digits-plain").replace(["hidden=8,9"])
    task = recipe.load_task()
    torch.manual_seed(recipe.seed)
    module = build(recipe, task)
    net, x = record(module.blocks, steps=64), task.test.x[:1]
    trace = simulate(net, x, backend="engine")
    return recipe, task, module, net, trace, neurons.reading(net, trace.layers, x[0])


def test_bursts_are_spikes_in_a_row_behind_silence():
    rows = ["0001110001111", "0001100011000", "1111111111111", "0000000000000", "0001110011100"]
    assert neurons.bursts([[int(s) for s in row] for row in rows]).tolist() == [2, 0, 0, 0, 1]
    assert neurons.bursts(np.ones((3, 5))).tolist() == [0, 0, 0]


def test_what_a_neuron_does_is_what_its_registers_hold(read):
    _, task, module, net, trace, found = read
    of, layer = trace.layers[found.layer], net.layers[net.index(found.layer)]
    assert (layer.num_neurons, found.spikes.shape) == (9, (9, 64))
    assert np.array_equal(found.spikes, of["s"][0])
    assert np.array_equal(found.spikes[found.neuron], found.membrane > found.threshold)
    assert neurons.bursts(found.spikes)[found.neuron] == neurons.bursts(found.spikes).max()
    assert np.array_equal(found.values, task.test.x[0, 0])

    with torch.no_grad():
        blocks, x = module.blocks, torch.as_tensor(task.test.x[:1])
        answer = module(x)[0]
        registers = blocks[1].neuron.registers(blocks[1].current(blocks[0](x)))
    assert np.array_equal(found.membrane, registers.v[0, found.neuron])
    assert np.array_equal(found.threshold, registers.theta[0, found.neuron])
    assert found.scores[:, -1] == pytest.approx(answer.numpy(), abs=1e-5)
    assert found.encoding == pytest.approx(module.encoding.weight[found.neuron].detach().numpy(), abs=2**-10)


def test_a_network_without_such_neurons_has_no_picture(read):
    _, task, *_ = read
    recipe = find("digits-plain").replace(["hidden=4", "neuron=cuba"])
    net, x = record(build(recipe, task).blocks, steps=64), task.test.x[:1]
    assert neurons.reading(net, simulate(net, x, backend="engine").layers, x[0]) is None


def test_the_encoding_before_training_is_that_of_the_first_step(read):
    recipe, task, module, *_ = read
    before = torch.random.get_rng_state()
    found = analyses.initial_encoding(recipe, task)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(found, module.encoding.weight.detach().double().numpy().T)
    assert analyses.initial_encoding(recipe.replace(["neuron=ce-lif-float"]), task).shape == (64, 9)
    assert analyses.initial_encoding(recipe.replace(["neuron=cuba"]), task) is None
    assert analyses.initial_encoding(recipe.replace(["cpg_te=6"]), task) is None


@pytest.mark.parametrize("label", [None, 3])
def test_the_picture_has_a_row_for_each_part(read, label):
    _, task, _, _, _, found = read
    image = task.images.of(task.test.x[0, 0])
    assert np.array_equal(image.ravel(), task.test.x[0, 0])
    axes = figures.reading(found, image, label).axes
    assert len(axes) == 6 and len(figures.reading(found, None, label).axes) == 5
    assert axes[0].get_title() == ("" if label is None else "class 3")
    lines = {line.get_label(): line.get_ydata() for line in axes[2].get_lines()}
    assert np.array_equal(lines["membrane"], found.membrane) and np.array_equal(lines["threshold"], found.threshold)
    assert len(lines["spike"]) == found.spikes[found.neuron].sum()
