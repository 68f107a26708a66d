"""In which direction an input takes a register further: gradients on the integers themselves, without torch.

Steps of neurons are integer functions with jumps. So derivatives are differences: what a step makes of a register that
is a little larger, less what it makes of one that is a little smaller. Of spikes the two are further apart, which is
the boxcar surrogate of training: a neuron near its threshold counts as one that could fire. Differences are taken of
`Neuron.step` of any kind, and gradients go back through time, edges and delays. They are guesses; what they lead to is
run on the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..contract import fixed
from ..contract.fixed import ACCUMULATOR_SHIFT
from ..contract.net import Incoming, Layer, Net
from ..contract.synapses.conv import Conv
from . import reference
from .ranges.run import before

_STATE, _SUM = 256, 8
"""Half of the distance over which states and sums are compared."""
_SURROGATE = 2**11
"""Half-width, in state units, of the surrogate of neurons without a threshold mantissa."""


class Target(NamedTuple):
    """One register of one neuron in one step, of one sample."""

    layer: int
    register: str
    neuron: int
    step: int
    sign: int
    """1 if it is to grow, -1 if it is to fall."""


def gradients(net: Net, payload: npt.NDArray[np.int32], targets: Sequence[Target]) -> npt.NDArray[np.float64]:
    """Return how registers grow with each entry of their input.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        Inputs.
    targets : sequence of Target
        Of each sample the register, all of one layer.

    Returns
    -------
    ndarray of float64, shape of `payload`
    """
    return _Tape(net, payload, targets[0].layer).back(targets)


def bytes_of(net: Net, index: int) -> int:
    """Return how much memory the gradients of a layer's registers take, for two samples."""
    layers = [net.layers[i] for i in before(net, index)]
    return 2 * 8 * net.steps * sum(each.num_neurons * (4 + len(each.neuron.registers)) for each in layers)


class _Tape:
    """A run that is remembered step by step."""

    def __init__(self, net: Net, payload: npt.NDArray[np.int32], target: int) -> None:
        samples, _, steps = payload.shape
        self._net, self._steps = net, steps
        needed = before(net, target)
        self._order = [index for group in net.groups for index in group if index in needed]
        self._sent: dict[int, npt.NDArray[Any]] = {-1 - k: payload[:, net.channels(k)] for k in range(len(net.inputs))}
        for index in self._order:
            self._sent[index] = np.zeros((samples, net.layers[index].num_neurons, steps), np.int64)
        self._states: dict[int, list[Any]] = {i: [net.layers[i].neuron.reset((samples,))] for i in self._order}
        self._sums: dict[int, list[npt.NDArray[np.int64]]] = {i: [] for i in self._order}
        self._te = {i: reference.encoding(net, i, steps) for i in self._order}
        beside = {i: reference.of_oscillators(net, i, steps) for i in self._order}
        for t in range(steps):
            for i in self._order:
                x = beside[i][t] + sum(reference.at(each, self._sent[each.source], t) for each in net.incoming(i))
                x = np.broadcast_to(fixed.wrap32(x), (samples, net.layers[i].num_sums))
                spikes, state = net.layers[i].neuron.step(self._states[i][-1], x, *self._row(i, t))
                self._sent[i][..., t] = spikes
                self._states[i].append(state)
                self._sums[i].append(x)

    def _row(self, index: int, t: int) -> tuple[Any, ...]:
        te = self._te[index]
        return () if te is None else (te[t],)

    def back(self, targets: Sequence[Target]) -> npt.NDArray[np.float64]:
        """Return the gradients of all entries of the input."""
        net, index = self._net, targets[0].layer
        of_sent = {source: np.zeros(sent.shape) for source, sent in self._sent.items()}
        of_state = {i: _zeros(self._states[i][0]) for i in self._order}
        for t in reversed(range(max(target.step for target in targets) + 1)):
            for i in reversed(self._order):
                if i == index:
                    self._begin(targets, t, of_state[i])
                before, x, neuron = self._states[i][t], self._sums[i][t], net.layers[i].neuron
                step = _Step(net.layers[i], before, x, self._row(i, t))
                of_state[i], of_x = step.back(of_state[i], of_sent[i][..., t] if neuron.fires else None)
                for each in net.incoming(i) if of_x.any() else ():
                    _hand_back(each, of_x, of_sent[each.source], t)
        inputs = [of_sent[-1 - k] for k in range(len(net.inputs))]
        return np.concatenate(inputs, axis=1)

    def _begin(self, targets: Sequence[Target], t: int, of_state: dict[str, npt.NDArray[np.float64]]) -> None:
        """Add the registers that are looked at in this step."""
        neuron, after = self._net.layers[targets[0].layer].neuron, self._states[targets[0].layer][t + 1]
        for sample, target in enumerate(targets):
            if target.step != t:
                continue
            for name in of_state:
                up, down = (
                    neuron.observed(_moved(after, name, by))[target.register][sample, target.neuron]
                    for by in (_STATE, -_STATE)
                )
                of_state[name][sample, target.neuron] += target.sign * (int(up) - int(down)) / (2 * _STATE)


