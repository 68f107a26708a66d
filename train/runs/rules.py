"""What the keys of one recipe refuse of each other; an error says which to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..sequence.position import FULL, POSITIONS, TABLES
from ..sequence.relative import IN_ATTENTION
from ..tasks import DIVIDED, GENERATED

INTEGER = ("ce-lif", "cuba")
"""Neurons of the integer network, which is exported."""
_ON_CHIP = ("none", "cpg", "cpg-designed", "cpg-learned")
_OF_ENCODING = ("ce-lif", "ce-lif-float")
_OF_SURROGATE = (*INTEGER, "ce-lif-float")
_ONLY = {
    "scale": INTEGER,
    "voltage_decay": INTEGER,
    "threshold_decay": _OF_ENCODING,
    "te_exp": ("ce-lif",),
    "input_exp": INTEGER,
    "te_rate": _OF_ENCODING,
    "te_mean": _OF_ENCODING,
    "te_std": _OF_ENCODING,
    "scales": INTEGER,
    "half_width": _OF_SURROGATE,
    "half_width_start": _OF_SURROGATE,
    "ends": INTEGER,
}
"""Key -> the neurons that it means something to, of keys that nobody else may set."""
_SILENT = ("lstm", "real")
"""Neurons that do not spike."""
_OF_SCHEDULE = {"step_epochs": "step", "step_factor": "step"}
"""Key -> the schedule that it is of."""


def fit_the_neuron(recipe: Any) -> None:
    """Raise a ValueError if a stack of layers has a key that its neurons have no use for."""
    neuron, integer = recipe.neuron, recipe.neuron in INTEGER
    if recipe.recurrent and neuron in ("cuba", "lstm"):
        raise ValueError(f"recurrent is for neuron = 'ce-lif' and the floating-point spiking neurons, not {neuron!r}")
    if recipe.embedding != "u*te" and neuron != "ce-lif-float":
        raise ValueError(f"embedding = {recipe.embedding!r} is for neuron = 'ce-lif-float', not {neuron!r}")
    if (recipe.cpg or recipe.cpg_te) and not integer:
        raise ValueError(f"oscillators go with neuron = {_either(INTEGER)}, not {neuron!r}")
    if recipe.keep_provable and not integer:
        raise ValueError(f"keep_provable is for neuron = {_either(INTEGER)}, which are exported, not {neuron!r}")
    if recipe.cpg_te and neuron == "cuba":
        raise ValueError("cpg_te drives the temporal encoding of CE-LIF, and neuron is 'cuba'")
    if recipe.delay != "none" and not integer:
        raise ValueError(f"delay is for neuron = {_either(INTEGER)}, not {neuron!r}")
    if recipe.delay == "synapse" and recipe.cpg:
        raise ValueError("delay = 'synapse' would delay oscillators beside the input: set cpg = 0, or delay = 'axon'")


def with_a_use(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a stored recipe without those that have no use to it, which older versions took in silence."""
    neuron, schedule = values.get("neuron"), values.get("schedule", "one-cycle")
    useless = {key for key, neurons in _ONLY.items() if neuron is not None and neuron not in neurons}
    useless |= {key for key, of in _OF_SCHEDULE.items() if schedule != of}
    useless |= {"warmup"} if schedule != "one-cycle" and not _widens(values) else set()
    useless |= {"rate_penalty"} if neuron in _SILENT else set()
    useless |= {"length"} if values.get("task") not in tuple(GENERATED) else set()
    return {key: value for key, value in values.items() if key not in useless}


def fit_the_position(recipe: Any, defaults: Mapping[str, Any]) -> None:
    """Raise a ValueError if a sequence model has a key that its positional encoding, or its body, has no use for."""
    uses = {
        "position_channels": TABLES,
        "position_w_max": ("cpg", "sinusoid", "cpg-learned"),
        "position_rate": ("cpg-learned",),
        "position_threshold": ("cpg",),
    }
    for key, positions in uses.items():
        if _is_set(recipe, key, defaults) and recipe.position not in positions:
            raise ValueError(f"{key} is for a position of {', '.join(positions)}, not {recipe.position!r}")
    if getattr(recipe, "position_full", False) and (recipe.model not in FULL or recipe.position not in TABLES):
        raise ValueError(
            f"position_full is for model = {' or '.join(FULL)} with a position of {', '.join(TABLES)}, not "
            f"{recipe.model!r} with {recipe.position!r}"
        )
    if len(recipe.hidden) > 1:
        raise ValueError(
            f"model = {recipe.model!r} has one width for all its layers: set hidden = {recipe.hidden[0]}, and depth"
        )


