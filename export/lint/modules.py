"""Rules about modules: what only a module shows, in training or on its way out of torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ..parts.kinds import STOCK, is_block
from .finding import Finding, Found, Row, Rules

RULES = Rules("module")

_WEIGHT_MIN, _WEIGHT_MAX = -256, 255


class Model(NamedTuple):
    """A module and the blocks of it that become layers."""

    module: nn.Module
    layers: list[tuple[str, Any]]
    """(name of the layer, block)."""
    captured: bool
    """Whether a run showed that they are all that stands between the network's input and its output."""


def of_blocks(module: nn.Module, blocks: Sequence[Any], *, captured: bool) -> list[Finding]:
    """Return what the rules find in a module whose layers are made of `blocks`, in their order.

    `captured` says whether a run of the module showed them: then all else that it holds runs on the host.
    """
    names = (f"{type(block).__module__.rsplit('.', 1)[-1]}{i}" for i, block in enumerate(blocks, start=1))
    return RULES.findings(Model(module, list(zip(names, blocks, strict=False)), captured))


_GATES = ("its recurrence is made of floating-point activations", "Use recurrent blocks, cuba.Recurrent say")

_REASONS: dict[str, tuple[str, str]] = {
    "Transformer": (
        "attention's products of two activations, its softmax and LayerNorm have no synapse or neuron on Loihi 2",
        "Keep it in training only, or replace it by recurrent CE-LIF blocks",
    ),
    "MultiheadAttention": (
        "its products of two activations and its softmax have no synapse or neuron on Loihi 2",
        "Keep it in training only, or replace it by recurrent CE-LIF blocks",
    ),
    "LayerNorm": (
        "it divides by a deviation that is measured anew in every step, which no register holds",
        "Train without it, or use SLAYER's WgtScaleBatchNorm in a CUBA block",
    ),
    "BatchNorm": (
        "a factor of each channel does not fit an 8-bit weight and a shared threshold without loss",
        "Train with SLAYER's MeanOnlyBatchNorm or WgtScaleBatchNorm in a CUBA block, which become a bias and a shift",
    ),
    "Linear": (
        "its weights are floating-point numbers, and its outputs go to no neuron",
        "Use spikeproof.Readout, a linear layer of 8-bit weights, or a block's own synapses",
    ),
    "LSTM": _GATES,
    "GRU": _GATES,
    "RNN": _GATES,
    "Embedding": (
        "a look-up by symbols is no sum of spikes",
        "Feed the network the spikes or values that the embedding makes",
    ),
    "Conv": ("its weights are floating-point numbers, and its outputs go to no neuron", "Use a SLAYER Conv block"),
}
"""Word in the name of a class -> why it cannot be deployed, and what to do."""

_UNKNOWN = (
    "it has parameters of its own, and no reader knows what it computes with them",
    "Put what it computes into blocks, or keep it out of the network that is deployed",
)

_PLAIN = (
    "what it computes stands between two layers, and a record's layers receive what the one before sends",
    "Leave it out, as neurons rectify by themselves, or put what it computes into a block",
)


@RULES.add("training-only", "warning", "parts with parameters that no file holds: attention, LayerNorm, Linear, ...")
def training_only(model: Model) -> Iterator[Found]:
    """Find the outermost parts of a module that have parameters and are no blocks."""
    for name, part, count in _foreign(model.module, ""):
        if not any(part is block for _, block in model.layers):
            what = f"a {type(part).__name__} with {count:,} parameters{' of its own' * _holds_blocks(part)}"
            why, fix = reason(part)
            if model.captured:
                what, fix = (
                    f"{what} is not in the file, and runs on the host if forward uses it",
                    f"Leave it there. Or: {fix}",
                )
            else:
                what += " is no part of the record"
            yield Found(name, what, why, fix)


def reason(part: Any) -> tuple[str, str]:
    """Return why a module that is no block cannot be deployed, and what to do."""
    known = next((words for word, words in _REASONS.items() if word in type(part).__name__), None)
    return known or (_UNKNOWN if next(part.parameters(), None) is not None else _PLAIN)


def _foreign(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module, int]]:
    """Yield (path, module, number of parameters) of the outermost modules that hold parameters and are no blocks.

    A module around blocks counts its own parameters alone; those of others inside it are for themselves.
    """
    if is_block(module) or _carries_encoding(module):
        return
    own = list(module.parameters(recurse=False))
    around = _holds_blocks(module)
    inside = list(module.parameters()) if any(word in type(module).__name__ for word in _REASONS) or own else []
    counted = own if around else inside
    if counted:
        yield path or "network", module, sum(parameter.numel() for parameter in counted)
    for name, child in module.named_children() if around or not counted else ():
        yield from _foreign(child, f"{path}.{name}" if path else name)


