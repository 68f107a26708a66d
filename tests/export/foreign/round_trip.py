"""What other libraries make of NIR files of ours: ``python round_trip.py`` where torch, spikeproof and they are.

Each ``read_<library>.npz`` holds, for each of the networks below that the library reads, the spikes of the last layer by
the library, shape (samples, neurons, steps), and under ``<network>_nodes`` a digest of the nodes that it read.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export.nir import graph as nir_graph

HERE = Path(__file__).parent
SAMPLES, STEPS = 4, 60
AT_ONCE, FILTERED = {"u_decay": 4096, "v_decay": 410}, {"u_decay": 820, "v_decay": 410}


def networks():
    """Networks of kinds that NIR knows, by name."""
    random = np.random.default_rng(3)

    def layer(name, inputs, neurons, threshold, decays, *, recurrent=False, bias=0):
        """Thresholds are odd in units of a weight, so that membranes do not meet them: SpikingJelly would fire."""
        weight = 2 * random.integers(-25, 50, (neurons, inputs))
        back = Dense(weight=2 * random.integers(-6, 12, (neurons, neurons))) if recurrent else None
        neuron = CUBA(num_neurons=neurons, v_th_mant=threshold, bias_mant=bias, **decays)
        return Layer(name=name, synapse=Dense(weight=weight), neuron=neuron, feedback=back)

    never = {"u_decay": 4096, "v_decay": 0}
    each = {"u_decay": 4096, "v_decay": random.integers(200, 2000, 20)}
    conv = Conv(weight=2 * random.integers(-25, 50, (2, 1, 3, 3)), in_shape=(1, 3, 4), padding=(1, 1))
    images = Layer(name="hidden", synapse=conv, neuron=CUBA(num_neurons=24, v_th_mant=151, bias_mant=3, **AT_ONCE))
    found = {
        "lif": (layer("hidden", 12, 20, 301, AT_ONCE), layer("out", 20, 5, 401, AT_ONCE)),
        "lif, a decay each": (layer("hidden", 12, 20, 301, each), layer("out", 20, 5, 401, AT_ONCE)),
        "lif, biases": (layer("hidden", 12, 20, 301, AT_ONCE, bias=5), layer("out", 20, 5, 401, AT_ONCE, bias=-4)),
        "cuba": (layer("hidden", 12, 20, 901, FILTERED), layer("out", 20, 5, 1501, FILTERED)),
        "if": (layer("hidden", 12, 20, 301, never), layer("out", 20, 5, 401, never)),
        "recurrent": (layer("hidden", 12, 20, 501, AT_ONCE, recurrent=True), layer("out", 20, 5, 601, AT_ONCE)),
        "convolution": (images, layer("out", 24, 5, 601, AT_ONCE)),
    }
    return {k: Net(inputs=(Input(num_channels=12),), layers=layers, steps=STEPS) for k, layers in found.items()}


def inputs():
    return (np.random.default_rng(7).random((SAMPLES, 12, STEPS)) < 0.3).astype(np.float32)


def digest(net):
    """Return what tells the nodes of a network's graph from others."""
    held = hashlib.sha256()

    def add(value):
        if isinstance(value, dict):
            for key in sorted(map(str, value)):
                held.update(key.encode())
                add(value[key])
        elif isinstance(value, str):
            held.update(value.encode())
        else:
            held.update(np.asarray(value, np.float64).tobytes())

    add({name: node for name, node in nir_graph.graph(net).to_dict()["nodes"].items()})
    return np.frombuffer(held.digest(), np.uint8)


def _step_by_step(make, x, images):
    """Run a module that takes and gives its state, made anew for each sample, since some keep it."""
    import torch

    rows = []
    for sample in torch.from_numpy(x):
        module, state, spikes = make(), None, []
        for t in range(STEPS):
            now = sample[:, t].reshape(1, 3, 4) if images else sample[None, :, t]
            out, state = module(now, state)
            spikes.append(torch.as_tensor(out[0] if isinstance(out, tuple) else out).reshape(-1))
        rows.append(torch.stack(spikes, dim=-1))
    return torch.stack(rows).numpy()


def snntorch(path, x, images):
    import nir
    from snntorch.import_nir import import_from_nir

    return _step_by_step(lambda: import_from_nir(nir.read(path)).eval(), x, images)


def norse(path, x, images):
    import nir
    import norse.torch as norse

    return _step_by_step(lambda: norse.from_nir(nir.read(path), dt=1e-4), x, images)


def spikingjelly(path, x, images):
    from spikingjelly.activation_based import nir_exchange

    return _step_by_step(lambda: nir_exchange.import_from_nir(path, dt=1e-4), x, images)


def rockpool(path, x, images):
    import nir
    import torch
    from rockpool.nn.modules.torch.nir import from_nir

    out = from_nir(nir.read(path))(torch.from_numpy(x).permute(0, 2, 1))
    return (out[0] if isinstance(out, tuple) else out).permute(0, 2, 1).numpy()


def sinabs(path, x, images):
    import nir
    import torch
    from sinabs.nir import from_nir

    out = from_nir(nir.read(path), batch_size=SAMPLES)(torch.from_numpy(x).permute(0, 2, 1).reshape(-1, 12))
    return out.reshape(SAMPLES, STEPS, -1).permute(0, 2, 1).numpy()


LIBRARIES = {each.__name__: each for each in (snntorch, norse, spikingjelly, rockpool, sinabs)}


def read_by(library):
    """Return what a library makes of each network, or the error that it raises."""
    import torch

    found = {}
    for name, net in networks().items():
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            nir_graph.write(net, Path(folder) / "ours.nir")
            try:
                found[name] = LIBRARIES[library](Path(folder) / "ours.nir", inputs(), name == "convolution")
            except Exception as error:  # whatever a library raises is what it makes of the file
                found[name] = error
    return found


if __name__ == "__main__":
    for library in sys.argv[1:] or LIBRARIES:
        kept = {}
        for name, spikes in read_by(library).items():
            if isinstance(spikes, Exception):
                print(f"{library}, {name}: {type(spikes).__name__}: {spikes}")
                continue
            kept |= {name: spikes.astype(np.int8), f"{name}_nodes": digest(networks()[name])}
        if kept:
            np.savez_compressed(HERE / f"read_{library}.npz", **kept)
