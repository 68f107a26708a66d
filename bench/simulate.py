"""Time the simulation of networks, sample by sample and in batches, on Lava, in plain NumPy and on the engine.

The network is [1, 64, 88, 88, 10] at T = 784: CE-LIF layers and a read-out, with weights drawn as a trained network's
are (uniform, by fan-in) and an input in which a fifth of the pixels is not 0, as in MNIST. The contenders take turns,
so that a busy machine is busy for all of them. One JSON line a contender and batch goes to stdout; the last line holds
the verdict. All traces are compared, and a difference ends the run with exit code 1.

Lava runs one stream of samples. What it needs for a sample does not depend on how many follow, but it starts nine
processes first; so its figure at batch 1 is a run of one sample, start included, and its figure at larger batches is
the time that each further sample of a stream adds.

A second network is recurrent, 700 inputs to 256 neurons that feed each other to 20, CUBA, T = 1,000, as for spoken
digits: a fiftieth of the input is spikes. It is compared with stock NetX, which can run it, by what each further step
of a long stream takes there; and `simulate` is the engine with the encoding of the input. Times of this network are
those of the processors, which all of stock NetX's processes have together; `stock-netx-wall` is the time on the wall.

A third network, two convolutions of 2 x 16 x 16 spikes in 50 steps, a Flatten and a Dense layer of CUBA neurons, is
timed at batches 1 and 32; it has no target.

    python bench/simulate.py
    python bench/simulate.py --batches 1 --rounds 7
    python bench/simulate.py --memory
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import stock_netx

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.celif import CELIF
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.conv import Conv
from spikeproof.contract.synapses.dense import Dense
from spikeproof.sim import engine, reference
from spikeproof.sim.lava import backend as lava_backend
from spikeproof.sim.report.machine import cpu as cpu_name
from spikeproof.sim.simulate import simulate

WIDTHS, STEPS = (1, 64, 88, 88, 10), 784
TARGETS = {1: 20, 256: 1000}
"""Batch -> how many times the engine is to be faster than Lava with the spikes of all layers, of the first network."""
ALL_TARGET, RECURRENT_TARGET = 2000, 200
"""The same with every register at batch 256; and the second network at batch 64, in times of stock NetX."""


def network():
    """Return a network whose hidden layers fire in 20 to 30 % of the steps (the run says how often)."""
    random = np.random.default_rng(0)
    layers = []
    for i, (inputs, n) in enumerate(pairwise(WIDTHS)):
        weight = 2 * np.round(32 * random.uniform(-1, 1, (n, inputs)) / np.sqrt(inputs))
        bias = random.integers(-8, 12, n)
        neuron = (
            Readout(num_neurons=n, bias_mant=bias)
            if i + 2 == len(WIDTHS)
            else CELIF(
                num_neurons=n, v_decay=2048, th_decay=41, v_th_mant=19, te_exp=9, a_shift=6 if i else 0,
                bias_mant=bias, bias_exp=6,
            )
        )  # fmt: skip
        layers.append(Layer(name=f"l{i}", synapse=Dense(weight=weight), neuron=neuron))
    te = random.integers(-128, 128, (STEPS, max(WIDTHS)))
    return Net(inputs=(Input(num_channels=1, bits=8, exp=-6),), layers=tuple(layers), steps=STEPS, te=te)


def conv_network():
    """Return a Conv-Conv-Flatten-Dense network of CUBA neurons in which every layer fires."""
    random = np.random.default_rng(0)
    layers, shape = [], (2, 16, 16)
    for i, (features, stride) in enumerate(((8, 1), (16, 2))):
        weight = 2 * random.integers(-12, 20, (features, shape[0], 3, 3))
        synapse = Conv(weight=weight, in_shape=shape, stride=(stride, stride), padding=(1, 1))
        neuron = CUBA(num_neurons=synapse.num_neurons, u_decay=1024, v_decay=512, v_th_mant=150 * (i + 1))
        layers.append(Layer(name=f"conv{i}", synapse=synapse, neuron=neuron))
        shape = synapse.out_shape
    weight = 2 * random.integers(-12, 14, (10, layers[-1].num_neurons))
    neuron = CUBA(num_neurons=10, u_decay=1024, v_decay=512, v_th_mant=900)
    layers.append(Layer(name="dense", synapse=Dense(weight=weight), neuron=neuron))
    return Net(inputs=(Input(num_channels=2 * 16 * 16),), layers=tuple(layers), steps=50)


def recurrent_network():
    """Return a recurrent network whose layers fire in 15 and 30 to 50 % of the steps."""
    random = np.random.default_rng(0)
    hidden = Layer(
        name="recurrent",
        synapse=Dense(weight=2 * random.integers(-20, 24, (256, 700))),
        neuron=CUBA(num_neurons=256, u_decay=1024, v_decay=512, v_th_mant=350),
        feedback=Dense(weight=2 * random.integers(-8, 8, (256, 256))),
    )
    out = Layer(
        name="out",
        synapse=Dense(weight=2 * random.integers(-20, 24, (20, 256))),
        neuron=CUBA(num_neurons=20, u_decay=1024, v_decay=512, v_th_mant=600),
    )
    return Net(inputs=(Input(num_channels=700),), layers=(hidden, out), steps=1000)


def images(net, samples):
    """Return input in SLAYER's units."""
    random = np.random.default_rng(1)
    shape = (samples, net.input.num_channels, net.steps)
    if not net.input.bits:
        return (random.random(shape) < (0.02 if net.steps == 1000 else 0.05)).astype(np.float32)
    return np.where(random.random(shape) < 0.2, random.random(shape), 0)


