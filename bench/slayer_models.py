"""Time training steps of lava-dl SLAYER's own tutorials, stock and under `spikeproof.accelerate()`.

Both run in one process and take turns, on the same network and the same batches, so that a busy machine is busy for
both. First every block's spikes and every gradient of the two are compared. One JSON line a model goes to stdout: CPU
seconds of a step (forward, loss, backward, optimiser), least and median.

    python bench/slayer_models.py --threads 1
    python bench/slayer_models.py --only nmnist-dense --profile
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import statistics
import time
import warnings
from itertools import pairwise

import numpy as np
import torch
from train_step import machine

import spikeproof
from spikeproof.lava_procs import compat

compat.apply()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lava.lib.dl.slayer as slayer

DIGITS, SIDE = 10, 34


def events(count, steps, pixels=slice(None)):
    """Return real N-MNIST recordings, 1 ms a step, of shape (count, 2, 34, 34, steps), and their digits."""
    path = os.path.join(os.environ["SPIKEPROOF_DATA"], "events/nmnist_small.npz")
    with np.load(path, allow_pickle=False) as file:
        ends, dt_lo, dt_hi = file["offsets"], file["dt_lo"], file["dt_hi"]
        polarity = np.unpackbits(file["p"])[: ends[-1]]
        y, x, label = file["y"], file["x"], file["label"]
    raster = np.zeros((count, 2, SIDE, SIDE, steps), np.float32)
    for n, (a, b) in enumerate(list(pairwise(ends))[:count]):
        step = (dt_lo[a:b] + 256 * dt_hi[a:b].astype(np.int64)).cumsum() // 1000
        seen = step < steps
        raster[n, polarity[a:b][seen], y[a:b][seen], x[a:b][seen], step[seen]] = 1
    return torch.from_numpy(raster), torch.from_numpy(label[:count].astype(np.int64))


def at_random(batch, channels, steps, density):
    return (torch.rand(batch, channels, steps) < density).float(), torch.arange(batch) % DIGITS


class Model:
    """A network, what it is trained on, and its loss."""

    def __init__(self, blocks, x, y, loss=None):
        self.net, self.x, self.y = torch.nn.Sequential(*blocks), x, y
        self.loss = loss or slayer.loss.SpikeRate(true_rate=0.2, false_rate=0.03, reduction="sum")
        self.net(x[:1])  # sizes, delays and decays are set at the first call
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.001)

    def step(self):
        self.optimizer.zero_grad()
        self.loss(self.net(self.x), self.y).backward()
        self.optimizer.step()


def nmnist_dense(batch, dropout=0.05):
    x, y = events(batch, 300)
    params = {
        "threshold": 1.25,
        "current_decay": 0.25,
        "voltage_decay": 0.03,
        "tau_grad": 0.03,
        "scale_grad": 3,
        "requires_grad": True,
    }
    drop = {**params, "dropout": slayer.neuron.Dropout(p=dropout)} if dropout else params
    block = slayer.block.cuba
    blocks = [
        block.Dense(drop, 2 * SIDE * SIDE, 512, weight_norm=True, delay=True),
        block.Dense(drop, 512, 512, weight_norm=True, delay=True),
        block.Dense(params, 512, DIGITS, weight_norm=True),
    ]
    return Model(blocks, x.flatten(1, 3), y)


def nmnist_conv(batch):
    x, y = events(batch, 100)
    params = {
        "threshold": 1.25,
        "current_decay": 0.25,
        "voltage_decay": 0.03,
        "tau_grad": 0.03,
        "scale_grad": 3,
        "requires_grad": False,
    }
    block = slayer.block.cuba
    blocks = [
        block.Conv(params, 2, 12, 5, stride=2, weight_scale=2, weight_norm=True),
        block.Conv(params, 12, 24, 3, stride=2, weight_scale=2, weight_norm=True),
        block.Flatten(),
        block.Dense(params, 24 * 7 * 7, DIGITS, weight_scale=2, weight_norm=True),
    ]
    return Model(blocks, x, y)


def recurrent(batch, threshold=4.0):
    x, y = at_random(batch, 700, 100, 0.02)
    params = {"threshold": threshold, "current_decay": 0.25, "voltage_decay": 0.1, "tau_grad": 0.1, "scale_grad": 1}
    block = slayer.block.cuba
    blocks = [block.Recurrent(dict(params), 700, 256), block.Dense(dict(params), 256, 20)]
    return Model(blocks, x, y, lambda spikes, y: torch.nn.functional.cross_entropy(spikes.mean(-1), y))


def cuba_chain(batch):
    x, y = torch.rand(batch, 1, 784), torch.arange(batch) % DIGITS
    params = {"threshold": 0.3, "current_decay": 1.0, "voltage_decay": 0.5}
    widths = (1, 64, 88, 88, DIGITS)
    blocks = [slayer.block.cuba.Dense(params, i, o) for i, o in pairwise(widths)]
    return Model(blocks, x, y, lambda spikes, y: torch.nn.functional.cross_entropy(spikes.mean(-1), y))


def pilotnet(batch):
    """Sigma-delta neurons on a drive's frames: smaller images than PilotNet's, its kinds of layers."""
    x = (torch.rand(batch, 3, 33, 50, 1) + 0.1 * torch.rand(batch, 3, 33, 50, 16)).round(decimals=2)
    params = {
        "threshold": 0.1,
        "tau_grad": 0.5,
        "scale_grad": 1,
        "requires_grad": True,
        "shared_param": True,
        "activation": torch.nn.functional.relu,
    }
    block = slayer.block.sigma_delta
    blocks = [
        block.Input(params),
        block.Conv(params, 3, 24, 3, stride=2, weight_scale=2, weight_norm=True),
        block.Conv(params, 24, 36, 3, stride=2, weight_scale=2, weight_norm=True),
        block.Conv(params, 36, 64, 3, stride=(2, 1), padding=(0, 1), weight_scale=2, weight_norm=True),
        block.Flatten(),
        block.Dense(params, 64 * 3 * 11, 100, weight_scale=2, weight_norm=True),
        block.Output(params, 100, 1, weight_scale=2, weight_norm=True),
    ]
    return Model(blocks, x, torch.rand(batch, 1, 16), lambda out, y: ((out - y) ** 2).mean())


MODELS = {
    "nmnist-dense": (nmnist_dense, 32),
    "nmnist-dense-no-dropout": (lambda batch: nmnist_dense(batch, 0), 32),
    "nmnist-conv": (nmnist_conv, 8),
    "recurrent": (recurrent, 32),
    "recurrent-busy": (lambda batch: recurrent(batch, 0.5), 32),
    "cuba-1-64-88-88-10": (cuba_chain, 64),
    "pilotnet-sdnn": (pilotnet, 4),
}


def observed(model):
    """Return what every block puts out, and every gradient, of one step with a fixed seed."""
    outputs = []
    hooks = [block.register_forward_hook(lambda _, __, out: outputs.append(out.detach())) for block in model.net]
    for module in model.net.modules():  # recurrent neurons keep their state from batch to batch
        for name in ("current_state", "voltage_state"):
            if hasattr(module, name):
                getattr(module, name).zero_()
    model.net.zero_grad()
    torch.manual_seed(1)
    model.loss(model.net(model.x), model.y).backward()
    for hook in hooks:
        hook.remove()
    return outputs, {name: p.grad.clone() for name, p in model.net.named_parameters() if p.grad is not None}


def compared(model):
    """Return how many of the blocks' outputs differ, the largest relative difference of gradients, and densities."""
    outputs, gradients = observed(model)
    with spikeproof.accelerate():
        ours, theirs = observed(model)
    wrong = sum(int((a != b).sum()) for a, b in zip(outputs, ours, strict=True))
    assert gradients.keys() == theirs.keys()
    far = {n: ((g - theirs[n]).abs().max() / g.abs().max().clamp(min=1e-30)).item() for n, g in gradients.items()}
    worst = max(far, key=far.get)
    return {
        "outputs_that_differ": wrong,
        "gradients_differ_by": float(f"{far[worst]:.2g}"),
        "of": worst,
        "density_percent": [round(100 * (out != 0).float().mean().item(), 2) for out in [model.x, *outputs]],
    }


