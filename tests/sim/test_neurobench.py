"""NeuroBench's metrics of small networks, counted by hand, and of random ones by a plain loop."""

import numpy as np
import pytest
import torch
from graphs import graph

import spikeproof
from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.sources.phase import Phase
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim.cost.neurobench import neurobench
from spikeproof.sim.simulate import simulate


def test_a_network_counted_by_hand():
    # Two inputs, two neurons that fire whenever anything positive arrives and forget it, a read-out of one.
    hidden = CUBA(num_neurons=2, u_decay=4096, v_decay=4096, v_th_mant=1)
    net = Net(
        inputs=(Input(num_channels=2),),
        layers=(
            Layer(name="hidden", synapse=Dense(weight=[[64, 0], [64, 64]]), neuron=hidden),
            Layer(name="out", synapse=Dense(weight=[[0, 2]]), neuron=Readout(num_neurons=1, v_decay=0)),
        ),
        steps=3,
    )
    x = np.array([[[1, 0, 0], [0, 1, 0]]])  # step 0: input 0, step 1: input 1
    found = neurobench(net, x)

    # hidden fires: step 0 both, step 1 the second; 3 of 2 neurons times 3 steps
    assert found.activation_sparsity == 1 - 3 / 6
    assert found.connection_sparsity == 2 / 6
    # into hidden: step 0 two synapses, step 1 one; into the read-out: the second neuron's, twice
    assert found.synaptic_operations == (0.0, 3 + 2, (4 + 2) * 3)
    assert found.as_dict()["SynapticOperations"] == {"Effective_MACs": 0.0, "Effective_ACs": 5.0, "Dense": 18.0}
    twice = neurobench(net, np.repeat(x, 4, axis=0))
    assert twice == found, "of a sample, in the mean"


def test_the_footprint_by_hand():
    neuron = CELIF(num_neurons=3, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9, bias_mant=[1, 2, 3], bias_exp=6)
    layer = Layer(name="a", synapse=Dense(weight=np.full((3, 2), 4)), neuron=neuron)
    net = Net(inputs=(Input(num_channels=2),), layers=(layer,), steps=5, te=np.ones((5, 3), int))
    base = neurobench(net, np.zeros((1, 2, 5))).footprint
    same = Layer(
        name="a",
        synapse=layer.synapse,
        neuron=CELIF(num_neurons=3, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9, bias_mant=1, bias_exp=6),
    )
    one = neurobench(Net(inputs=net.inputs, layers=(same,), steps=5, te=net.te), np.zeros((1, 2, 5))).footprint
    assert base - one == 2 * 2, "two biases more, of 13 bits each"
    longer = Net(inputs=net.inputs, layers=(layer,), steps=9, te=np.ones((9, 3), int))
    assert neurobench(longer, np.zeros((1, 2, 9))).footprint - base == 4 * 3, "four rows of the encoding more"
    wider = Layer(name="a", synapse=Dense(weight=np.full((3, 7), 4)), neuron=neuron)
    assert (
        neurobench(
            Net(inputs=(Input(num_channels=7),), layers=(wider,), steps=5, te=net.te), np.zeros((1, 7, 5))
        ).footprint
        - base
        == 3 * 5
    )
    delayed = Layer(name="a", synapse=layer.synapse, neuron=neuron, delay=[[300, 1], [2, 3], [4, 5]])
    found = neurobench(Net(inputs=net.inputs, layers=(delayed,), steps=5, te=net.te), np.zeros((1, 2, 5))).footprint
    assert found - base == 6 * 2, "a delay of two bytes for each synapse"


def test_graded_spikes_are_multiplied_and_oscillators_added():
    neuron = CUBA(num_neurons=2, u_decay=4096, v_decay=0, v_th_mant=1, a_shift=0)
    always = Phase(num_neurons=1, increment=0, start=0, length=2**24)  # spikes in every step
    layer = Layer(name="a", synapse=Dense(weight=[[2, 4, 6], [0, 4, 6]]), neuron=neuron, cpg=always)
    net = Net(inputs=(Input(num_channels=2, bits=8, exp=-6),), layers=(layer,), steps=4)
    found = neurobench(net, np.array([[[1.0, 0, 0, 0], [0.5, 0.5, 0, 0]]]))
    assert found.synaptic_operations == (1 + 2 * 2, 4 * 2, 6 * 4)


