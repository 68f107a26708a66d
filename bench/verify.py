"""Time `spikeproof.verify`, and the memory that it takes, with spikes alone and with every register.

What is timed is a trained run on torch and on the batch engine, without Lava, whose time hides everything else. Each
measurement is a process of its own, so that its peak of memory is its own, and loads the run first, which is not part
of the time. Contenders take turns. Seconds are those of the processor: a busy machine makes them longer too, but all
of them. One JSON line a measurement; the last line holds the medians and their ratio.

    python bench/verify.py
    python bench/verify.py --samples all --contenders registers --rounds 1
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from spikeproof.sim.report.machine import cpu as cpu_name

CONTENDERS = {"spikes": False, "registers": True}
TARGET = 2.0
"""Registers may take so many times what spikes alone take."""


def measure(folder, samples, registers):
    """Verify a run in this process; return what is told of it."""
    from spikeproof.sim.verify.verify import verify
    from spikeproof.train.runs.run import Run

    trained = Run.open(folder).load(to_export=True)
    verify(trained, samples=1, backends=("engine",), registers=registers)  # loads or compiles what runs
    loaded = peak()
    wall, cpu = time.perf_counter(), time.process_time()
    verdict = verify(trained, samples=samples, backends=("engine",), registers=registers)
    taken = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    (compared,) = verdict.comparisons
    return {
        "samples": compared.num_samples,
        "exact": verdict.exact,
        "raster_entries": compared.spikes_compared,
        "register_values": compared.registers_compared,
        **{name: round(value, 2) for name, value in taken.items()},
        "peak_MB_before": loaded,
        "peak_MB": peak(),
        "load": [round(x, 1) for x in os.getloadavg()],
    }


def peak():
    """Return the largest resident size of this process so far, in MB; getrusage would tell the parent's."""
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path(__file__).parents[1] / "examples/pretrained/s-mnist")
    parser.add_argument("--samples", default="100", help="a number, or all")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    samples = asked.samples if asked.samples == "all" else int(asked.samples)
    if asked.one:
        print(json.dumps({"contender": asked.one, **measure(asked.run, samples, CONTENDERS[asked.one])}))
        return
    threads = os.environ.get("OMP_NUM_THREADS", "as many as cores")
    print(json.dumps({"cpu": cpu_name(), "cores": os.cpu_count(), "torch_threads": threads}), flush=True)
    times = {name: [] for name in asked.contenders}
    for _ in range(asked.rounds):
        for name in asked.contenders:
            command = [sys.executable, __file__, "--run", asked.run, "--samples", asked.samples, "--one", name]
            line = subprocess.check_output(list(map(str, command)), text=True).splitlines()[-1]
            print(line, flush=True)
            found = json.loads(line)
            if not found["exact"]:
                raise SystemExit("not exact")
            times[name].append(found["cpu_s"])
    medians = {name: statistics.median(each) for name, each in times.items()}
    told = {"median_cpu_s": medians}
    if len(medians) == 2:
        told["registers_over_spikes"] = round(medians["registers"] / medians["spikes"], 2)
        told["target"] = TARGET
    print(json.dumps(told))
    raise SystemExit(told.get("registers_over_spikes", 0) > TARGET)


if __name__ == "__main__":
    main()
