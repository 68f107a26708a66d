"""The parity matrix's second part: options and hostile settings of SLAYER blocks, and several samples in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from matrix_cells import IMAGE, Cell, network, neuron, settle, slayer, spikes

MEAN, SCALE = slayer.neuron.norm.MeanOnlyBatchNorm, slayer.neuron.norm.WgtScaleBatchNorm
Change = Callable[[torch.nn.Sequential, np.ndarray], object]


def layers(
    seed: int,
    kinds: tuple[str, ...] = ("Dense", "Dense"),
    *,
    family: str = "cuba",
    params: dict[str, Any] | None = None,
    change: Change | None = None,
    level: float = 1,
    run: bool = True,
    **options: Any,
) -> tuple[torch.nn.Module, np.ndarray]:
    """Build blocks of these kinds, all with the same parameters and options; `change` alters them at the end."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = getattr(slayer.block, family)
    widths = [int(n) for n in random.integers(5, 11, len(kinds) + 1)]
    of_block = {"weight_scale": 2 if family == "sigma_delta" else 5, **options}
    on_images = any(kind in ("Conv", "Flatten") for kind in kinds)
    width, channels = int(np.prod(IMAGE)), IMAGE[0]
    modules: list[Any] = []
    for i, kind in enumerate(kinds):
        drawn = neuron(family, random) | (params or {})
        if kind == "Flatten":
            modules.append(block.Flatten())
        elif kind == "Conv":
            modules.append(block.Conv(drawn, channels, 3, 3, padding=1, **of_block))
            channels, width = 3, 3 * IMAGE[1] * IMAGE[2]
        else:
            inputs = width if on_images else widths[i]
            modules.append(getattr(block, kind)(drawn, inputs, widths[i + 1], **of_block))
            width = widths[i + 1]
    module = torch.nn.Sequential(*modules)
    x = level * spikes(random, family, *(IMAGE if on_images else (widths[0],)))
    if run:
        settle(module, random, x)
    if change is not None:
        change(module, x)
    return module.eval(), x


def set_weights(value: Callable[[torch.Tensor], torch.Tensor], which: str = "synapse", layer: int = -1) -> Change:
    """Return a change of a layer's weights."""

    def change(module: torch.nn.Sequential, x: np.ndarray) -> None:
        with torch.no_grad():
            weight = getattr(module[layer], which).weight
            weight.copy_(value(weight))

    return change


def biased(module: torch.nn.Sequential, x: np.ndarray) -> None:
    """Give every norm running means that make neurons fire, and variances that are no power of two."""
    module.train()(torch.as_tensor(x))
    for norm in (norm for norm in module.modules() if hasattr(norm, "running_mean")):
        norm.running_mean.uniform_(-1, 0.2)
        if hasattr(norm, "running_var"):
            norm.running_var.fill_(4.0 ** float(np.random.default_rng(len(x)).integers(-2, 0)) * 0.9)


