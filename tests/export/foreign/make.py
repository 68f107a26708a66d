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


LIBRARIES = (snntorch, norse, spikingjelly)

if __name__ == "__main__":
    import torch

    with torch.no_grad():
        for make in LIBRARIES:
            if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
                continue
            found = {name: torch.stack(of, dim=-1).numpy().astype(np.int8) for name, of in make().items()}
            print(make.__name__, {name: int(of.sum()) for name, of in found.items()})
            np.savez_compressed(HERE / f"{make.__name__}.npz", x=inputs().astype(np.int8), **found)
