"""How far registers go: measured on test samples, found by the search, and bounded for every input.

    python bench/ranges.py measure bench/results/ranges.jsonl --run digits=runs/demo
    python bench/ranges.py times bench/results/ranges_times.jsonl
    python bench/ranges.py keep bench/results/keep_provable.jsonl

`measure` takes the networks of examples/pretrained whose data are there, and the run folders that are named. `times`
measures seconds and memory of the bounds alone, of those networks and of one of 100,000 neurons. `keep` trains a
recipe, default `digits`, with several `keep_provable`, five seeds each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from spikeproof.contract.net import Input, Layer, Net
from spikeproof.contract.neurons.cuba import CUBA
from spikeproof.contract.neurons.readout import Readout
from spikeproof.contract.synapses.dense import Dense
from spikeproof.export.formats import load
from spikeproof.sim import engine
from spikeproof.sim.bounds import bounds
from spikeproof.sim.search import search

PRETRAINED = Path(__file__).resolve().parents[1] / "examples" / "pretrained"
SAMPLES = 500
LARGE = "100,000 neurons"


def measured(net: Net, x: Any) -> dict[tuple[str, str], int]:
    """Return the largest magnitude of every register on samples."""
    found: dict[tuple[str, str], int] = {}
    for begin in range(0, len(x), 50):
        trace = engine.run(net, net.encode(x[begin : begin + 50]))
        for layer in net.layers:
            for register in layer.neuron.registers:
                values = trace.layers[layer.name][register]
                largest = max(int(values.max()), -int(values.min()))
                found[layer.name, register] = max(found.get((layer.name, register), 0), largest)
    return found


def measure(name: str, folder: Path, rounds: int, *, ascend: bool) -> list[dict[str, Any]]:
    """Return a line for each register of the network of a run."""
    from spikeproof.train.runs.run import Run

    net, x = load(folder / "net.net"), Run.open(folder).load().task.test.x[:SAMPLES]
    on_samples, found = measured(net, x), bounds(net)
    begun = time.perf_counter()
    reached = {(one.layer, one.register): abs(one.value) for one in search(net, found, rounds=rounds, ascend=ascend)}
    seconds = round(time.perf_counter() - begun, 1)
    return [
        {
            "network": name,
            "steps": net.steps,
            "layer": bound.layer,
            "register": bound.register,
            "samples": len(x),
            "measured": on_samples[bound.layer, bound.register],
            "found": reached[bound.layer, bound.register],
            "bound": bound.largest,
            "limit": bound.limit,
            "proven": bound.proven,
            "rounds": rounds,
            "ascend": ascend,
            "search_seconds": seconds,
        }
        for bound in found.found
        if bound.register != "sum"
    ]


def large(width: int = 100_000, channels: int = 100, steps: int = 100) -> Net:
    """Return a network of many neurons."""
    random = np.random.default_rng(0)
    neuron = CUBA(num_neurons=width, u_decay=1024, v_decay=512, v_th_mant=300)
    weight = 2 * random.integers(-30, 31, (width, channels), np.int16)
    out = 2 * random.integers(-1, 2, (10, width), np.int16)
    layers = (
        Layer(name="hidden", synapse=Dense(weight=weight), neuron=neuron),
        Layer(name="readout", synapse=Dense(weight=out), neuron=Readout(num_neurons=10)),
    )
    return Net(inputs=(Input(num_channels=channels),), layers=layers, steps=steps)


def timed(name: str) -> dict[str, Any]:
    """Return seconds and memory of the bounds of one network; run in a process of its own."""
    import resource

    net = large() if name == LARGE else load(PRETRAINED / name / "net.net")
    begun, cpu = time.perf_counter(), time.process_time()
    found = bounds(net)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    neurons = sum(layer.num_neurons for layer in net.layers)
    return {
        "network": name,
        "neurons": neurons,
        "steps": net.steps,
        "proven": found.proven,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "megabytes": round(most / 1024),
    }


def keep(recipe: str, part: float, seed: int, epochs: int | None) -> dict[str, Any]:
    """Return what training a recipe with `keep_provable` gives."""
    from spikeproof.train.runs.fit import fit
    from spikeproof.train.runs.recipe import find

    settings = [f"keep_provable={part:g}", f"seed={seed}"] + ([f"epochs={epochs}"] if epochs else [])
    chosen = find(recipe).replace(settings)
    with tempfile.TemporaryDirectory() as folder:
        run = fit(chosen, folder)
        found, result = bounds(load(run.net_path)), run.result()
    widest = max((bound for bound in found.found if bound.register != "sum"), key=lambda bound: bound.used)
    return {
        "recipe": recipe,
        "keep_provable": part,
        "seed": seed,
        "epochs": chosen.epochs,
        "test_score": result["test_score"],
        "seconds": result["seconds"],
        "proven": found.proven,
        "widest": [widest.layer, widest.register, round(widest.used, 5)],
    }


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "times", "time", "keep"])
    parser.add_argument("lines", help="JSON lines; of `time`, the network")
    parser.add_argument("--run", action="append", default=[], help="NAME=FOLDER of a run beside the pretrained ones")
    parser.add_argument("--only", action="append", default=[], help="networks to measure; default all")
    parser.add_argument("--rounds", type=int, default=20, help="of the search")
    parser.add_argument("--no-gradients", action="store_true", help="breed alone")
    parser.add_argument("--recipe", default="digits", help="of `keep`")
    parser.add_argument("--part", action="append", type=float, help="keep_provable; default 0, 1, 0.02, 0.01")
    parser.add_argument("--seeds", type=int, default=5, help="of `keep`")
    parser.add_argument("--epochs", type=int, help="of `keep`; default the recipe's")
    asked = parser.parse_args()
    names = [each.name for each in sorted(PRETRAINED.iterdir()) if (each / "net.net").is_file()]
    if asked.what == "measure":
        runs = {name: PRETRAINED / name for name in names}
        runs |= {name: Path(folder) for name, _, folder in (each.partition("=") for each in asked.run)}
        for name, folder in runs.items():
            if not asked.only or name in asked.only:
                _append(Path(asked.lines), measure(name, folder, asked.rounds, ascend=not asked.no_gradients))
    elif asked.what == "time":
        print(json.dumps(timed(asked.lines)))
    elif asked.what == "times":
        for name in [*names, LARGE]:
            out = subprocess.check_output([sys.executable, __file__, "time", name], text=True)
            _append(Path(asked.lines), [json.loads(out)])
    else:
        for seed in range(asked.seeds):
            for part in asked.part or (0, 1, 0.02, 0.01):
                _append(Path(asked.lines), [keep(asked.recipe, part, seed, asked.epochs)])


if __name__ == "__main__":
    main()
