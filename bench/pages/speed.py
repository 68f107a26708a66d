"""Tables of how long a step of training takes."""

from __future__ import annotations

from collections.abc import Sequence

from .markdown import Line, table

_MODELS = {
    "nmnist-dense": "N-MNIST, dense 2312-512-512-10, learned delays, weight norm, dropout 0.05, 300 steps, batch 32",
    "nmnist-dense-no-dropout": "the same without dropout",
    "nmnist-conv": "N-MNIST, two convolutions and a dense layer, 100 steps, batch 8",
    "recurrent": "recurrent 700-256-20, 100 steps, batch 32, sparse",
    "recurrent-busy": "the same, neurons fire in half of the steps",
    "cuba-1-64-88-88-10": "dense 1-64-88-88-10, 784 steps, batch 64",
    "pilotnet-sdnn": "sigma-delta convolutions, 16 steps, batch 4",
}
_CONTENDERS = {
    "floor": "bare matrix products of the network, forward and backward",
    "ours-fused": "**spikeproof, fused kernels**",
    "slayer-cuba-accelerated": "lava-dl SLAYER, CUBA, under `spikeproof.accelerate()`",
    "spyx-lif": "spyx (JAX), LIF under `jax.jit`",
    "torch-lstm-128": "torch LSTM, 128 units",
    "torch-compile-lif": "LIF step under `torch.compile`",
    "spikingjelly-lif": "SpikingJelly, LIF",
    "snntorch-leaky": "snnTorch, Leaky",
    "ours-reference": "spikeproof, eager loop",
    "slayer-cuba-stock": "lava-dl SLAYER, CUBA",
    "norse-lif": "norse, LIF",
    "sinabs-lif": "sinabs, LIF",
}


def slayer_models(lines: Sequence[Line]) -> str:
    """Return stock's and our time of each model, least, median and largest."""
    rows = [
        (
            _MODELS[line["model"]],
            *(
                " / ".join(f"{line[key][which]:.0f}" for which in ("min", "median", "max"))
                for key in ("stock_cpu_ms", "accelerated_cpu_ms")
            ),
            f"{line['times_faster_median']:.1f}",
            f"{line['gradients_differ_by']:.0e}",
        )
        for line in lines
    ]
    return table(("model", "stock, ms", "accelerated, ms", "times faster", "gradients differ by"), rows)


def train_step(lines: Sequence[Line]) -> str:
    """Return the median and the range of each contender's step, at two sizes of a batch."""
    found = {(line["contender"], line["batch"]): line for line in lines}
    rows = []
    for name, told in _CONTENDERS.items():
        cells = []
        for batch in (64, 256):
            line = found.get((name, batch))
            least, median, most = (1e3 * line[key] for key in ("min_s", "median_s", "max_s")) if line else (0, 0, 0)
            cells.append(f"{median:,.0f} ({least:,.0f} to {most:,.0f})" if line else "")
        rows.append((told, *cells))
    return table(("one step of 1-64-88-88-10, 784 steps", "batch 64, ms", "batch 256, ms"), rows)
