"""Rules about records: what to mind, whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...contract import room
from ...contract.net import Net
from . import stock_netx
from .finding import Finding, Found, Rules, Severity

RULES = Rules("record")

_QUICK_STEPS = 2**14
"""Longer samples are for `spikeproof prove`: a rule of the linter takes a moment."""

_PORT_LIMIT = 2**15
"""Lava declares its dendritic ports 16 bits wide and does not enforce it on a CPU; hardware would."""


@RULES.add("wide-sums", "info", "dendritic sums that can leave 16 bits")
def wide_sums(net: Net) -> Iterator[Found]:
    """Find layers whose dendritic sums can pass the width that Lava declares."""
    for layer, bound in zip(net.layers, net.sum_bounds(), strict=True):
        if bound >= _PORT_LIMIT:
            yield Found(
                layer.name,
                f"a dendritic sum can reach {bound} in the worst case",
                "Lava declares 16 bits for it, which its CPU models do not enforce, so parity says nothing about such "
                "sums on a chip",
                "Use fewer inputs, smaller weights or fewer bits of payload",
            )


@RULES.add("zero-weights", "warning", "a layer of which all weights are zero")
def zero_weights(net: Net) -> Iterator[Found]:
    """Find layers that see nothing."""
    for layer in net.layers:
        if not np.any(layer.synapse.weight):
            yield Found(
                layer.name,
                "all weights are zero",
                "it sees nothing but its bias, and stock NetX raises an OverflowError when it loads such a layer",
                "Use a larger scale or initial weights: what is below a step of a weight is rounded to zero",
            )


@RULES.add("encoding-wraps", "info", "a temporal encoding that is shorter than a sample")
def encoding_wraps(net: Net) -> Iterator[Found]:
    """Find temporal encodings that repeat within a sample."""
    if isinstance(net.te, np.ndarray) and len(net.te) < net.steps:
        yield Found(
            "network",
            f"the temporal encoding has {len(net.te)} rows for {net.steps} steps",
            "it wraps, so steps share a code",
            "Build the TemporalEncoding with as many steps as a sample",
        )


@RULES.add("own-process", "info", "neurons that need this package's Lava processes")
def own_process(net: Net) -> Iterator[Found]:
    """Find CE-LIF layers."""
    names = [layer.name for layer in net.layers if layer.neuron.takes_te]
    if names:
        yield Found(
            names[0],
            f"{len(names)} CE-LIF layers",
            "they need spikeproof's Lava processes; stock lava-dl netx refuses this file",
            "Run it with spikeproof simulate",
        )


@RULES.add("unproven-range", "info", "registers that a layer's own weights can take out of their range")
def unproven_range(net: Net) -> Iterator[Found]:
    """Find layers whose weights alone do not keep their registers in their range, in samples that are not very long."""
    for index, layer in enumerate(net.layers if net.steps <= _QUICK_STEPS else ()):
        used = room.used_by(net, index)
        if used is None or used.max(initial=0) < 1:
            continue
        count = int((used >= 1).sum())
        yield Found(
            layer.name,
            f"{count} of {layer.num_neurons} neurons could reach {used.max():.3g} times the range of a register, if "
            "all that feeds them acts together in every step",
            "torch and Loihi's integers are proven equal where no register leaves its range",
            "Run spikeproof prove, which looks closer and says what would prove the layer, or train with keep_provable",
        )


def of_record(net: Net, stock_severity: Severity | None = None) -> list[Finding]:
    """Return what all rules about records find; faults of the stock path get `stock_severity`, if one is given."""
    found = RULES.findings(net)
    return found + stock_netx.RULES.findings(net, stock_severity) if stock_netx.has_path(net) else found
