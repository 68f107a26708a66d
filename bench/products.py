"""Time dense layers' sums and weight gradients over events, and torch's products in their place, over densities.

`train/slayer/fused/products.py` has what an event, an entry and a step cost, from which a layer chooses; this is what
they were taken from. One JSON line a size and density goes to stdout, CPU milliseconds, the least of some repeats.

    python bench/products.py --threads 1
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch
from train_step import machine

from spikeproof.train.slayer.fused import dense, events, products
from spikeproof.train.slayer.fused.loops import cuba

SIZES = [
    (64, 64, 88, 784),
    (64, 88, 10, 784),
    (32, 512, 512, 300),
    (32, 512, 10, 300),
    (32, 2312, 512, 300),
    (32, 700, 256, 100),
    (64, 256, 32, 300),
]
"""Samples, senders, neurons, steps."""
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2)


def best(call, repeats):
    call()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return round(1e3 * min(taken), 2)


class Layer:
    """A layer's product and neurons, on spikes at random."""

    def __init__(self, samples, senders, neurons, steps, density):
        self.x = (torch.rand(samples, senders, steps) < density).float()
        self.weight = torch.randint(-127, 128, (neurons, senders)) / 64.0
        self.seen = events.find(self.x, 1.0)
        self.blocks = products.blocks(neurons, steps)
        self.packed = products.pack(self.weight, 64, 64, self.blocks, as_bytes=True)
        self.grad = torch.randn(samples, steps, products.padded(neurons))
        self.levels = np.empty(self.grad.shape, np.float32)
        self.fired = np.empty(self.levels.size + cuba.ROOM, np.int32)
        self.sums = self.product().numpy()

    def product(self):
        return dense._product(self.weight, self.x, True)

    def scan(self, *, of_events):
        """Run the neurons on sums over events, or on those of torch's product."""
        samples, steps = self.levels.shape[:2]
        ends = np.empty(samples, np.int64)
        for block in self.blocks:
            width = block.stop - block.start
            z, states = np.empty((steps, width), np.float32), np.zeros((2, samples, width), np.float32)
            keep = np.full((2, width), 0.75, np.float32)
            neurons = *states, *keep, np.float32(80), block.start, len(self.weight), self.levels, self.fired, ends
            if of_events:
                cuba.scan_events(*self.seen[:3], self.packed.scaled(block), z, *neurons)
            else:
                cuba.scan_sums(self.sums, np.float32(64), z, *neurons)

    def gradient(self, *, of_events):
        if of_events:
            products.gradient(self.seen, self.grad.numpy(), *self.weight.shape)
        else:
            dense._of_weight(self.x, self.grad[..., : len(self.weight)])


def measure(size, density, repeats):
    samples, senders, neurons, steps = size
    layer = Layer(*size, density)
    line = {"samples": samples, "senders": senders, "neurons": neurons, "steps": steps, "density": density}
    line |= {
        "sums_of_events_ms": best(lambda: layer.scan(of_events=True), repeats),
        "sums_of_product_ms": best(lambda: (layer.product(), layer.scan(of_events=False)), repeats),
        "gradient_of_events_ms": best(lambda: layer.gradient(of_events=True), repeats),
        "gradient_of_product_ms": best(lambda: layer.gradient(of_events=False), repeats),
        "events_below": {
            "sums": round(products.densest_sums(senders, neurons), 4),
            "gradient": round(products.densest_gradient(neurons), 4),
        },
    }
    print(json.dumps(line | machine()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help="torch's number of threads")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for size in SIZES:
        for density in DENSITIES:
            measure(size, density, args.repeats)


if __name__ == "__main__":
    main()