def _holds_blocks(module: nn.Module) -> bool:
    return any(is_block(part) for part in module.modules())


def _carries_encoding(module: Any) -> bool:
    """Whether a module is the temporal encoding of CE-LIF blocks, which the record holds."""
    return hasattr(module, "record") or hasattr(module, "oscillators")


_KEEPING = ("Recurrent", "KWTA")
"""Blocks that set ``persistent_state`` whatever their parameters say; on others, it is refused."""


RULES.table(
    lambda model: model.layers,
    [
        Row(
            "kept-state",
            "warning",
            "recurrent blocks, whose state goes on in the next call",
            lambda block: (
                f"{type(block).__name__} keeps its state between calls"
                if _is_stock(block) and type(block).__name__ in _KEEPING
                else ""
            ),
            "a second call with a batch of the same size goes on where the first ended, and a simulation's samples "
            "begin at reset",
            "Call spikeproof.reset_state(module) before every batch, in training too",
        ),
        Row(
            "no-neurons",
            "info",
            "weighted sums without neurons, which stock NetX runs as an integrator",
            lambda block: (
                "it puts out the weighted sums of every step"
                if _is_stock(block) and getattr(block, "dynamics", True) is False
                else ""
            ),
            "stock export_hdf5 writes no neurons for it, and stock NetX then builds integrators without leak",
            "Export with spikeproof.export_netx, whose record is a read-out that remembers nothing",
        ),
        Row(
            "weight-norm",
            "info",
            "weight norm, which stock export takes off the live module",
            lambda block: (
                "its weights have a norm of their own"
                if any(getattr(synapse, "weight_norm_enabled", False) for synapse in _synapses(block))
                else ""
            ),
            "stock export_hdf5 takes weight norm off the live module, so training does not go on as it was",
            "Export with spikeproof.export_netx, which changes nothing",
        ),
        Row(
            "mask",
            "info",
            "a mask, which stock export can leave out",
            lambda block: "a mask of its synapses" if getattr(block, "mask", None) is not None else "",
            "stock blocks apply it in their forward pass, so weights that an optimiser has moved since are in a "
            "stock file",
            "Export with spikeproof.export_netx, which applies it, or run the module once before",
        ),
        Row(
            "set-bias",
            "info",
            "a bias of sigma-delta units, which stock export leaves out",
            lambda block: (
                "a bias that set_bias gave its neurons"
                if getattr(getattr(block, "neuron", None), "bias_is_set", False)
                else ""
            ),
            "stock export_hdf5 writes a norm's bias and no other",
            "Export with spikeproof.export_netx, whose record holds it",
        ),
    ],
)


@RULES.add("clipped-weights", "info", "weights past 8 bits, which the forward pass clips")
def clipped_weights(model: Model) -> Iterator[Found]:
    """Find weights that a block's quantisation clips."""
    for name, block in model.layers:
        scale: int = getattr(getattr(block, "neuron", None), "w_scale", 0)
        for synapse in _synapses(block) if scale else ():
            with torch.no_grad():
                scaled = synapse.weight * scale
            beyond = int(((scaled < _WEIGHT_MIN) | (scaled > _WEIGHT_MAX)).sum())
            if beyond:
                ends = f"{_WEIGHT_MIN / scale:g} to {_WEIGHT_MAX / scale:g}"
                yield Found(
                    name,
                    f"{beyond} of {scaled.numel()} weights lie beyond {ends}",
                    "the forward pass clips them, so the gradient moves weights that no longer count",
                    "Train with a smaller weight scale, weight decay, or a smaller scale in neuron_params",
                )


def _is_stock(block: Any) -> bool:
    return type(block).__module__.startswith(STOCK)


def _synapses(block: Any) -> Iterator[Any]:
    """Yield a SLAYER block's synapses with weights that train, the parts of complex ones apart."""
    if _is_stock(block):
        for name in ("synapse", "input_synapse", "recurrent_synapse"):
            synapse: Any = getattr(block, name, None)
            if getattr(synapse, "complex", False):
                yield from (synapse.real, synapse.imag)
            elif synapse is not None:
                yield synapse
