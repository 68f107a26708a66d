"""Rules about records: what to mind, whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...contract.net import Net
from . import stock_netx
from .finding import Finding, Found, Rules, Severity

RULES = Rules("record")

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


def of_record(net: Net, stock_severity: Severity | None = None) -> list[Finding]:
    """Return what all rules about records find; faults of the stock path get `stock_severity`, if one is given."""
    found = RULES.findings(net)
    return found + stock_netx.RULES.findings(net, stock_severity) if stock_netx.has_path(net) else found