def contenders(net, batch, lava_samples, stock=False):
    """Return the contenders at a batch, the judge first: name -> (samples that it runs, a function that runs them)."""
    x = images(net, batch)
    payload = net.encode(x)
    few = 1 if batch == 1 else lava_samples
    judged = few if stock else batch
    lava = {} if stock else {"lava": (few, lambda: lava_backend.run(net, payload[:few], deadline=600.0))}
    return {
        "numpy-loop": (judged, lambda: reference.run(net, payload[:judged])),
        **lava,
        "engine-all": (batch, lambda: engine.run(net, payload, record="all")),
        "engine-spikes": (batch, lambda: engine.run(net, payload, record="spikes")),
        "engine-output": (batch, lambda: engine.run(net, payload, record="output")),
        "simulate": (batch, lambda: simulate(net, x, backend="engine")),
        "engine-all-1-thread": (batch, lambda: engine.run(net, payload, record="all", threads=1)),
    }


def seconds(function, clock=time.perf_counter):
    start = clock()
    result = function()
    return clock() - start, result


def same(expected, trace):
    """Compare what a trace holds with what the contract's steps say; return how many entries were compared."""
    compared = 0
    for layer, variables in () if trace is expected else trace.layers.items():
        for name, array in variables.items():
            both = min(len(array), expected.num_samples)
            if not np.array_equal(expected.layers[layer][name][:both], array[:both]):
                raise SystemExit(f"{trace.backend} differs in {name} of layer {layer}")
            compared += array[:both].size
    return compared


def measure(net, batch, rounds, lava_samples, stock=False):
    """Time the contenders in turn; return name -> seconds a sample, one a round, and the entries compared."""
    runs = contenders(net, batch, lava_samples, stock)
    runs["engine-spikes"][1]()  # compiles, or loads what was compiled
    runs["simulate"][1]()
    times, compared = {name: [] for name in runs}, 0
    # Lava's processes run beside this one; stock NetX counts their time itself.
    clock = time.process_time if stock else time.perf_counter
    for _ in range(rounds):
        expected = None
        for name, (samples, function) in runs.items():
            taken, trace = seconds(function, clock)
            if name == "lava" and batch > 1:
                once, _ = seconds(contenders(net, 1, 1)["lava"][1])
                taken, samples = taken - once, samples - 1
            times[name].append(taken / samples)
            expected = expected or trace
            compared += same(expected, trace)
        if stock:
            busy, wall, spikes = stock_netx.run(net, net.encode(images(net, 1))[0])
            times.setdefault("stock-netx", []).append(busy * net.steps)
            times.setdefault("stock-netx-wall", []).append(wall * net.steps)
            if not np.array_equal(spikes, expected.layers["out"]["s"][0, :, : spikes.shape[1]]):
                raise SystemExit("stock NetX differs")
            compared += spikes.size
    return times, compared, {name: float(of["s"].mean()) for name, of in expected.layers.items() if "s" in of}


