"""Time one training step, forward and backward, of the paper's network in several libraries.

Every contender has the shape 1-64-88-88-10 (the LSTM 1-128-10), sees the same batch, and takes turns with the
others, so that a busy machine is busy for all of them. One JSON line a contender goes to stdout. `floor` is the bare
matrix products of the network, forward and backward, without a neuron.

    python bench/train_step.py --batch 64
    python bench/train_step.py --growth
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from spikeproof.sim.report.machine import cpu as cpu_name

WIDTHS = (1, 64, 88, 88, 10)
STEPS = 784


class Floor:
    """The matrix products of the network and of its gradients, on spikes at random, and nothing else."""

    def __init__(self, batch, steps):
        pairs = list(pairwise(WIDTHS))
        self.weights = [torch.randn(o, i) for i, o in pairs]
        self.inputs = [(torch.rand(batch * steps, i) < 0.2).float() for i, _ in pairs]

    def __call__(self, x, y):
        outputs = [x @ w.T for x, w in zip(self.inputs, self.weights, strict=True)]
        for k in reversed(range(len(outputs))):
            outputs[k].T @ self.inputs[k]
            if k:
                outputs[k] @ self.weights[k]


class Step:
    """Forward, cross-entropy and backward of a module, inside a context."""

    def __init__(self, module, context=contextlib.nullcontext):
        self.module, self.context = module, context

    def __call__(self, x, y):
        with self.context():
            self.module.zero_grad()
            loss = nn.functional.cross_entropy(self.module(x), y)
            loss.backward()
        return loss.item()


def ours(kind):
    def build(batch, steps):
        from spikeproof.train.kernels import select
        from spikeproof.train.runs.models import Classifier

        return Step(Classifier(1, WIDTHS[1:-1], WIDTHS[-1], steps), lambda: select.use(kind))

    return build


def slayer(accelerated):
    def build(batch, steps):
        from spikeproof.lava_procs import compat

        compat.apply()
        block = importlib.import_module("lava.lib.dl.slayer").block.cuba
        from spikeproof.train.slayer.accelerate import accelerate

        params = {"threshold": 0.3, "current_decay": 1.0, "voltage_decay": 0.5}

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                pairs = pairwise(WIDTHS)
                self.blocks = nn.Sequential(*(block.Dense(params, i, o, weight_norm=False) for i, o in pairs))

            def forward(self, x):
                return self.blocks(x).mean(-1)

        return Step(Net(), accelerate if accelerated else contextlib.nullcontext)

    return build


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(1, 128, batch_first=True), nn.Linear(128, WIDTHS[-1])

    def forward(self, x):
        return self.out(self.lstm(x.mT)[0]).mean(1)


class Layers(nn.Module):
    """Linear layers over all steps at once with a neuron between each two, time first: (T, N, C)."""

    def __init__(self, neurons, clear=lambda module: None, time_first=True):
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(WIDTHS))
        self.neurons, self.clear, self.time_first = nn.ModuleList(neurons), clear, time_first

    def forward(self, x):
        self.clear(self)
        x = x.permute(2, 0, 1) if self.time_first else x.mT
        for linear, neuron in zip(self.linear[:-1], self.neurons, strict=True):
            x = neuron(linear(x))
            x = x[0] if isinstance(x, tuple) else x
        return self.linear[-1](x).mean(0 if self.time_first else 1)


def snntorch(batch, steps):
    import snntorch as snn

    class Leaky(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = snn.Leaky(beta=0.5)

        def forward(self, x):
            mem, spikes = self.cell.init_leaky(), []
            for x_t in x:
                spike, mem = self.cell(x_t, mem)
                spikes.append(spike)
            return torch.stack(spikes)

    return Step(Layers([Leaky() for _ in WIDTHS[1:-1]]))


def spikingjelly(batch, steps):
    from spikingjelly.activation_based import functional, neuron

    return Step(Layers([neuron.LIFNode(tau=2.0, step_mode="m") for _ in WIDTHS[1:-1]], functional.reset_net))


def norse(batch, steps):
    import norse.torch as norse_torch

    return Step(Layers([norse_torch.LIF() for _ in WIDTHS[1:-1]]))


def sinabs(batch, steps):
    import sinabs.layers

    def reset(module):
        for neuron in module.neurons:
            neuron.reset_states()

    return Step(Layers([sinabs.layers.LIF(tau_mem=1.5) for _ in WIDTHS[1:-1]], reset, time_first=False))


class Boxcar(torch.autograd.Function):
    @staticmethod
    def forward(ctx, above):
        ctx.save_for_backward(above)
        return (above >= 0).to(above.dtype)

    @staticmethod
    def backward(ctx, grad):
        (above,) = ctx.saved_tensors
        return grad * (above.abs() < 0.2).to(grad.dtype)


class Stepped(nn.Module):
    """LIF neurons, each step of which is one compiled function; a loop over all steps takes hours to compile."""

    def __init__(self):
        super().__init__()
        self.step = torch.compile(self._step)

    @staticmethod
    def _step(v, x):
        v = 0.5 * v + x
        spike = Boxcar.apply(v - 0.3)
        return v * (1 - spike), spike

    def forward(self, x):
        v, spikes = torch.zeros_like(x[0]), []
        for x_t in x:
            v, spike = self.step(v, x_t)
            spikes.append(spike)
        return torch.stack(spikes)


def torch_compiled(batch, steps):
    return Step(Layers([Stepped() for _ in WIDTHS[1:-1]]))


def spyx(batch, steps):
    """LIF neurons of spyx under jax.jit, one scan a layer and each layer's product over all steps at once."""
    import jax
    import jax.numpy as jnp
    import spyx.nn
    from flax import nnx

    rngs = nnx.Rngs(0)
    linear = [nnx.Linear(i, o, rngs=rngs) for i, o in pairwise(WIDTHS)]
    neurons = [spyx.nn.LIF((o,), beta=0.5, threshold=0.3, rngs=rngs) for o in WIDTHS[1:-1]]
    graph, parameters = nnx.split((nnx.List(linear), nnx.List(neurons)))

    def loss(parameters, x, y):
        linear, neurons = nnx.merge(graph, parameters)
        x = jnp.moveaxis(x, 2, 0)
        for k, neuron in enumerate(neurons):
            x, _ = spyx.nn.run(neuron, linear[k](x))
        scores = jax.nn.log_softmax(linear[len(neurons)](x).mean(0))
        return -scores[jnp.arange(len(y)), y].mean()

    gradient = jax.jit(jax.value_and_grad(loss))

    def step(x, y):
        found = gradient(parameters, jnp.asarray(x.numpy()), jnp.asarray(y.numpy()))
        jax.block_until_ready(found)
        return float(found[0])

    return step


