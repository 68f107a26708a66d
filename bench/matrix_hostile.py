"""The parity matrix's second part, continued: ends of registers, trained networks, payloads and kept states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matrix_cells import Cell, neuron, settle, slayer, spikes
from matrix_options import SCALE, layers, masked, set_weights

import spikeproof
from spikeproof.contract.net import Input

Network = tuple[torch.nn.Module, np.ndarray]
_LEAKY = {"current_decay": 0.5, "voltage_decay": 0.4}


def filling(seed: int, value: float = 3.5, **params: float) -> Network:
    """Return a network whose neurons forget nothing, and as much input as fills their registers."""
    params = {"current_decay": 0.0, "voltage_decay": 0.0, "threshold": 60.0} | params
    module, x = layers(seed, params=params, change=set_weights(lambda w: torch.full_like(w, value), layer=0))
    return module, np.tile(x, (1, 1, 12))


def falling(seed: int) -> Network:
    """Return a network whose membranes fall past the lower end and come up again."""
    module, x = filling(seed, -3.9, current_decay=1.0)
    half, x = x.shape[1] // 2, np.ones((*x.shape[:2], 600), np.float32)
    x[:, half:, :300], x[:, :half, 300:] = 0, 0
    with torch.no_grad():
        module[0].synapse.weight[:, half:] = 3.9
        module[1].synapse.weight.abs_()
        module[1].neuron._threshold = 0.5
    return module, x


def turning(family: str, seed: int) -> Network:
    """Return resonators so slow and so hard driven that their registers fill."""
    params = {"period": 4000.0, "decay": 0.0, "threshold": 60.0}
    module, x = layers(seed, family=family, params=params)
    with torch.no_grad():
        for part in (module[0].synapse.real, module[0].synapse.imag):
            part.weight.fill_(-3.9)
    return module, np.ones((len(x), x.shape[1], 600), np.float32)


def saturating(seed: int) -> Network:
    """Return the same, with registers of 24 bits in torch too."""
    module, x = falling(seed)
    spikeproof.saturate(module)
    return module, x


def crowded(seed: int) -> Network:
    """Return a layer whose sums pass 16 bits."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = slayer.block.cuba
    first = block.Dense(neuron("cuba", random, threshold=60.0, current_decay=1.0, voltage_decay=1.0), 500, 6)
    module = torch.nn.Sequential(first, block.Dense(neuron("cuba", random), 6, 4, weight_scale=5))
    with torch.no_grad():
        first.synapse.weight.fill_(3.9)
    x = spikes(random, "cuba", 500)
    assert x.sum(1).max() * 248 > 2**15
    return settle(module, random, x), x


def trained(seed: int) -> Network:
    """Return what 15 steps of Adam make of weight norms, delays, a recurrence and their decays."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block, options = slayer.block.cuba, {"weight_norm": True, "delay": True, "weight_scale": 5}
    learned = {"requires_grad": True}
    module = torch.nn.Sequential(
        block.Dense(neuron("cuba", random, **learned), 8, 7, **options),
        # The feedback's weight norm is computed once, when it is built, and torch takes no second gradient of that.
        block.Recurrent(neuron("cuba", random, **learned), 7, 6, **options | {"weight_norm": False}),
        block.Dense(neuron("cuba", random, **learned), 6, 5, **options),
    )
    x = spikes(random, "cuba", 8)
    settle(module, random, x)
    optimiser = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=0.01)
    wanted = torch.as_tensor(random.random((len(x), 5)), dtype=torch.float32)
    for _ in range(15):
        optimiser.zero_grad()
        spikeproof.reset_state(module.train())
        (module(torch.as_tensor(x)).mean(-1) - wanted).square().sum().backward()
        optimiser.step()
    return module.eval(), x


def large(seed: int) -> Network:
    """Return a network of the size of sequential MNIST's, over all of its 784 steps."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    params = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.03}
    widths = (1, 64, 88, 88, 10)
    dense = [slayer.block.cuba.Dense(dict(params), n, m, weight_scale=6, weight_norm=True) for n, m in pairwise(widths)]
    x = (random.random((2, 1, 784)) < 0.4).astype(np.float32)
    return settle(torch.nn.Sequential(*dense), random, x), x


def graded(kind: str, seed: int) -> Network:
    """Return a network that takes whole numbers of 8 bits and a sign."""
    kinds = (kind, "Dense") if kind != "Conv" else ("Conv", "Conv")
    module, x = layers(seed, kinds=kinds)
    with torch.no_grad():
        for weight in module[0].parameters():
            if weight.ndim == 5:
                weight /= 20
    return module, x * np.random.default_rng(seed).integers(-60, 120, x.shape)