def _pushed(value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    """Return a change that drives neurons by their bias and sets the last layer's weights."""

    def change(module: torch.nn.Sequential, x: np.ndarray) -> None:
        biased(module, x)
        module[-1].neuron.norm.running_mean.fill_(-1.5)
        set_weights(value)(module, x)

    return change


def _far_delays(module: torch.nn.Sequential, x: np.ndarray) -> None:
    for block in module:
        block.delay.delay.data = torch.rand_like(block.delay.delay.data) * 6
        block.delay.delay.data.view(-1)[0] = 90.0


def _wide_groups(seed: int) -> tuple[torch.nn.Module, np.ndarray]:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    conv = partial(slayer.block.cuba.Conv, weight_scale=5)
    module = torch.nn.Sequential(
        conv(neuron("cuba", random), 130, 130, 2, groups=130), conv(neuron("cuba", random), 130, 2, 2)
    )
    x = spikes(random, "cuba", 130, 3, 3)[..., :8]
    return settle(module, random, x), x


def _shared_dict(seed: int) -> tuple[torch.nn.Module, np.ndarray]:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    params = neuron("cuba", random)
    block = slayer.block.cuba
    dense = block.Dense(params, 6, 5, weight_scale=5)
    module = torch.nn.Sequential(block.Recurrent(params, 8, 6, weight_scale=5), dense, block.Dense(params, 5, 4))
    x = spikes(random, "cuba", 8)
    return settle(module, random, x), x


def _four_bits(weight: torch.Tensor, descale: bool = False) -> torch.Tensor:
    return slayer.utils.quantize_hook_fx(weight, scale=64, num_bits=4, descale=descale)


def _as_is(weight: torch.Tensor) -> torch.Tensor:
    return weight


def _negative(weight: torch.Tensor) -> torch.Tensor:
    """Return weights below 0 whose least is -2."""
    found = -weight.abs() - 1 / 32
    return (found / found.min() * -2.0).clamp(max=-1 / 32)


def _with_a_zero(weight: torch.Tensor) -> torch.Tensor:
    found = _negative(weight)
    found.view(-1)[int(found.argmax())] = 0
    return found


def masked(seed: int, **options: Any) -> tuple[torch.nn.Module, np.ndarray]:
    mask = torch.tensor(np.random.default_rng(seed).random((7, 9)) < 0.7).float()
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = slayer.block.cuba
    module = torch.nn.Sequential(
        block.Dense(neuron("cuba", random), 9, 7, weight_scale=5, mask=mask, **options),
        block.Dense(neuron("cuba", random), 7, 5, weight_scale=5),
    )
    x = spikes(random, "cuba", 9)
    return settle(module, random, x), x


def _whole_image(seed: int) -> tuple[torch.nn.Module, np.ndarray]:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    block = slayer.block.cuba
    channels, rows, columns = IMAGE
    module = torch.nn.Sequential(
        block.Dense(neuron("cuba", random), (columns, rows, channels), 7, weight_scale=5),
        block.Dense(neuron("cuba", random), 7, 5, weight_scale=5),
    )
    x = spikes(random, "cuba", *IMAGE)
    return settle(module, random, x), x


_LEAKY = {"current_decay": 0.5, "voltage_decay": 0.4}
_CONVS, _RECURRENT = ("Conv", "Conv"), ("Recurrent", "Recurrent")
_OPTIONS: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    ("Dense, three layers", "cuba", "exact", partial(layers, kinds=("Dense",) * 3)),
    ("no leak of the membrane", "cuba", "exact",
     partial(layers, params={"current_decay": 1.0, "voltage_decay": 0.0})),
    ("slow decays", "cuba", "exact",
     partial(layers, params={"current_decay": 0.02, "voltage_decay": 0.01})),
    ("current_decay 0", "cuba", "exact", partial(layers, params={"current_decay": 0.0, "voltage_decay": 1.0})),
    ("delay_shift=False", "cuba", "exact at another shift", partial(layers, delay_shift=False)),
    ("threshold 0.01", "cuba", "exact", partial(layers, params={"threshold": 0.01})),
    ("threshold 64, where v can equal it", "cuba", "silent 36/228", partial(layers, params={"threshold": 64.0})),
    ("scale=32", "cuba", "exact", partial(layers, params={"scale": 32})),
    ("scale=1000", "cuba", "exact", partial(layers, params={"scale": 1000})),
    ("scale=50", "cuba", "silent 45/251", partial(layers, params={"scale": 50})),
    ("shared_param=False", "cuba", "exact",
     partial(layers, params={"shared_param": False, "current_decay": (0.2, 0.8), "voltage_decay": (0.05, 0.4)})),
    ("Conv, shared_param=False", "cuba", "X-fwd", partial(layers, kinds=_CONVS, params={
        "shared_param": False, "current_decay": (0.2, 0.8), "voltage_decay": (0.05, 0.4)})),
    ("Conv, 130 groups", "cuba", "hang; silent with 128", _wide_groups),
    ("integer input above 1", "cuba", "silent 104/261", partial(layers, level=3)),
    ("weights clamped at 8 bits", "cuba", "exact", partial(layers, weight_scale=60)),
    ("all weights below 0, least -2", "cuba", "silent, 1 of 10 neurons",
     partial(layers, params={"norm": MEAN, **_LEAKY}, change=_pushed(_negative))),
    ("all weights -0.5", "cuba", "silent, every weight 0",
     partial(layers, params={"norm": MEAN, **_LEAKY}, change=_pushed(lambda w: torch.full_like(w, -0.5)))),
    ("weights at most 0 with a 0, least -2", "cuba", "silent, 1 of 10 neurons",
     partial(layers, params={"norm": MEAN, **_LEAKY}, change=_pushed(_with_a_zero))),
    ("all weights 0", "cuba", "X-load",
     partial(layers, params={"norm": MEAN, **_LEAKY}, change=_pushed(torch.zeros_like))),
    ("delay=True", "cuba", "exact", partial(layers, delay=True)),
    ("delay over 62 steps", "cuba", "exact (clamped)", partial(layers, delay=True, change=_far_delays)),
    ("delay, before any forward pass", "cuba", "X-load", partial(layers, delay=True, run=False)),
    ("Conv, delay", "cuba", "silent 500/509", partial(layers, kinds=_CONVS, delay=True)),
    ("delay and bias", "cuba", "silent 2/70",
     partial(layers, delay=True, params={"norm": MEAN, **_LEAKY}, change=biased)),
    ("MeanOnlyBatchNorm", "cuba", "silent 8/195", partial(layers, params={"norm": MEAN, **_LEAKY}, change=biased)),
    ("Conv, MeanOnlyBatchNorm", "cuba", "silent 18/80",
     partial(layers, kinds=_CONVS, params={"norm": MEAN, **_LEAKY}, change=biased)),
    ("WgtScaleBatchNorm", "cuba", "silent 174/23",
     partial(layers, params={"norm": SCALE, **_LEAKY}, change=biased)),
    ("weight_norm=True", "cuba", "exact, but changes the live model", partial(layers, weight_norm=True)),
    ("mask", "cuba", "exact", masked),
    ("mask and weight_norm", "cuba", "not measured", partial(masked, weight_norm=True)),
    ("pre_hook_fx of 4 bits", "cuba", "exact", partial(layers, pre_hook_fx=_four_bits)),
    ("unquantised weights", "cuba", "silent 59/197", partial(layers, pre_hook_fx=_as_is)),
    ("graded_spike=True", "cuba", "silent 245/219",
     partial(layers, weight_scale=1.5, params={"graded_spike": True, "threshold": 0.3, **_LEAKY})),
    ("Recurrent, two layers", "cuba", "exact", partial(layers, kinds=_RECURRENT)),
    ("Recurrent, all feedback -2", "cuba", "silent 2/16",
     partial(layers, kinds=_RECURRENT, change=set_weights(lambda w: torch.full_like(w, -2.0), "recurrent_synapse"))),
    ("Recurrent and bias", "cuba", "silent 55/340",
     partial(layers, kinds=_RECURRENT, params={"norm": MEAN, **_LEAKY}, change=biased)),
    ("Recurrent and delay", "cuba", "X-load; silent 26/312 if square", partial(layers, kinds=_RECURRENT, delay=True)),
    ("one neuron_params for Recurrent and Dense", "cuba", "persistent_state for all", _shared_dict),
    ("count_log=True", "cuba", "X-fwd", partial(layers, count_log=True)),
    ("in_neurons of an image", "cuba", "X-exp", _whole_image),
    ("before the first forward pass", "cuba", "X-exp", partial(layers, weight_scale=8, run=False)),
    ("Flatten first", "cuba", "silent 93/75 in Lava's order", partial(layers, kinds=("Flatten", "Dense"))),
    *(
        ("delay=True", family, stock, partial(layers, family=family, delay=True))
        for family, stock in (("rf", "silent 70/31"), ("rf_iz", "silent 190/168"), ("sigma_delta", "exact"))
    ),
    *(
        ("norm", family, stock, partial(layers, family=family, params={"norm": MEAN}, change=biased))
        for family, stock in (
            ("alif", "X-load"), ("rf", "silent 59/44"), ("rf_iz", "silent 141/161"), ("sigma_delta", "silent 12/284"))
    ),
    ("WgtScaleBatchNorm", "alif", "X-load", partial(layers, family="alif", params={"norm": SCALE}, change=biased)),
    *(
        ("graded_spike=True", family, stock,
         partial(layers, family=family, weight_scale=1.5, params={"graded_spike": True}))
        for family, stock in (("rf", "silent 72/57"), ("rf_iz", "silent 236/213"))
    ),
    ("activation tanh", "sigma_delta", "silent 486/476",
     partial(layers, family="sigma_delta", params={"activation": torch.tanh})),
    ("cum_error=True", "sigma_delta", "X-fwd", partial(layers, family="sigma_delta", params={"cum_error": True})),
)  # fmt: skip
"""Setting, family, stock verdict and what builds a network of a seed."""