CONTENDERS = {
    "floor": Floor,
    "ours-fused": ours("fused"),
    "ours-reference": ours("reference"),
    "slayer-cuba-stock": slayer(False),
    "slayer-cuba-accelerated": slayer(True),
    "torch-lstm-128": lambda batch, steps: Step(Lstm()),
    "snntorch-leaky": snntorch,
    "spikingjelly-lif": spikingjelly,
    "norse-lif": norse,
    "sinabs-lif": sinabs,
    "torch-compile-lif": torch_compiled,
    "spyx-lif": spyx,
}


def prepare(name, batch, steps):
    """Return a contender's step and its batch, after one step that compiles and allocates; None if not installed."""
    torch.manual_seed(0)
    x, y = torch.rand(batch, 1, steps), torch.arange(batch) % WIDTHS[-1]
    try:
        step = CONTENDERS[name](batch, steps)
    except ImportError as error:
        print(f"{name}: not installed ({error})", file=sys.stderr)
        return None
    step(x, y)
    return lambda: step(x, y)


def seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak(name, batch, steps):
    """Return what a step adds to the largest resident size, in MB, measured in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--peak", name, "--batch", str(batch), "--steps", str(steps)]
    done = subprocess.run([*command, "--threads", str(torch.get_num_threads())], capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def print_peak(name, batch, steps):
    prepare(name, 2, 10)  # libraries and compiled code are no memory of the step
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest size so far
    if prepare(name, batch, steps) is not None:
        print((_resident("VmHWM") - before) / 1024)


def _resident(field):
    """Return a size of this process in kB, from Linux; ru_maxrss would begin with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def machine():
    """Return what a figure depends on."""
    here = Path(__file__).resolve().parent
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True)
    return {
        "device": cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or None,
    }


def compare(names, batch, steps, repeats, budget):
    """Time contenders in turns and print a JSON line for each; a slow one sits out when its time is spent."""
    steps_of = {name: prepare(name, batch, steps) for name in names}
    times = {name: [] for name, step in steps_of.items() if step is not None}
    loads = []
    for turn in range(repeats):
        loads.append(os.getloadavg()[0])
        for name, taken in times.items():
            if turn < 3 or sum(taken) < budget:
                gc.collect()
                taken.append(seconds(steps_of[name]))
    floor = statistics.median(times["floor"]) if "floor" in times else None
    del steps_of
    gc.collect()
    for name, taken in times.items():
        median = statistics.median(taken)
        line = {
            "contender": name,
            "batch": batch,
            "steps": steps,
            "median_s": round(median, 4),
            "min_s": round(min(taken), 4),
            "max_s": round(max(taken), 4),
            "repeats": len(taken),
            "times_floor": None if floor is None else round(median / floor, 2),
            "peak_mb": peak(name, batch, steps),
            "load": [round(min(loads), 1), round(max(loads), 1)],
            **machine(),
        }
        print(json.dumps(line), flush=True)


def growth(repeats):
    """Print the fused step's time over sequence length and over batch size."""
    sizes = [(4, steps) for steps in (784, 2000, 5000, 10_000, 20_000)]
    sizes += [(batch, STEPS) for batch in (16, 32, 64, 128, 256)]
    for batch, steps in sizes:
        step = prepare("ours-fused", batch, steps)
        taken, processor = [], []
        for _ in range(repeats):
            before = time.process_time()
            taken.append(seconds(step))
            processor.append(time.process_time() - before)
        # The processor's time, not the clock's: on a busy machine the long steps would look longer than they are.
        per = min(processor) / (batch * steps * sum(WIDTHS[1:-1])) * 1e9
        line = {"contender": "ours-fused", "batch": batch, "steps": steps, "min_s": round(min(taken), 4)}
        line |= {"min_cpu_s": round(min(processor), 4), "ns_per_neuron_step": round(per, 2), **machine()}
        print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--repeats", type=int, default=11, help="turns; three at least for every contender")
    parser.add_argument("--budget", type=float, default=15.0, help="seconds after which a slow contender sits out")
    parser.add_argument("--threads", type=int, help="torch's number of threads")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--growth", action="store_true", help="ours over lengths and batches instead")
    parser.add_argument("--peak", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # other libraries' deprecations
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.peak:
        print_peak(args.peak, args.batch, args.steps)
    elif args.growth:
        growth(args.repeats)
    else:
        compare(args.only, args.batch, args.steps, args.repeats, args.budget)


if __name__ == "__main__":
    main()