def eight_bits(weight: torch.Tensor, descale: bool = False) -> torch.Tensor:
    return slayer.utils.quantize_hook_fx(weight, scale=64, num_bits=8, descale=descale)


def biased_units(seed: int) -> Network:
    """Return sigma-delta units with a bias each."""
    module, x = layers(seed, family="sigma_delta")
    random = np.random.default_rng(seed)
    for block in module:
        bias = np.round(random.normal(0, 0.3, block.neuron.shape) * 4096) / 4096
        block.neuron.set_bias(torch.as_tensor(bias, dtype=torch.float32))
    return module, x


def called_before(seed: int) -> Network:
    """Return a recurrent network that keeps the state of an earlier call."""
    module, x = layers(seed, kinds=("Recurrent", "Recurrent"))
    with torch.no_grad():
        module(torch.as_tensor(x))
    assert any(kept.any() for name, kept in module.named_buffers() if name.endswith("voltage_state"))
    return module, x


def in_groups(family: str, seed: int) -> Network:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = getattr(slayer.block, family)
    module = torch.nn.Sequential(
        block.Conv(neuron(family, random), 4, 6, 3, padding=1, groups=2, weight_scale=5),
        block.Conv(neuron(family, random), 6, 3, 2, groups=3, weight_scale=5),
    )
    x = spikes(random, family, 4, 4, 5)
    return settle(module, random, x), x


_CELLS: tuple[tuple[str, str, str, Callable[[int], Any], dict[str, Any]], ...] = (
    ("u past 2^23", "cuba", "silent 78/47", filling, {"leaves_range": True}),
    ("v below -2^23, then recovery", "cuba", "silent: torch 0 spikes, Lava 84", falling, {"leaves_range": True}),
    ("the same, under spikeproof.saturate", "cuba", "nothing like it", saturating, {}),
    ("registers past 2^23", "rf", "silent 3/3", partial(turning, "rf"), {"leaves_range": True}),
    ("registers past 2^23", "rf_iz", "silent 6/6", partial(turning, "rf_iz"), {"leaves_range": True}),
    ("dendritic sums past int16", "cuba", "exact", crowded, {}),
    *(
        (f"{kind}, integer input of 8 bits and a sign", "cuba", "exact with input_message_bits=8",
         partial(graded, kind), {"input": Input(num_channels=1, bits=8)})
        for kind in ("Dense", "Conv", "Recurrent")
    ),
    ("masked weights, which sparse_fc_layer stores as such", "cuba", "exact", masked, {}),
    ("15 steps of Adam: weight_norm, delays, recurrence", "cuba", "exact without recurrence", trained, {}),
    ("1-64-88-88-10, 784 steps", "cuba", "exact", large, {"nets": 2}),
    ("quantize_hook_fx of 8 bits, small weights", "cuba", "exact",
     partial(layers, pre_hook_fx=eight_bits, weight_scale=3), {}),
    ("quantize_hook_fx of 8 bits, weights past 4", "cuba", "mismatch 109/333",
     partial(layers, pre_hook_fx=eight_bits, weight_scale=60), {}),
    ("set_bias", "sigma_delta", "silent 176/181", biased_units, {}),
    ("activation leaky_relu", "sigma_delta", "silent 87/168",
     partial(layers, family="sigma_delta", params={"activation": torch.nn.functional.leaky_relu}), {}),
    ("persistent_state=True, in chunks", "cuba", "exact if Lava runs on",
     partial(layers, params={"persistent_state": True}), {}),
    ("Recurrent, called before", "cuba", "52 of 720 outputs differ in torch", called_before, {}),
    ("Recurrent, graded_spike", "cuba", "not measured",
     partial(layers, kinds=("Recurrent", "Dense"), params={"graded_spike": True}), {}),
    ("Recurrent, WgtScaleBatchNorm", "cuba", "not measured",
     partial(layers, kinds=("Recurrent", "Dense"), params={"norm": SCALE, **_LEAKY}), {}),
    ("Conv in groups", "rf", "X-exp", partial(in_groups, "rf"), {}),
)  # fmt: skip
"""Setting, family, stock verdict, what builds a network of a seed, and other fields of the cell."""


def cells() -> Iterator[Cell]:
    """Yield the cells of this part."""
    for setting, family, stock, make, more in _CELLS:
        yield Cell(setting, family, stock, make, **more)
