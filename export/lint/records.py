"""Rules about records: what to mind, whoever runs it.

Rules about weights and delays look at every way by which spikes reach a layer: its own synapses, its feedback, edges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...contract.fixed import WEIGHT_MAX, WEIGHT_MIN
from ...contract.net import Incoming, Net
from . import stock_netx
from .finding import Finding, Found, Rules, Severity

RULES = Rules("record")

_AT_LIMIT = 0.05
"""Largest share of weights at the ends of their range of which nothing is said."""
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


@RULES.add("zero-weights", "warning", "a layer or an edge of which all weights are zero")
def zero_weights(net: Net) -> Iterator[Found]:
    """Find layers that see nothing, and edges that carry nothing."""
    for i, layer in enumerate(net.layers):
        others = net.incoming(i)[1:]
        if not np.any(layer.synapse.weight):
            sees = "its own synapses deliver nothing" if others else "it sees nothing but its bias"
            yield Found(
                layer.name,
                "all weights are zero",
                f"{sees}, and stock NetX raises an OverflowError when it loads such a layer",
                "Use a larger scale or initial weights: what is below a step of a weight is rounded to zero",
            )
        for way in others:
            if not np.any(way.synapse.weight):
                yield Found(
                    layer.name,
                    f"all weights of {way.name} are zero",
                    "nothing comes this way, and a chip stores it all the same",
                    "Leave it out, or use a larger scale: what is below a step of a weight is rounded to zero",
                )


@RULES.add("weights-at-limit", "info", "weights at the ends of their range, which may have been cut off there")
def weights_at_limit(net: Net) -> Iterator[Found]:
    """Find synapses of which many weights are the least or the largest that there is."""
    for i, layer in enumerate(net.layers):
        for way in net.incoming(i):
            weight = way.synapse.weight
            at_ends = int(np.count_nonzero((weight == WEIGHT_MIN) | (weight == WEIGHT_MAX)))
            if at_ends > _AT_LIMIT * weight.size:
                yield Found(
                    layer.name,
                    f"{at_ends} of {weight.size} weights of {way.name} are {WEIGHT_MIN} or {WEIGHT_MAX}",
                    "no weight is larger, so what was trained may have been cut off",
                    "Use a smaller scale, so that the weights have room",
                )


@RULES.add("never-arrives", "warning", "delays as long as a sample, after which nothing arrives")
def never_arrives(net: Net) -> Iterator[Found]:
    """Find ways by which some spikes, or all, come after their sample's end."""
    for i, layer in enumerate(net.layers):
        for way in net.incoming(i):
            if way.longest < net.steps:
                continue
            part = "all" if way.shortest >= net.steps else "some"
            what = f"{part} delays of {way.name} are as long as a sample of {net.steps} steps or longer"
            yield Found(
                layer.name,
                f"{what}, up to {way.longest}",
                "what is under way when a sample ends is lost, so nothing comes by these synapses",
                "Use shorter delays or longer samples, or leave the synapses out",
            )


@RULES.add("unused-input", "warning", "an input that nothing listens to")
def unused_input(net: Net) -> Iterator[Found]:
    """Find inputs of which no synapse takes anything."""
    heard = {way.source for i in range(len(net.layers)) for way in net.incoming(i) if np.any(way.synapse.weight)}
    for k, source in enumerate(net.inputs):
        if -1 - k not in heard:
            yield Found(
                source.name,
                "no synapse takes anything of this input",
                "what enters here changes no answer",
                "Leave the input out, or give it an edge to a layer",
            )


@RULES.add("reaches-no-answer", "warning", "a layer that changes no answer of the network")
def reaches_no_answer(net: Net) -> Iterator[Found]:
    """Find layers from which no way leads to a layer that the network answers with."""
    found = {net.index(name) for name in net.answers}
    waiting = list(found)
    while waiting:
        for way in net.incoming(waiting.pop()):
            if way.source >= 0 and way.source not in found:
                found.add(way.source)
                waiting.append(way.source)
    for i, layer in enumerate(net.layers):
        if i not in found:
            yield Found(
                layer.name,
                "no way leads from it to an answer",
                f"the network answers with {', '.join(net.answers)}, so this layer costs and changes nothing",
                "Name it among the outputs, or leave it out",
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


@RULES.add("own-process", "info", "neurons, or spikes that wait, that need this package's Lava processes")
def own_process(net: Net) -> Iterator[Found]:
    """Find CE-LIF layers, and edges whose spikes must wait."""
    names = [layer.name for layer in net.layers if layer.neuron.takes_te]
    if names:
        yield Found(
            names[0],
            f"{len(names)} CE-LIF layers",
            "they need spikeproof's Lava processes; stock lava-dl netx refuses this file",
            "Run it with spikeproof simulate",
        )
    waiting = [(layer, way) for i, layer in enumerate(net.layers) for way in net.incoming(i) if _waits(net, i, way)]
    if waiting and not net.is_chain:
        layer, way = waiting[0]
        yield Found(
            layer.name,
            f"spikes wait on {len(waiting)} of the ways between layers, the first of which is {way.name}",
            "they need spikeproof's Lava processes: Lava's own delays go on into the next sample",
            "Run it with spikeproof simulate",
        )


def _waits(net: Net, index: int, way: Incoming) -> bool:
    """Whether spikes that come this way take longer on Lava than the step of a synapse."""
    return net.latency(index) - (net.latency(way.source) if way.source >= 0 else 0) - 1 + way.longest > 0


def of_record(net: Net, stock_severity: Severity | None = None) -> list[Finding]:
    """Return what all rules about records find; faults of the stock path get `stock_severity`, if one is given."""
    found = RULES.findings(net)
    if not net.is_chain:
        found += stock_netx.GRAPHS.findings(net, stock_severity)
    return found + stock_netx.RULES.findings(net, stock_severity) if stock_netx.has_path(net) else found
