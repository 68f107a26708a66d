"""Runs files on stock NetX itself, in a child process, and gives every register of every layer in every step."""

import numpy as np
import pytest
from child import answer

_SCRIPT = """
import json, sys
import numpy as np
if sys.version_info >= (3, 11):  # Lava runs as it is on Python 3.10
    from spikeproof.lava_procs import compat
    compat.apply()
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

REGISTERS = {"LIF": "uv", "LIFReset": "uv", "Sigma": ["sigma"], "SigmaDelta": ["sigma", "act", "residue"]}
REGISTERS |= {"RF": ["real", "imag"], "RF_IZ": ["real", "imag"]}

def answer(path, to, x, options):
    try:
        net = netx.hdf5.Network(net_config=path, **options)
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    steps, depth = x.shape[-1], len(net)
    source, sink = Source(data=x), Sink(shape=net.out.shape, buffer=steps + depth)
    source.s_out.connect(net.inp)
    net.out.connect(sink.a_in)
    neurons = [layer.neuron for layer in net.layers]
    found = {f"{i}.{r}": [] for i, n in enumerate(neurons) for r in REGISTERS[type(n).__name__]}
    for _ in range(steps + depth):
        net.run(condition=RunSteps(num_steps=1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        for name, values in found.items():
            i, register = name.split(".")
            values.append(np.array(getattr(neurons[int(i)], register).get()))
    found = {name: np.stack(values, -1)[..., int(name.split(".")[0]) + 1:][..., :steps] for name, values in found.items()}
    found["s"] = sink.data.get()[..., depth:]
    net.stop()
    np.savez(to, **found)
    return {}

options = json.loads(sys.argv[1])
files = sys.argv[2:]
print(json.dumps([answer(p, to, np.load(x), o) for (p, x, to), o in zip(zip(*[iter(files)] * 3), options)]))
"""


def traces(files, tmp_path, timeout=240):
    """Run files, (path, x, options of the constructor) each, and give their traces: registers by "layer.register"."""
    pytest.importorskip("torch", reason="lava-dl needs torch")
    pytest.importorskip("lava.lib.dl", reason="lava-dl is not installed")
    import json

    names = []
    for i, (path, x, _) in enumerate(files):
        np.save(tmp_path / f"x{i}.npy", x)
        names += [path, tmp_path / f"x{i}.npy", tmp_path / f"trace{i}.npz"]
    told = answer(_SCRIPT, json.dumps([options for *_, options in files]), *names, timeout=timeout)
    return [one or dict(np.load(tmp_path / f"trace{i}.npz")) for i, one in enumerate(told)]