def stream_long(steps, chunk=20_000):
    """Run one sample of `steps` steps through one layer, in chunks; print the time and the largest resident size."""
    net = network()
    net = dataclasses.replace(net, layers=net.layers[:1], steps=steps)
    random = np.random.default_rng(0)
    session = engine.Session(net, record="spikes")
    start, spikes = time.perf_counter(), 0
    for first in range(0, steps, chunk):
        size = min(chunk, steps - first)
        payload = random.integers(0, 64, (1, 1, size)).astype(np.int32)
        spikes += int(session.feed(payload).layers["l0"]["s"].sum())
    taken = time.perf_counter() - start
    assert spikes == session.counts["l0"].sum() > 0
    # Not getrusage: there a child inherits what its parent had when it forked.
    size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
    print(json.dumps({"steps": steps, "seconds": round(taken, 2), "spikes": spikes, "peak_rss_MB": round(size, 1)}))


def machine():
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "numba", "lava-nc")}
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "python": platform.python_version(), **versions}


def targets(name, batch):
    """Return (how many times faster, which contender, than which) for a network and batch."""
    if name == "recurrent" and batch == 64:
        return [(RECURRENT_TARGET, "engine-all", "stock-netx")]
    found = [(TARGETS[batch], "engine-spikes", "lava")] if name == "celif" and batch in TARGETS else []
    return found + ([(ALL_TARGET, "engine-all", "lava")] if name == "celif" and batch == 256 else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 32, 256])
    parser.add_argument("--recurrent-batches", type=int, nargs="*", default=[1, 64], help="of the recurrent network")
    parser.add_argument("--conv-batches", type=int, nargs="*", default=[1, 32], help="of the convolutional network")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lava-samples", type=int, default=4, help="samples of a Lava stream at batches above 1")
    parser.add_argument("--memory", action="store_true", help="only the long streams")
    parser.add_argument("--long", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.lava_samples < 2:
        parser.error("--lava-samples must be 2 or more: the time of a further sample is what remains after the first")
    if options.long:
        return stream_long(options.long)
    print(json.dumps({**machine(), "load": [round(x, 1) for x in os.getloadavg()]}), flush=True)
    missed = []
    runs = [("celif", network, batch) for batch in options.batches]
    runs += [("recurrent", recurrent_network, batch) for batch in options.recurrent_batches]
    runs += [("conv-flatten-dense", conv_network, batch) for batch in options.conv_batches]
    for name, build, batch in [] if options.memory else runs:
        net = build()
        times, compared, rates = measure(net, batch, options.rounds, options.lava_samples, name == "recurrent")
        rates = {layer: round(rate, 3) for layer, rate in rates.items()}
        if not all(rates.values()):
            raise SystemExit(f"a layer of {name} never fires: {rates}")
        over = "lava" if "lava" in times else "stock-netx"
        slowest = statistics.median(times[over])
        for contender, each in times.items():
            median = statistics.median(each)
            line = {
                "network": name, "contender": contender, "batch": batch, "samples_per_s": round(1 / median, 3),
                "min": round(1 / max(each), 3), "max": round(1 / min(each), 3),
                f"times_{over}": round(slowest / median, 1),
            }  # fmt: skip
            print(json.dumps(line), flush=True)
        line = {
            "network": name,
            "batch": batch,
            "rounds": options.rounds,
            "equal_entries": compared,
            "spike_rates": rates,
        }
        for target, contender, over in targets(name, batch):
            reached = round(statistics.median(times[over]) / statistics.median(times[contender]), 1)
            line |= {f"target_{contender}": target, f"reached_{contender}": reached}
            if reached < target:
                missed.append((name, batch, contender))
        print(json.dumps({**line, "load": [round(x, 1) for x in os.getloadavg()]}), flush=True)
    sizes = []
    for steps in (10_000, 100_000, 1_000_000):
        text = subprocess.check_output([sys.executable, __file__, "--long", str(steps)], text=True)
        print(text.strip(), flush=True)
        sizes.append(json.loads(text)["peak_rss_MB"])
    constant = sizes[-1] < sizes[-2] * 1.05
    print(json.dumps({"targets_missed": missed, "memory_constant": constant}))
    raise SystemExit(bool(missed) or not constant)


if __name__ == "__main__":
    main()