def fit_the_layers(scales: Sequence[int], widths: Sequence[int]) -> None:
    """Raise a ValueError if there are scales, and not one for each hidden layer and the read-out."""
    if scales and len(scales) != len(widths) + 1:
        raise ValueError(
            f"scales has {len(scales)} numbers, and there are {len(widths)} hidden layers and a read-out: give "
            f"{len(widths) + 1}, or none"
        )


def fit_the_chip(position: Any) -> None:
    """Raise a ValueError if an encoding of the integer network is none that a chip makes."""
    if position in POSITIONS and position not in _ON_CHIP:
        raise ValueError(
            f"{position!r} cannot be exported, which neuron = 'ce-lif' is for: oscillators make it on a chip. Use "
            f"{', '.join(_ON_CHIP)}, or neuron = 'lif'"
        )


def fit_the_attention(recipe: Any) -> None:
    """Raise a ValueError if attention heads do not divide the width, or an encoding needs parts that are not there."""
    heads, attention = getattr(recipe, "heads", 1), getattr(recipe, "attention", "")
    if recipe.hidden[0] % heads:
        raise ValueError(f"hidden = {recipe.hidden[0]} does not divide by heads = {heads}")
    if recipe.position in IN_ATTENTION and attention != "xnor":
        raise ValueError(f"position = {recipe.position!r} adds to attention = xnor, not to {attention!r}")
    if recipe.position == "relative" and recipe.neuron == "real":
        raise ValueError(f"position = 'relative' is made of spikes, and model is {recipe.model!r}")


def fit_together(recipe: Any, defaults: Mapping[str, Any]) -> None:
    """Raise a ValueError if a key stands without the neuron, the training or the dropout that it is about."""
    for key, neurons in _ONLY.items():
        if _is_set(recipe, key, defaults) and recipe.neuron not in neurons:
            raise ValueError(
                f"{key} is for neuron = {_either(neurons)}, not {recipe.neuron!r}, and its default is "
                f"{defaults[key].default!r}"
            )
    for key, schedule in _OF_SCHEDULE.items():
        if _is_set(recipe, key, defaults) and recipe.schedule != schedule:
            raise ValueError(
                f"{key} is for schedule = {schedule!r}, not {recipe.schedule!r}, and its default is "
                f"{defaults[key].default!r}"
            )
    if _is_set(recipe, "warmup", defaults) and recipe.schedule != "one-cycle" and not _widens(vars(recipe)):
        raise ValueError(
            f"warmup is for schedule = 'one-cycle', or a half_width_start, not {recipe.schedule!r}, and its default is "
            f"{defaults['warmup'].default!r}"
        )
    if recipe.rate_penalty and recipe.neuron in _SILENT:
        raise ValueError(f"rate_penalty is for spiking neurons, and neuron is {recipe.neuron!r}")
    if recipe.weight_decay_on != "all" and not recipe.weight_decay:
        raise ValueError("weight_decay_on is for a weight_decay: set one, 1e-2 say")
    if recipe.patience and not (recipe.validation or recipe.task in DIVIDED):
        raise ValueError("patience needs a validation part to look at: set validation, 0.1 say")
    if recipe.average and getattr(recipe, "keep_provable", 0):
        raise ValueError(
            "average would be kept in place of the parameters that keep_provable looks at: set one of them to 0"
        )
    if _is_set(recipe, "dropout_mask", defaults) and not recipe.dropout:
        raise ValueError("dropout_mask is for a dropout: set one, 0.1 say")


def _is_set(recipe: Any, key: str, defaults: Mapping[str, Any]) -> bool:
    """Whether a recipe has a key, and not at its default."""
    return key in defaults and getattr(recipe, key) != defaults[key].default


def _widens(values: Mapping[str, Any]) -> bool:
    """Whether the surrogate's width changes over a run, which `warmup` is about too."""
    start = values.get("half_width_start") or 0.0
    return start not in (0.0, values.get("half_width"))


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(map(repr, names[:-1])), repr(names[-1])]))


def kind_of(values: Mapping[str, Any], kinds: Sequence[type[Any]]) -> type[Any]:
    """Return which of the `kinds` of recipes some keys are of, as far as they tell; the first if they do not."""
    of_model = [kind for kind in kinds if kind.model_fields["model"].default == values.get("model", "stack")]
    exact = [kind for kind in of_model if kind.model_fields["neuron"].default == values.get("neuron")]
    return (exact or of_model or kinds)[0]


def of_another(key: str, value: Any, kind: type[Any], kinds: Sequence[type[Any]]) -> bool:
    """Whether a key is of other kinds alone, and says nothing: once, all recipes were stored with all keys."""
    others = [other.model_fields[key].default for other in kinds if key in other.model_fields]
    return key not in kind.model_fields and bool(others) and str(value) == str(others[0])
