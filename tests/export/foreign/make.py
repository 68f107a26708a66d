"""Make the NIR files of other libraries that the tests import: ``python make.py`` where torch and the library are.

Each ``<library>.nir`` is what the library exports of a small network, each ``<library>.npz`` the input spikes ``x`` that
it ran, shape (samples, channels, steps), and the spikes of each of its layers of neurons under the node's name.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SAMPLES, STEPS = 4, 60
CHANNELS, HIDDEN, CLASSES = 12, 20, 5


def inputs():
    return (np.random.default_rng(7).random((SAMPLES, CHANNELS, STEPS)) < 0.3).astype(np.float32)


def linear(torch, n_in, n_out, gain, bias=True):
    layer = torch.nn.Linear(n_in, n_out, bias=bias)
    with torch.no_grad():
        layer.weight.mul_(gain)
    return layer


def snntorch():
    """Leaky and Synaptic neurons that reset to zero in the step of the spike, as NIR's do."""
    import nir
    import snntorch as snn
    import torch
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    common = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}
    ones = torch.ones
    net = torch.nn.Sequential(
        linear(torch, CHANNELS, HIDDEN, 2.0),
        snn.Leaky(beta=ones(HIDDEN) * 0.9, threshold=ones(HIDDEN), **common),
        linear(torch, HIDDEN, CLASSES, 2.0, bias=False),
        snn.Synaptic(
            alpha=ones(CLASSES) * 0.8, beta=ones(CLASSES) * 0.7, threshold=ones(CLASSES), output=True, **common
        ),
    )
    x = torch.from_numpy(inputs())
    spikes = {"1": [], "3": []}
    for t in range(STEPS):
        hidden = net[1](net[0](x[..., t]))
        spikes["1"].append(hidden)
        spikes["3"].append(net[3](net[2](hidden))[0])
    nir.write(HERE / "snntorch.nir", export_to_nir(net, torch.zeros(CHANNELS)))
    return spikes


def norse():
    """LIFBox neurons. norse 1.1.0 multiplies time constants by dt, so its file is read with dt = 1e-6."""
    import nir
    import norse.torch as norse
    import torch
    from norse.torch.functional.lif_box import LIFBoxParameters

    torch.manual_seed(0)

    def neurons(n):
        ones = torch.ones(n)
        return norse.LIFBoxCell(LIFBoxParameters(tau_mem_inv=100 * ones, v_th=ones, v_leak=0 * ones, v_reset=0 * ones))

    net = torch.nn.ModuleList(
        [linear(torch, CHANNELS, HIDDEN, 8.0), neurons(HIDDEN), linear(torch, HIDDEN, CLASSES, 12.0), neurons(CLASSES)]
    )
    x = torch.from_numpy(inputs())
    spikes, first, second = {"_1": [], "_3": []}, None, None
    for t in range(STEPS):
        hidden, first = net[1](net[0](x[..., t]), first)
        out, second = net[3](net[2](hidden), second)
        spikes["_1"].append(hidden)
        spikes["_3"].append(out)
    nir.write(HERE / "norse.nir", norse.to_nir(norse.SequentialState(*net), torch.zeros(1, CHANNELS)))
    return spikes


def spikingjelly():
    """A LIF and an IF layer that reset to zero."""
    import nir
    import torch
    from spikingjelly.activation_based import functional, neuron, nir_exchange

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        linear(torch, CHANNELS, HIDDEN, 4.0),
        neuron.LIFNode(tau=4.0, v_reset=0.0),
        linear(torch, HIDDEN, CLASSES, 1.0),
        neuron.IFNode(v_reset=0.0),
    )
    x = torch.from_numpy(inputs())
    spikes = {"_1": [], "_3": []}
    for t in range(STEPS):
        hidden = net[1](net[0](x[..., t]))
        spikes["_1"].append(hidden)
        spikes["_3"].append(net[3](net[2](hidden)))
    functional.reset_net(net)
    nir.write(HERE / "spikingjelly.nir", nir_exchange.export_to_nir(net, torch.zeros(1, CHANNELS), dt=1e-4))
    return spikes


def sinabs():
    """IAF neurons that reset to zero and fire once a step; its file is read with dt = 1."""
    import nir
    import sinabs.layers as sl
    import torch
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.nir import to_nir

    torch.manual_seed(0)
    kind = {"reset_fn": MembraneReset(), "spike_fn": SingleSpike, "min_v_mem": None, "batch_size": SAMPLES}
    net = torch.nn.Sequential(
        linear(torch, CHANNELS, HIDDEN, 1.0),
        sl.IAFSqueeze(**kind),
        linear(torch, HIDDEN, CLASSES, 1.0),
        sl.IAFSqueeze(**kind),
    )
    hidden = net[1](net[0](torch.from_numpy(inputs()).permute(0, 2, 1).reshape(-1, CHANNELS)))
    out = net[3](net[2](hidden))
    nir.write(HERE / "sinabs.nir", to_nir(net, torch.zeros(SAMPLES, CHANNELS)))
    unfolded = {"1": hidden, "3": out}
    return {name: list(of.reshape(SAMPLES, STEPS, -1).unbind(1)) for name, of in unfolded.items()}


def rockpool():
    """LIF neurons with a current, in steps of 1 ms. rockpool decays by exp(-dt / tau), where NIR has 1 - dt / tau."""
    import nir
    import torch
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    torch.manual_seed(0)
    common = {"tau_mem": 0.02, "tau_syn": 0.01, "dt": 1e-3, "threshold": 1.0}
    net = Sequential(
        LinearTorch((CHANNELS, HIDDEN)),
        LIFTorch(HIDDEN, **common),
        LinearTorch((HIDDEN, CLASSES)),
        LIFTorch(CLASSES, **common),
    )
    x = torch.from_numpy(inputs()).permute(0, 2, 1)
    _, _, recorded = net(x, record=True)
    spikes = {key: value for key, value in recorded.items()}
    layers = [of["spikes"] for of in spikes.values() if isinstance(of, dict) and "spikes" in of]
    nir.write(HERE / "rockpool.nir", to_nir(net))
    names = [
        name
        for name, node in nir.read(HERE / "rockpool.nir", type_check=False).nodes.items()
        if type(node).__name__ == "CubaLIF"
    ]
    return {name: list(of.clamp(max=1).unbind(1)) for name, of in zip(names, layers, strict=True)}


LIBRARIES = (snntorch, norse, spikingjelly, sinabs, rockpool)

if __name__ == "__main__":
    import torch

    with torch.no_grad():
        for make in LIBRARIES:
            if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
                continue
            found = {name: torch.stack(of, dim=-1).numpy().astype(np.int8) for name, of in make().items()}
            print(make.__name__, {name: int(of.sum()) for name, of in found.items()})
            np.savez_compressed(HERE / f"{make.__name__}.npz", x=inputs().astype(np.int8), **found)