def cpu(step):
    start = time.process_time()
    step()
    return time.process_time() - start


def measure(name, batch, warm, repeats):
    build, usual = MODELS[name]
    torch.manual_seed(0)
    model = build(batch or usual)
    with spikeproof.accelerate():
        for _ in range(warm):
            model.step()
    line = {"model": name, "batch": batch or usual, **compared(model)}
    times, loads = {"stock": [], "accelerated": []}, []
    compared_one = copy.deepcopy(model.net.state_dict())  # training on would change how much it fires
    for repeat in range(repeats):
        loads.append(os.getloadavg()[0])
        for kind in list(times)[:: 1 if repeat % 2 else -1]:  # so that neither always finds the other's cache
            with spikeproof.accelerate() if kind == "accelerated" else contextlib.nullcontext():
                model.net.load_state_dict(compared_one)
                times[kind].append(cpu(model.step))
    for kind, taken in times.items():
        figures = (min(taken), statistics.median(taken), max(taken))
        line |= {
            f"{kind}_cpu_ms": dict(zip(("min", "median", "max"), (round(1e3 * s, 1) for s in figures), strict=True))
        }
    line["times_faster_min"] = round(min(times["stock"]) / min(times["accelerated"]), 2)
    line["times_faster_median"] = round(statistics.median(times["stock"]) / statistics.median(times["accelerated"]), 2)
    line |= {"repeats": repeats, "load": [round(min(loads), 1), round(max(loads), 1)], **machine()}
    print(json.dumps(line), flush=True)


def profile(name, batch, warm):
    """Print where an accelerated step spends its time."""
    build, usual = MODELS[name]
    torch.manual_seed(0)
    model = build(batch or usual)
    with spikeproof.accelerate():
        for _ in range(warm):
            model.step()
        with torch.profiler.profile() as found:
            for _ in range(3):
                model.step()
    print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=60))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS), metavar="NAME")
    parser.add_argument("--batch", type=int, help="instead of each model's own")
    parser.add_argument("--warm", type=int, default=20, help="training steps before the comparison")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, help="torch's number of threads")
    parser.add_argument("--profile", action="store_true", help="where the accelerated step's time goes, instead")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # lava-dl's deprecations
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.only:
        if args.profile:
            profile(name, args.batch, args.warm)
        else:
            measure(name, args.batch, args.warm, args.repeats)


if __name__ == "__main__":
    main()