class _Step:
    """The differences of one step of a layer."""

    def __init__(self, layer: Layer, before: Any, x: npt.NDArray[np.int64], row: tuple[Any, ...]) -> None:
        self._layer, self._before, self._x, self._row = layer, before, x, row
        mantissa = getattr(layer.neuron, "v_th_mant", None)
        self._wide = _SURROGATE if not mantissa else max(_STATE, (mantissa << ACCUMULATOR_SHIFT) // 2)

    def back(
        self, of_state: dict[str, npt.NDArray[np.float64]], of_sent: npt.NDArray[np.float64] | None
    ) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
        """Return the gradients of the states before the step, and of the sums."""
        if not any(grad.any() for grad in of_state.values()) and (of_sent is None or not of_sent.any()):
            return of_state, np.zeros(self._x.shape)
        neuron = self._layer.neuron
        made, distances = [], []
        for name in of_state:
            made += [(_moved(self._before, name, by), self._x) for by in (_STATE, -_STATE, self._wide, -self._wide)]
            distances.append((_STATE, self._wide))
        for part in range(neuron.sums):
            place = np.zeros(self._x.shape[-1], np.int64)
            place[part * neuron.num_neurons : (part + 1) * neuron.num_neurons] = 1
            near, far = _SUM, max(1, self._wide * _SUM // _STATE)
            made += [(self._before, self._x + by * place) for by in (near, -near, far, -far)]
            distances.append((near, far))
        # All in one step of a larger batch: most of a step's time does not depend on how many there are.
        before = type(self._before)(*(np.concatenate(rows) for rows in zip(*(each for each, _ in made), strict=True)))
        spikes, after = neuron.step(before, np.concatenate([x for _, x in made]), *self._row)
        shape = (len(distances), 4, len(self._x), neuron.num_neurons)
        short, long = (np.array(each, np.float64)[:, None, None] for each in zip(*distances, strict=True))
        up, down, more, less = (spikes.reshape(shape)[:, k] for k in range(4))
        smooth = (up != 0) == (down != 0)  # a reset between the two is a jump, and no slope
        total = np.zeros((shape[0], *shape[2:]))
        for name, grad in of_state.items():
            values = getattr(after, name).reshape(shape)
            total += np.where(smooth, grad * (values[:, 0] - values[:, 1]) / (2 * short), 0)
        if of_sent is not None:
            total += of_sent * (more - less) / (2 * long)
        count = len(of_state)
        return dict(zip(of_state, total[:count], strict=True)), np.concatenate(total[count:], axis=-1)


def _zeros(state: Any) -> dict[str, npt.NDArray[np.float64]]:
    """Return gradients of 0 of all registers of a state but spikes, which nothing is compared over."""
    return {name: np.zeros(np.shape(value)) for name, value in state._asdict().items() if name != "s"}


def _moved(state: Any, name: str, by: int) -> Any:
    return state._replace(**{name: getattr(state, name) + by})


def _hand_back(way: Incoming, of_x: npt.NDArray[np.float64], of_sent: npt.NDArray[np.float64], t: int) -> None:
    """Add to the gradients of what a sender sent those of the sums of step `t`."""
    if way.delay.ndim == 2:
        for d, synapse in way.by_delay():
            if d <= t:
                of_sent[..., t - d] += of_x @ synapse.worth
        return
    gained = _of_image(way.synapse, of_x) if isinstance(way.synapse, Conv) else of_x @ way.synapse.worth
    at = t - np.broadcast_to(way.delay, gained.shape[-1:]).astype(np.int64)
    there = np.flatnonzero(at >= 0)
    of_sent[:, there, at[there]] += gained[:, there]


def _of_image(synapse: Conv, of_x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the gradients of an image from those of the sums that a convolution makes of it."""
    samples, groups = len(of_x), synapse.groups
    channels, rows, columns = synapse.in_shape
    (top, left), (outputs, height, width) = synapse.padding, synapse.out_shape
    grad = of_x.reshape(samples, groups, outputs // groups, height, width)
    weight = synapse.weight.reshape(groups, outputs // groups, *synapse.weight.shape[1:]).astype(np.float64)
    padded = np.zeros((samples, groups, channels // groups, rows + 2 * top, columns + 2 * left))
    for i, j in np.ndindex(synapse.kernel):
        y, x = i * synapse.dilation[0], j * synapse.dilation[1]
        seen = padded[..., y : y + (height - 1) * synapse.stride[0] + 1 : synapse.stride[0], :]
        seen[..., x : x + (width - 1) * synapse.stride[1] + 1 : synapse.stride[1]] += np.einsum(
            "goc,bgoyx->bgcyx", weight[..., i, j], grad, optimize=True
        )
    return padded[..., top : top + rows, left : left + columns].reshape(samples, -1)