def test_a_convolution_at_its_border():
    conv = Conv(weight=np.full((1, 1, 3, 3), 2), in_shape=(1, 3, 3), padding=(1, 1))
    neuron = CUBA(num_neurons=9, u_decay=4096, v_decay=4096, v_th_mant=131_071)
    net = Net(inputs=(Input(num_channels=9),), layers=(Layer(name="a", synapse=conv, neuron=neuron),), steps=2)
    x = np.zeros((1, 9, 2))
    x[0, 0, 0] = 1  # a corner has four neighbours, itself among them
    found = neurobench(net, x)
    assert found.synaptic_operations == (0.0, 4.0, 2 * (4 * 4 + 4 * 6 + 9))
    assert (found.activation_sparsity, found.connection_sparsity) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(500, 512))
def test_graphs_by_a_plain_loop(seed):
    net, x = graph(seed)[:2]
    found = neurobench(net, x)
    trace = simulate(net, x, backend="reference")
    rasters = [of["s"] for of in trace.layers.values() if "s" in of]
    assert found.activation_sparsity == pytest.approx(np.mean(np.concatenate([each.ravel() == 0 for each in rasters])))
    synapses = [layer.synapse for layer in net.layers] + [edge.synapse for edge in net.edges]
    synapses += [layer.feedback for layer in net.layers if layer.feedback is not None]
    weights = np.concatenate([each.weight.ravel() for each in synapses])
    assert found.connection_sparsity == pytest.approx(np.mean(weights == 0))


def test_of_a_module_what_the_host_does_is_left_out(tmp_path):
    torch.manual_seed(0)
    module = spikeproof.Classifier(1, (8, 8), 3, steps=10).eval()
    x = np.random.default_rng(0).random((4, 1, 10), dtype=np.float32)
    spikeproof.export_netx(module, tmp_path / "a.net", sample=x)
    assert spikeproof.neurobench(module, x) == spikeproof.neurobench(tmp_path / "a.net", x)
    found = spikeproof.neurobench(module, x)
    assert found.synaptic_operations.effective_macs > 0 and found.synaptic_operations.effective_acs > 0
    assert 0 < found.activation_sparsity < 1


@pytest.mark.filterwarnings("ignore")  # NeuroBench's and snnTorch's own
def test_neurobench_itself_counts_the_same():
    """Its hooks on torch layers with our weights, which receive what our layers received, step by step."""
    pytest.importorskip("neurobench", reason="NeuroBench is not installed")
    from neurobench.metrics import static, workload
    from neurobench.models import TorchModel

    random = np.random.default_rng(3)
    weights = [random.integers(-20, 30, shape) * 2 * (random.random(shape) < 0.7) for shape in ((7, 5), (4, 7))]
    layers = tuple(
        Layer(
            name=name,
            synapse=Dense(weight=weight),
            neuron=CUBA(num_neurons=len(weight), u_decay=2000, v_decay=500, v_th_mant=40),
        )
        for name, weight in zip("ab", weights, strict=True)
    )
    net = Net(inputs=(Input(num_channels=5),), layers=layers, steps=12)
    x = (random.random((6, 5, 12)) < 0.4).astype(np.float32)
    trace = simulate(net, x, backend="engine")

    class Replay(torch.nn.Module):
        def __init__(self, spikes):
            super().__init__()
            self.spikes, self.t = torch.as_tensor(spikes, dtype=torch.float32), -1

        def forward(self, _):
            self.t += 1
            return self.spikes[:, :, self.t]

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = (torch.nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights)
            for linear, weight in zip((self.first, self.second), weights, strict=True):
                linear.weight.data = torch.as_tensor(weight, dtype=torch.float32)
            self.a, self.b = (Replay(trace.layers[name]["s"]) for name in "ab")

        def forward(self, x):
            return torch.stack([self.b(self.second(self.a(self.first(step)))) for step in x.unbind(-1)], -1)

    model = TorchModel(Model())
    model.add_activation_module(Replay)
    model.register_hooks()
    given = torch.as_tensor(x)
    preds = model(given)
    found = neurobench(net, x)
    assert workload.ActivationSparsity()(model, preds, (given, None)) == pytest.approx(found.activation_sparsity)
    assert static.ConnectionSparsity()(model) == round(found.connection_sparsity, 4)
    theirs = workload.SynapticOperations()(model, preds, (given, None))
    assert theirs == pytest.approx(found.as_dict()["SynapticOperations"])
    assert theirs["Effective_ACs"] > 0
