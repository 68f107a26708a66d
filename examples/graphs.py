"""Four networks that are no chains, trained for a minute on handwritten digits and proven on Lava.

Run one with ``python examples/graphs.py residual`` (or ``u-net``, ``two-heads``, ``delays``), or all without a name.
Each is a plain PyTorch module of SLAYER blocks with a forward pass as anybody writes it. Nothing is said about its
structure: `spikeproof.verify` runs the module, finds the graph, and compares every spike and register of the trained
module, of the batch engine and of Lava's fixed-point models.

Exit code 0 if all that ran are exact, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import spikeproof

spikeproof.compat.apply()  # before Lava's first import, on Python above 3.10

import lava.lib.dl.slayer as slayer  # noqa: E402

STEPS = 16
NEURON = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.2, "requires_grad": False}


def conv(inputs: int, outputs: int) -> nn.Module:
    """Return a 3x3 convolution that keeps the size of its images."""
    return slayer.block.cuba.Conv(NEURON, inputs, outputs, 3, padding=1, weight_scale=2, delay_shift=False)


def dense(inputs: int, outputs: int, **options: bool) -> nn.Module:
    """Return all-to-all synapses and their neurons."""
    return slayer.block.cuba.Dense(NEURON, inputs, outputs, weight_scale=2, delay_shift=False, **options)


class Residual(nn.Module):
    """A convolution and three residual blocks: each adds its spikes to those that it received."""

    def __init__(self, channels: int = 6, blocks: int = 3) -> None:
        super().__init__()
        self.stem = conv(1, channels)
        self.blocks = nn.ModuleList(conv(channels, channels) for _ in range(blocks))
        self.out = dense(channels * 64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes of shape (samples, 10, steps)."""
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.out(x.flatten(1, 3))


class UNet(nn.Module):
    """Images are made smaller and large again, and joined with what they were before."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.middle, self.up = conv(1, 4), conv(4, 6), conv(10, 4)
        self.pool = slayer.block.cuba.Pool(NEURON, 2, weight_scale=2, delay_shift=False)
        self.out = dense(4 * 64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes of shape (samples, 10, steps)."""
        fine = self.down(x)
        coarse = self.middle(self.pool(fine))
        coarse = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return self.out(self.up(torch.cat([fine, coarse], 1)).flatten(1, 3))


class TwoHeads(nn.Module):
    """One body that answers twice: which digit, and whether it is odd."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.digit, self.odd = dense(64, 48), dense(48, 10), dense(48, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spikes of shape (samples, 10, steps) and (samples, 2, steps)."""
        body = self.body(x.flatten(1, 3))
        return self.digit(body), self.odd(body)


class Delays(nn.Module):
    """Every synapse of the second layer has a delay of its own, which the module draws and keeps."""

    def __init__(self, hidden: int = 48, longest: int = 5) -> None:
        super().__init__()
        self.longest = longest
        self.body, self.out = dense(64, hidden), dense(hidden * (longest + 1), 10)
        delay = torch.randint(0, longest + 1, (10, hidden), generator=torch.Generator().manual_seed(0))
        chosen = torch.stack([delay == d for d in range(longest + 1)], 1)
        self.register_buffer("chosen", chosen.reshape(10, -1).float())
        with torch.no_grad():
            self.out.synapse.weight.mul_(self.chosen[:, :, None, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return spikes of shape (samples, 10, steps)."""
        body = self.body(x.flatten(1, 3))
        late = [functional.pad(body, (d, 0))[..., : body.shape[-1]] for d in range(self.longest + 1)]
        return self.out(torch.cat(late, 1))


NETWORKS = {"residual": Residual, "u-net": UNet, "two-heads": TwoHeads, "delays": Delays}


def digits(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images as spikes, (samples, 1, 8, 8, steps), and their classes: 1,347 to train with and 450 to test."""
    data = load_digits()
    chance = torch.as_tensor(data.images / 16, dtype=torch.float32)[:, None, :, :, None]
    random = torch.Generator().manual_seed(seed)
    x = (torch.rand(*chance.shape[:-1], STEPS, generator=random) < chance).float()
    y = torch.as_tensor(data.target)
    order = torch.randperm(len(y), generator=random)
    train, test = order[450:], order[:450]
    return x[train], y[train], x[test], y[test]


def loss_of(answer: torch.Tensor | tuple[torch.Tensor, torch.Tensor], y: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of spike counts, of both heads if there are two."""
    if isinstance(answer, tuple):
        return loss_of(answer[0], y) + functional.cross_entropy(answer[1].sum(-1), y % 2)
    return functional.cross_entropy(answer.sum(-1), y)


def train(module: nn.Module, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """Train a module with Adam; a network with chosen synapses keeps to them."""
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(1)
    for epoch in range(epochs):
        module.train()
        total = 0.0
        for batch in torch.randperm(len(y), generator=random).split(64):
            loss = loss_of(module(x[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if isinstance(module, Delays):
                with torch.no_grad():
                    module.out.synapse.weight.mul_(module.chosen[:, :, None, None, None])
            total += loss.item() * len(batch)
        print(f"  epoch {epoch + 1}: loss {total / len(y):.3f}", flush=True)


def accuracy(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of samples whose most frequent class is the right one."""
    module.eval()
    with torch.no_grad():
        answer = module(x)
    counts = (answer[0] if isinstance(answer, tuple) else answer).sum(-1)
    return float((counts.argmax(-1) == y).float().mean())


def run(name: str, *, epochs: int, samples: int, folder: Path) -> bool:
    """Train, export, load and prove one network, and return whether it is exact."""
    torch.manual_seed(0)
    x_train, y_train, x_test, y_test = digits()
    module = NETWORKS[name]()
    print(f"{name}:")
    train(module, x_train, y_train, epochs)
    print(f"  accuracy {accuracy(module, x_test, y_test):.1%} of {len(y_test)} test images")
    x = x_test.numpy()
    net = spikeproof.export_netx(module, folder / f"{name}.net", sample=x)
    ways = ", ".join(edge.label for edge in net.edges) or "none"
    print(f"  {len(net.layers)} layers, answers: {', '.join(net.answers)}; edges beside the chain: {ways}")
    whole = spikeproof.verify(module, x, file=folder / f"{name}.net", backends=("engine",))
    on_lava = spikeproof.verify(module, x[:samples], file=folder / f"{name}.net", backends=("engine", "lava"))
    for verdict in (whole, on_lava):
        print("  " + "\n  ".join(line for line in str(verdict).splitlines()[:4]))
    return bool(whole.exact and on_lava.exact and np.isfinite(accuracy(module, x_test, y_test)))


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--samples", type=int, default=10, help="how many of the test images run on Lava")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NETWORKS]
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(NETWORKS)}")
    with tempfile.TemporaryDirectory(prefix="graphs-") as folder:
        exact = [
            run(name, epochs=options.epochs, samples=options.samples, folder=Path(folder))
            for name in options.names or NETWORKS
        ]
    return 0 if all(exact) else 1


if __name__ == "__main__":
    sys.exit(main())
