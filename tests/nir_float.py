"""The equations of NIR once more, straight from a file: node by node and step by step, in float64, by torch.

Nothing of spikeproof is used, nothing is merged, shifted or put into another order.
"""

import warnings

import h5py
import numpy as np
import torch
from torch.nn import functional


def tree(group):
    """Return a group of an HDF5 file as nested dictionaries."""
    found = {}
    for name, held in group.items():
        value = tree(held) if isinstance(held, h5py.Group) else held[()]
        found[name] = value.decode() if isinstance(value, bytes) else value
    return found


class Graph:
    """A graph that runs.

    Parameters
    ----------
    path : path-like
        A NIR file.
    dt : float
        Seconds of a time step.
    loops : dict of (str, str) to int
        Edges that close a loop -> steps that they take.
    subtract : bool
        Whether neurons that fire lose their threshold, as those of sinabs and snnTorch may.
    """

    def __init__(self, path, dt, loops=None, *, subtract=False):
        with h5py.File(path) as file:
            read = tree(file["node"])
        self.nodes, self.before = {}, {}
        self.dt, self.loops, self.subtract = dt, loops or {}, subtract
        self._add(read, "")

    def _add(self, graph, prefix):
        ends = {}
        for name, node in graph["nodes"].items():
            if node["type"] == "NIRGraph":
                self._add(node, f"{prefix}{name}.")
                kinds = {inner: held["type"] for inner, held in node["nodes"].items()}
                ends[name] = tuple(
                    f"{prefix}{name}." + next(inner for inner, kind in kinds.items() if kind == wanted)
                    for wanted in ("Input", "Output")
                )
            else:
                ends[name] = prefix + name, prefix + name
                self.nodes[prefix + name] = node
                self.before.setdefault(prefix + name, [])
        for source, target in graph["edges"]:
            self.before[ends[target.decode()][0]].append(ends[source.decode()][1])

    def run(self, x):
        """Return what each node puts out, shape (samples, ..., steps), and the membranes of all neurons.

        Parameters
        ----------
        x : ndarray, shape (samples, ..., steps), or a dict of them by input
            Spikes.
        """
        if not isinstance(x, dict):
            x = {name: x for name, node in self.nodes.items() if node["type"] == "Input" and not self.before[name]}
        self.x = {name: torch.as_tensor(np.asarray(of, np.float64)) for name, of in x.items()}
        self.memo, self.u, self.v = {}, {}, {}
        steps = next(iter(self.x.values())).shape[-1]
        outs = {name: [] for name in self.nodes}
        membranes = {name: [] for name in self.nodes}
        for t in range(steps):
            for name in self.nodes:
                outs[name].append(self.out(name, t).numpy())
                if name in self.v:
                    membranes[name].append(self.v[name].numpy().copy())
        return (
            {name: np.stack(of, axis=-1) for name, of in outs.items()},
            {name: np.stack(of, axis=-1) for name, of in membranes.items() if of},
        )

    def out(self, name, t):
        """Return what a node puts out in a step."""
        if (name, t) not in self.memo:
            self.memo[name, t] = self._out(name, t)
        return self.memo[name, t]

    def _in(self, name, t):
        parts = []
        for source in self.before[name]:
            late = self.loops.get((source, name), 0)
            if t >= late:
                parts.append(self.out(source, t - late))
            else:
                n = next(int(np.prod(held.shape)) for held in map(self._some, (source,)))
                parts.append(torch.zeros(len(next(iter(self.x.values()))), n, dtype=torch.float64))
        return sum(parts)

    def _some(self, name):
        """Return a parameter of neurons, which has their shape."""
        node = self.nodes[name]
        return np.asarray(node["r"] if "r" in node else node["threshold"])

    def _out(self, name, t):
        node = {key: torch.as_tensor(held) if not isinstance(held, (str, dict)) else held
                for key, held in self.nodes[name].items()}  # fmt: skip
        node = {key: held.double() if torch.is_tensor(held) and held.is_floating_point() else held
                for key, held in node.items()}  # fmt: skip
        kind = node["type"]
        if name in self.x:
            return self.x[name][..., t]
        if kind == "Delay":
            steps = torch.round(node["delay"] / self.dt).long()
            samples = len(next(iter(self.x.values())))
            now = torch.zeros(samples, *steps.shape, dtype=torch.float64)
            for d in steps.unique().tolist():
                if t >= d:
                    now = torch.where(steps == d, self._in(name, t - d), now)
            return now
        x = self._in(name, t)
        if kind in _LINEAR:
            return _LINEAR[kind](node, x)
        return self._neurons(name, node, x)

    def _neurons(self, name, node, x):
        kind, dt = node["type"], self.dt
        if kind == "Threshold":
            return (x > node["threshold"]).double()
        v = self.v.get(name, node.get("v_reset", torch.zeros(1)).double() + torch.zeros_like(x))
        if kind.startswith("Cuba"):
            u = self.u.get(name, torch.zeros_like(x))
            u = u + dt / node["tau_syn"] * (node.get("w_in", 1.0) * x - u)
            self.u[name] = u
            v = v + dt / node["tau_mem"] * (node["v_leak"] - v + node["r"] * u)
        elif kind in ("LIF", "LI"):
            v = v + dt / node["tau"] * (node["v_leak"] - v + node["r"] * x)
        else:
            v = v + dt * node["r"] * x
        if "v_threshold" not in node:
            self.v[name] = v
            return v
        fires = v > node["v_threshold"]
        reset = v - node["v_threshold"] if self.subtract else node.get("v_reset", torch.zeros(1)).double() + 0 * v
        self.v[name] = torch.where(fires, reset, v)
        return fires.double()


def _pad(node, axes):
    value = node["padding"]
    return value if isinstance(value, str) else tuple(np.broadcast_to(value.numpy(), axes).tolist())


def _conv(node, x):
    axes = node["weight"].ndim - 2
    others = {key: tuple(np.broadcast_to(node[key].numpy(), axes).tolist()) for key in ("stride", "dilation")}
    convolve = functional.conv2d if axes == 2 else functional.conv1d
    with warnings.catch_warnings():  # torch says that it pads an even kernel by a copy
        warnings.simplefilter("ignore")
        return convolve(
            x, node["weight"], node.get("bias"), padding=_pad(node, axes), groups=int(node["groups"]), **others
        )


def _average(node, x):
    size, stride = (tuple(np.broadcast_to(node[key].numpy(), 2).tolist()) for key in ("kernel_size", "stride"))
    return functional.avg_pool2d(x, size, stride, _pad(node, 2))


_LINEAR = {
    "Input": lambda node, x: x,
    "Output": lambda node, x: x,
    "Flatten": lambda node, x: x.flatten(1),
    "Linear": lambda node, x: x @ node["weight"].T,
    "Affine": lambda node, x: x @ node["weight"].T + node["bias"],
    "Scale": lambda node, x: x * node["scale"],
    "Conv1d": _conv,
    "Conv2d": _conv,
    "AvgPool2d": _average,
    "SumPool2d": lambda node, x: _average(node, x) * float(np.prod(np.broadcast_to(node["kernel_size"].numpy(), 2))),
}