def options() -> Iterator[Cell]:
    """Yield the cells of options and hostile settings."""
    for setting, family, stock, make in _OPTIONS:
        yield Cell(setting, family, stock, make)


def _six(make: Callable[[int], tuple[torch.nn.Module, np.ndarray]], seed: int) -> tuple[torch.nn.Module, np.ndarray]:
    """Return a network with the samples of its input twice, the second time backwards."""
    module, x = make(seed)
    return module, np.concatenate([x, x[::-1]])


def streams() -> Iterator[Cell]:
    """Yield cells in which six samples follow each other without a gap; stock ways are quoted with a reset."""
    with_bias = partial(layers, params={"norm": MEAN, **_LEAKY}, change=biased)
    ways: tuple[tuple[str, str, str, Callable[[int], Any]], ...] = (
        ("Dense", "cuba", "silent with the default reset_offset; exact with reset_offset=1", layers),
        ("delays", "cuba", "silent, even with reset_offset=1", partial(layers, delay=True)),
        ("Recurrent", "cuba", "silent, even with reset_offset=1", partial(layers, kinds=_RECURRENT)),
        ("Conv", "cuba", "exact with reset_offset=1", lambda seed: network("Conv", "cuba", seed)),
        ("bias", "cuba", "exact with reset_offset=1", with_bias),
        ("Dense", "rf", "silent, reset ignored", lambda seed: network("Dense", "rf", seed)),
        ("Dense", "rf_iz", "silent, reset ignored", lambda seed: network("Dense", "rf_iz", seed)),
        ("Dense", "sigma_delta", "mismatch, reset ignored", lambda seed: network("Dense", "sigma_delta", seed)),
    )
    for setting, family, stock, make in ways:
        yield Cell(f"six samples, {setting}", family, stock, partial(_six, make))
