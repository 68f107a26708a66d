"""What arrives at a graph's neurons and outputs -> layers over the real numbers, in the order of a record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...contract.errors import UnsupportedError
from ...contract.synapses.axon import MAX_DELAY as MAX_AXON
from ...contract.synapses.delays import MAX_DELAY
from ..quoted import quoted
from .maps import Array, Diagonal, Kernel, Map, Matrix, of_image, scaled
from .nodes.operation import Neurons
from .order import Link, latencies, missing, ordered, ways_back
from .real import RealLayer, RealWay, normalised
from .signals import Signal, Signals, Term

_MOST_CONSTANT = 16
"""Neurons that stand for a bias at most; the weights of each have 8 bits."""


@dataclass(frozen=True, kw_only=True)
class Wired:
    """The layers of a graph.

    Parameters
    ----------
    layers : tuple of RealLayer
        In the order of a record.
    inputs : tuple of (str, int)
        Name and channels of each input.
    outputs : tuple of int
        Which layers the graph answers with.
    notes : tuple of str
        What to mind.
    """

    layers: tuple[RealLayer, ...]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...]


class _Target(NamedTuple):
    """Neurons or a read-out, and what arrives there."""

    name: str
    shape: tuple[int, ...]
    signal: Signal
    neurons: Neurons


class _Way(NamedTuple):
    source: str
    target: str
    map: Matrix | Kernel
    delay: npt.NDArray[Any]
    node: str
    feedback: bool = False


def wired(signals: Signals) -> Wired:
    """Return the layers of a graph.

    Raises
    ------
    UnsupportedError
        Something cannot be run exactly; the node is named, with the fix.
    """
    targets = {
        name: _Target(name, operation.shape, signals.arriving(name), operation)
        for name, operation in signals.operations.items()
        if isinstance(operation, Neurons)
    }
    notes = list(signals.notes)
    answers: dict[str, npt.NDArray[Any]] = {}
    heads: list[str] = []
    for name in signals.graph.outputs:
        head, delay = _answer(signals, name, targets, notes)
        if head in heads:
            raise UnsupportedError(f"node {quoted(name)}: {quoted(head)} has an output already. Remove one of the two.")
        heads.append(head)
        answers[head] = delay
    ways = [_way(target, term) for target in targets.values() for term in target.signal.terms]
    _refuse_membranes(targets, ways)
    ways, order = _timed(list(signals.graph.inputs), targets, ways, notes)
    ways, axons = _shared_delays(targets, ways, answers)
    sizes = [(name, int(np.prod(signals.shapes[name]))) for name in signals.graph.inputs]
    return _numbered(targets, order, ways, axons, sizes, heads, notes)


def _answer(signals: Signals, name: str, targets: dict[str, _Target], notes: list[str]) -> tuple[str, npt.NDArray[Any]]:
    """Return which target an output names, with the delay of its spikes; a read-out is added for what is no spikes."""
    signal = signals.arriving(name)
    first = signal.terms[0]
    if len(signal.terms) == 1 and first.is_direct and first.source in targets and not signal.constant.any():
        return first.source, np.asarray(first.sent)
    before = signals.graph.before[name]
    linear = len(before) == 1 and before[0] in signals.operations and before[0] not in targets
    head = before[0] if linear else name
    if head not in targets:
        n = len(signal.constant)
        ones, zeros = np.ones(n), np.zeros(n)
        neurons = Neurons(shape=signals.shapes[name], lost_u=ones, lost_v=zeros, gain=ones, leak=zeros)
        targets[head] = _Target(head, signals.shapes[name], signal, neurons)
        what = "ends the graph without neurons" if head != name else "adds up what several nodes send"
        notes.append(f"node {quoted(head)} {what}: a read-out sums its output over a sample")
    return head, np.asarray(0)


def _way(target: _Target, term: Term) -> _Way:
    """Return a term as synapses of a layer, with the gain of its neurons in the weights."""
    divisor, _ = _thresholds(target.neurons)
    gain = target.neurons.gain / divisor
    map_: Map = of_image(term.map, target.shape) if isinstance(term.map, Diagonal) else term.map
    if isinstance(map_, Kernel) and np.ptp(gain.reshape(len(map_.weight), -1), axis=1).any():
        raise UnsupportedError(
            f"node {quoted(term.node)}: neurons of one channel differ, and they share weights. Give them one gain, one "
            "time constant and one threshold a channel."
        )
    map_ = scaled(map_, gain)
    delay = np.asarray(term.sent)
    if np.ndim(term.late) and not isinstance(map_, Matrix):
        map_ = Matrix(map_.matrix())
    if np.ndim(term.late):
        delay = term.late[:, None] + np.broadcast_to(delay, map_.size[1])
    else:
        delay = delay + term.late
    if delay.max() > MAX_DELAY:
        raise UnsupportedError(
            f"node {quoted(term.node)}: delays of {int(delay.max())} steps in all on the way from "
            f"{quoted(term.source)}; a record holds up to {MAX_DELAY}. Use a longer time step (--dt), or shorter "
            "delays."
        )
    assert isinstance(map_, Matrix | Kernel)
    return _Way(term.source, target.name, map_, delay, term.node)


def _thresholds(neurons: Neurons) -> tuple[Array, Array | None]:
    if neurons.threshold is None:
        return np.ones(len(neurons.gain)), None
    return normalised(neurons.threshold)


def _refuse_membranes(targets: dict[str, _Target], ways: list[_Way]) -> None:
    for way in ways:
        if way.source in targets and targets[way.source].neurons.threshold is None:
            raise UnsupportedError(
                f"node {quoted(way.source)} puts out its membrane, and {quoted(way.target)} takes it in; synapses "
                "carry spikes. End the graph with it, or use neurons that fire (LIF, CubaLIF, IF)."
            )


def _timed(
    inputs: list[str], targets: dict[str, _Target], ways: list[_Way], notes: list[str]
) -> tuple[list[_Way], list[str]]:
    """Return the ways with as much delay as those back need, and the order of the layers."""
    links = [Link(way.source, way.target, int(way.delay.min())) for way in ways]
    back = ways_back(inputs, links)
    order = ordered(list(targets), links, back)
    late = latencies(order, links, back)
    found = list(ways)
    for at in sorted(back):
        way, lacks = ways[at], missing(links[at], late)
        delay = way.delay + lacks
        # A layer of a record has one feedback; what else comes back in a step is an edge.
        first = way.source == way.target and not any(each.feedback for each in found if each.target == way.target)
        feedback = first and isinstance(way.map, Matrix) and not np.ndim(delay) and int(delay) == 1
        found[at] = way._replace(delay=delay, feedback=feedback)
        if lacks:
            less = (
                "a step, as in every tool" if lacks == 1 and not links[at].delay else f"{lacks} steps more than it says"
            )
            notes.append(
                f"node {quoted(way.node)} leads from {quoted(way.source)} back to {quoted(way.target)}: it takes {less}"
                + ("; on Loihi every synapse on the way round takes one" if lacks > 1 or links[at].delay else "")
            )
    return found, order


def _shared_delays(
    targets: dict[str, _Target], ways: list[_Way], answers: dict[str, npt.NDArray[Any]]
) -> tuple[list[_Way], dict[str, npt.NDArray[Any]]]:
    """Return the ways without the delays that all spikes of their sender have, and those by sender."""
    axons: dict[str, npt.NDArray[Any]] = {}
    found = list(ways)
    for name, target in targets.items():
        out = [at for at, way in enumerate(ways) if way.source == name and not way.feedback]
        n = len(target.neurons.gain)
        delays = [np.broadcast_to(ways[at].delay, (n,)) for at in out if np.ndim(ways[at].delay) < 2]
        shared = np.broadcast_to(answers[name], (n,)) if name in answers else delays[0] if delays else np.zeros(n, int)
        alike = len(delays) == len(out) and all((each == shared).all() for each in delays)
        if name not in answers and (not alike or shared.max() > MAX_AXON):
            continue
        if shared.any():
            _check_answer(name, shared, [ways[at] for at in out], target)
            axons[name] = shared.astype(np.int64)
            for at in out:
                found[at] = ways[at]._replace(delay=ways[at].delay - shared)
    return found, axons


def _check_answer(name: str, shared: npt.NDArray[Any], ways: list[_Way], target: _Target) -> None:
    if target.neurons.threshold is None:
        raise UnsupportedError(f"node {quoted(name)}: a Delay of a membrane, which is no spikes. Remove it.")
    if shared.max() > MAX_AXON:
        raise UnsupportedError(
            f"node {quoted(name)}: its spikes leave the network {int(shared.max())} steps late; up to {MAX_AXON} can "
            "be kept. Remove the Delay in front of the output, which only moves the answer."
        )
    for way in ways:
        if (way.delay < shared).any():
            raise UnsupportedError(
                f"node {quoted(name)}: its spikes leave the network later than they reach {quoted(way.target)}. Remove "
                "the Delay in front of the output, which only moves the answer."
            )


def _numbered(
    targets: dict[str, _Target],
    order: list[str],
    ways: list[_Way],
    axons: dict[str, npt.NDArray[Any]],
    inputs: list[tuple[str, int]],
    heads: list[str],
    notes: list[str],
) -> Wired:
    """Return layers that name each other by number, with neurons that stand for what biases do to a current."""
    places = {name: -1 - k for k, (name, _) in enumerate(inputs)}
    layers: list[RealLayer] = []
    extra: dict[str, list[RealWay]] = {}
    for name in order:
        made = _constant(targets[name], ways, inputs[0][1])
        if made is not None:
            layer, way = made
            extra[name] = [replace(way, source=len(layers))]
            layers.append(layer)
            notes.append(
                f"node {quoted(way.node)}: a bias into neurons with a current; {layer.num_neurons} "
                f"{'neurons that fire' if layer.num_neurons > 1 else 'neuron that fires'} in every step brings it"
            )
        places[name] = len(layers)
        layers.append(_layer(targets[name], axons.get(name)))
    for name in order:
        own = sorted(
            (way for way in ways if way.target == name), key=lambda way: places[way.source] >= places[way.target]
        )
        real = [
            RealWay(source=places[w.source], map=w.map, delay=w.delay, node=w.node, feedback=w.feedback) for w in own
        ]
        layers[places[name]] = replace(layers[places[name]], ways=(*real, *extra.get(name, ())))
    return Wired(
        layers=tuple(layers),
        inputs=tuple(inputs),
        outputs=tuple(places[name] for name in heads),
        notes=tuple(notes),
    )


def _layer(target: _Target, axon: npt.NDArray[Any] | None) -> RealLayer:
    neurons = target.neurons
    divisor, threshold = _thresholds(neurons)
    bias = neurons.leak / divisor
    if not _has_current(neurons):
        bias = bias + neurons.gain * target.signal.constant / divisor
    return RealLayer(
        name=target.name,
        ways=(),
        lost_u=neurons.lost_u,
        lost_v=neurons.lost_v,
        bias=bias,
        threshold=threshold,
        delay=axon,
    )


def _has_current(neurons: Neurons) -> bool:
    return bool((neurons.lost_u != 1).any())


def _constant(target: _Target, ways: list[_Way], channels: int) -> tuple[RealLayer, RealWay] | None:
    """Return neurons that fire in every step and their synapses, if a bias goes into a current; else None."""
    neurons, constant = target.neurons, target.signal.constant
    if not _has_current(neurons) or not constant.any():
        return None
    divisor, _ = _thresholds(neurons)
    wanted = neurons.gain * constant / divisor
    largest = max(float(np.abs(way.map.weight).max()) for way in ways if way.target == target.name)
    count = int(np.clip(np.ceil(np.abs(wanted).max() / largest) if largest else 1, 1, _MOST_CONSTANT))
    ones = np.ones(count)
    silent = RealWay(source=-1, map=Matrix(np.zeros((count, channels))), delay=np.asarray(0), node=target.name)
    layer = RealLayer(
        name=f"{target.name}.bias", ways=(silent,), lost_u=ones, lost_v=ones, bias=ones, threshold=ones / 2
    )
    weight = np.repeat(wanted[:, None] / count, count, axis=1)
    return layer, RealWay(source=0, map=Matrix(weight), delay=np.asarray(0), node=target.name, constant=True)
