"""The cells of the parity matrix: random networks of SLAYER blocks, and what the stock path does with each.

The stock verdicts were measured earlier and are quoted, not rerun: lava-dl 0.6.0, lava-nc 0.10.0, torch 2.3.1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from spikeproof.contract.net import Input
from spikeproof.lava_procs import compat

compat.apply()
from lava.lib.dl import slayer  # noqa: E402 - the layer above makes it importable

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from slayer_ranges import NEURONS  # noqa: E402 - the tests draw from the same

STOCK_VERSIONS = "lava-dl 0.6.0, lava-nc 0.10.0, torch 2.3.1, NumPy 1.26.4, Python 3.10"
STEPS, SAMPLES, IMAGE = 20, 3, (2, 4, 6)


class Cell(NamedTuple):
    """One cell of the matrix."""

    row: str
    column: str
    stock: str
    """What the stock path does, as it was measured."""
    make: Callable[[int], tuple[torch.nn.Module, np.ndarray]] | None
    """Seed -> a network and its input; None where lava-dl has no such block."""
    nets: int | None = None
    """How many networks are enough, where one takes long."""
    input: Input | None = None
    """What enters the first block, if it is neither unary spikes nor what the block says."""
    leaves_range: bool = False
    """Whether registers are made to leave their range, where torch and Loihi 2 must differ: `verify` is to say so."""


def neuron(family: str, random: np.random.Generator, *, apart: bool = False, **options: Any) -> dict[str, Any]:
    """Draw parameters of a layer, shared by its neurons or, with `apart`, drawn for each by SLAYER."""
    params: dict[str, Any] = {}
    for name, value in NEURONS[family].items():
        if not isinstance(value, tuple):
            params[name] = value
        elif apart:
            params[name] = tuple(sorted(random.uniform(*value, 2)))
        else:
            params[name] = random.uniform(*value)
    return params | {"shared_param": not apart} | options


def spikes(random: np.random.Generator, family: str, *shape: int) -> np.ndarray:
    """Draw what enters a network: unary spikes, or for sigma-delta blocks multiples of a payload's unit."""
    x = random.random((SAMPLES, *shape, STEPS)) < 0.4
    if family == "sigma_delta":
        return (x * np.round(random.normal(0, 0.5, x.shape) * 4096) / 4096).astype(np.float32)
    return x.astype(np.float32)


def settle(module: torch.nn.Module, random: np.random.Generator, x: np.ndarray) -> torch.nn.Module:
    """Make a network fire, and let its forward pass draw what it draws; learned delays become a few steps."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.endswith(("synapse.weight", "synapse.weight_v", "real.weight", "real.weight_v")):
                weight += 0.3 * weight.abs().mean()
        try:
            module.eval()(torch.as_tensor(x))
        except Exception:  # then it is to be refused by name, which is what the cell measures
            return module
        for block in module.modules():
            if getattr(block, "delay", None) is not None and hasattr(block.delay, "max_delay"):
                drawn = random.uniform(0, 4, tuple(block.delay.delay.shape))
                block.delay.delay.data = torch.as_tensor(drawn, dtype=torch.float32)
    return module


def network(kind: str, family: str, seed: int) -> tuple[torch.nn.Module, np.ndarray]:
    """Build a small random network around a block of a kind."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = getattr(slayer.block, family)
    strength = 1.5 if family == "sigma_delta" else 5

    def options() -> dict[str, Any]:
        found = {"weight_scale": strength, "weight_norm": bool(random.random() < 0.3)}
        return found | {"delay_shift": bool(random.random() < 0.6), "delay": bool(random.random() < 0.3)}

    def dense(inputs: int, outputs: int) -> Any:
        return block.Dense(neuron(family, random, apart=bool(random.integers(2))), inputs, outputs, **options())

    def conv(features: int = 3, kernel: int = 3, **more: Any) -> Any:
        return block.Conv(neuron(family, random), IMAGE[0], features, kernel, padding=1, **options(), **more)

    n, m, k = (int(width) for width in random.integers(4, 11, 3))
    whole = 3 * IMAGE[1] * IMAGE[2]
    made: dict[str, Callable[[], list[Any]]] = {
        "Dense": lambda: [dense(n, m), dense(m, k), *([dense(k, n)] if random.integers(2) else [])],
        "Conv": lambda: [
            conv(4, groups=int(random.choice([1, 1, 2])) if family in ("cuba", "alif", "sigma_delta") else 1),
            block.Conv(
                neuron(family, random), 4, 3, (2, 3), stride=(1, int(random.integers(1, 3))),
                dilation=(int(random.integers(1, 3)), 1), **options(),
            ),
        ],
        "Flatten": lambda: [conv(), block.Flatten(), dense(whole, m)],
        "Recurrent": lambda: [
            block.Recurrent(neuron(family, random), n, m, weight_scale=strength, delay=bool(random.integers(2))),
            dense(m, k),
        ],
        "Affine, dynamics=True": lambda: [
            dense(n, m), block.Affine(neuron(family, random), m, k, weight_scale=strength)
        ],
        "Affine, dynamics=False": lambda: [
            dense(n, m), block.Affine(neuron(family, random), m, k, weight_scale=strength, dynamics=False)
        ],
        "Output": lambda: [dense(n, m), block.Output(neuron(family, random), m, k, weight_scale=strength)],
        "Input with neuron": lambda: [block.Input(neuron(family, random)), dense(n, m)],
        "Input(None)": lambda: [block.Input(), dense(n, m)],
        "Input(None, delay_shift=False)": lambda: [block.Input(delay_shift=False), dense(n, m)],
        "Pool": lambda: [conv(), block.Pool(neuron(family, random), 2, weight_scale=1)],
        "ConvT": lambda: [conv(), block.ConvT(neuron(family, random), 3, 2, 2, stride=2, weight_scale=strength)],
        "Unpool": lambda: [conv(), block.Unpool(neuron(family, random), 2, weight_scale=2)],
        "Average": lambda: [dense(n, 8), block.Average(num_outputs=4)],
        "TimeDecimation": lambda: [block.TimeDecimation(2), dense(n, m)],
        "KWTA": lambda: [dense(n, m), block.KWTA(neuron(family, random), m, k, 2, weight_scale=strength)],
    }  # fmt: skip
    on_images = kind in ("Conv", "Flatten", "Pool", "ConvT", "Unpool")
    x = spikes(random, family, *(IMAGE if on_images else (n,)))
    return settle(torch.nn.Sequential(*made[kind]()), random, x), x


