"""What capture and replay cost beside a forward pass of the module.

    python bench/capture.py [--repeats 9]

Prints, for each module, the median (lowest to highest) of a forward pass of two samples, of `capture` on the same two,
and of a replay of them with the blocks' outputs played back, in milliseconds; measured in turn, in one process. The
last column is how many forward passes capture and replay are together, without 50 ms.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from spikeproof.export.capture import guard
from spikeproof.export.capture.capture import capture
from spikeproof.lava_procs import compat
from spikeproof.sim.report.machine import cpu
from spikeproof.train.runs.models import Classifier

FREE = 0.050
"""Seconds that are not counted in forward passes."""


class Network(nn.Module):
    """Dense SLAYER blocks as in lava-dl's N-MNIST tutorial, and a rate at the end."""

    def __init__(self, slayer: object, *, at_once: bool = True) -> None:
        super().__init__()
        params = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03, "persistent_state": not at_once}
        widths = (34 * 34 * 2, 512, 512, 10) if at_once else (64, 64, 10)
        block = slayer.block.cuba.Dense  # type: ignore[attr-defined]
        shift = {"delay_shift": at_once}
        self.blocks = nn.ModuleList(block(params, *pair, weight_scale=2, **shift) for pair in _pairs(widths))
        self.at_once = at_once

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return firing rates."""
        steps = [x] if self.at_once else x.split(1, -1)
        out = []
        for z in steps:
            for block in self.blocks:
                z = block(z)
            out.append(z)
        return torch.cat(out, -1).mean(-1)


class Images(nn.Module):
    """Convolutions on images of 34 x 34, a pool and a dense block."""

    def __init__(self, slayer: object) -> None:
        super().__init__()
        params = {"threshold": 1.25, "current_decay": 0.25, "voltage_decay": 0.03}
        block = slayer.block.cuba  # type: ignore[attr-defined]
        self.a = block.Conv(params, 2, 12, 5, weight_scale=2)
        self.b = block.Pool(params, 2, weight_scale=2)
        self.c = block.Conv(params, 12, 24, 5, weight_scale=2)
        self.d = block.Dense(params, 24 * 11 * 11, 10, weight_scale=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes of ten classes."""
        return self.d(self.c(self.b(self.a(x))).flatten(1, 3))


def _pairs(widths: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise(widths))


def cases() -> dict[str, tuple[nn.Module, np.ndarray]]:
    """Return the modules, and two samples for each."""
    compat.apply()
    import lava.lib.dl.slayer as slayer

    torch.manual_seed(0)
    random = np.random.default_rng(0)

    def spikes(*shape: int) -> np.ndarray:
        return (random.random((2, *shape)) < 0.1).astype(np.float32)

    return {
        "CE-LIF [64, 88, 88], 784 steps": (Classifier(1, (64, 88, 88), 10, 784), spikes(1, 784)),
        "N-MNIST tutorial, 300 steps": (Network(slayer), spikes(34 * 34 * 2, 300)),
        "convolutions on 34 x 34, 40 steps": (Images(slayer), spikes(2, 34, 34, 40)),
        "a loop over 100 steps": (Network(slayer, at_once=False), spikes(64, 100)),
    }


def measure(module: nn.Module, x: np.ndarray, repeats: int) -> list[list[float]]:
    """Return seconds of forward passes, captures and replays, in turn."""
    module.eval()
    found = capture(module, x)
    outputs = found.watch(x).outputs
    taken = guard.tensor(module, x)
    found_times: list[list[float]] = [[], [], []]

    def forward() -> None:
        with torch.no_grad(), guard.undisturbed(module):
            module(taken)

    runs = (forward, lambda: capture(module, x), lambda: found.replay(x, outputs))
    for _ in range(repeats):
        for times, run in zip(found_times, runs, strict=True):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
    return found_times


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"{cpu()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, torch {torch.__version__}")
    print(
        "| module | forward pass, ms | capture, ms | replay, ms | forward passes beyond 50 ms |\n|---|---|---|---|---|"
    )
    for name, (module, x) in cases().items():
        times = measure(module, x, repeats)
        told = [f"{1e3 * statistics.median(t):.1f} ({1e3 * min(t):.1f} to {1e3 * max(t):.1f})" for t in times]
        forward, *rest = (statistics.median(t) for t in times)
        print(f"| {name} | {' | '.join(told)} | {max(0.0, sum(rest) - FREE) / forward:.1f} |", flush=True)


if __name__ == "__main__":
    main()