_FAMILIES = tuple(NEURONS)
_GONE = "no such block"
_STOCK_BLOCKS: dict[str, tuple[str, ...]] = {
    "Dense": ("exact", "X-load", "silent 21/17", "X-fwd", "exact, but 39 % of decays change",
              "exact, but 39 % of decays change", "exact if fed at scale 4096"),
    "Conv": ("exact", "X-load", "X-exp", "X-fwd", "X-exp", "X-exp", "exact if fed at scale 4096"),
    "Flatten": ("exact", "X-load", "X-exp", "X-fwd", "X-exp", "X-exp", "exact if fed at scale 4096"),
    "Recurrent": ("exact", "X-load", "X-fwd", "X-fwd", "X-fwd", "X-fwd", _GONE),
    "Affine, dynamics=True": ("exact as voltage, output always 0", _GONE, _GONE, _GONE, "X at construction",
                              "X at construction", _GONE),
    "Affine, dynamics=False": ("silent 581/581", _GONE, _GONE, _GONE, "X at construction", "X at construction", _GONE),
    "Output": (*[_GONE] * 6, "exact at scale 2^18"),
    "Input with neuron": ("X-run", "X-load", "X-fwd", "X-fwd", "X-fwd", "X-fwd", "X-run"),
    "Input(None)": ("X-fwd", *["X-fwd (read)"] * 6),
    "Input(None, delay_shift=False)": ("exact", *["not measured"] * 6),
    "Pool": ("X-load", "X-load", "X-exp", "X-fwd", "X-exp", "X-exp", "X-load"),
    "ConvT": ("X-load", "X-load", "X-exp", "X at construction", "X-exp", "X-exp", "X-load"),
    "Unpool": ("X-load", "X-load", "X-exp", "X-fwd", "X-exp", "X-exp", "X-load"),
    "Average": ("X-exp", "X-exp", "X-exp", "X-fwd", "X-exp", "X-exp", "X-exp"),
    "TimeDecimation": ("X-exp", "X-exp", "X-exp", "X-fwd", "X-exp", "X-exp", _GONE),
    "KWTA": ("X-load", "X-load", "X-fwd", "X-fwd", "X-fwd", "X-fwd", _GONE),
}  # fmt: skip
"""Block -> stock verdict of each family, in the order of `NEURONS`."""


def blocks() -> Iterator[Cell]:
    """Yield a cell for every block and family, with default options and those that leave the verdict alone."""
    for kind, verdicts in _STOCK_BLOCKS.items():
        name = kind.split(",")[0].split("(")[0].split(" ")[0]
        for family, stock in zip(_FAMILIES, verdicts, strict=True):
            there = hasattr(getattr(slayer.block, family), name)
            make = (lambda seed, kind=kind, family=family: network(kind, family, seed)) if there else None
            yield Cell(kind, family, stock, make)
