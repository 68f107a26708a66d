"""Let stock SLAYER neurons keep the registers of Loihi 2, so that training sees where they wrap and clip.

SLAYER's registers are 64 bits wide on a CPU. A network that leaves 24 bits in training learns with values that it will
not have on hardware, and `spikeproof.verify` finds the difference only then.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...contract.errors import UnsupportedError
from ...contract.fixed import ACCUMULATOR_SHIFT, STATE_MAX
from ...contract.neurons.alif import ALIFState
from ...contract.neurons.bases import resonator
from ...contract.neurons.bases.adaptive import AdaptiveResonatorState
from ...contract.neurons.bases.integrator import integrate
from ...contract.neurons.bases.resonator import ResonatorState
from ...export.parts.constants import norms
from ...export.slayer.neurons import READERS

_STOCK = "lava.lib.dl.slayer.neuron."
_NEAR = (STATE_MAX + 1) // 4
"""No sum of two registers and twice a third, of up to this much, leaves 24 bits."""

State = tuple[npt.NDArray[np.int64], ...]


class _Registers(NamedTuple):
    """The registers of a family, and its rule before any reset."""

    buffers: tuple[str, ...]
    """What SLAYER keeps from call to call, in the order in which ``dynamics`` returns the registers."""
    step: Callable[[Any, State, npt.NDArray[np.int64]], tuple[State, State]]
    """``step(params, state, x)`` returns the registers that are compared, and the state that goes on."""


class saturate:  # named as the function that it is used as
    """Make the SLAYER neurons of a module wrap and clip as the contract says: now, or for a ``with`` block.

    What the neurons compute is then what the record of the network computes, past the ends of its registers too.
    Gradients are SLAYER's own: they pass straight through. Neurons whose registers stay within a quarter of their range
    run as before; for the others the contract's steps run too. With them a training step of a dense CUBA block took 1.3
    to 1.5 times as long, without them 1.06 times (128 and 256 neurons, 100 and 200 steps, one CPU thread).

    Parameters
    ----------
    module : Module
        A network with CUBA, ALIF, RF, RF-IZ, ADRF or ADRF-IZ neurons. Others are left as they are: sigma-delta's
        registers have 32 bits, more than the whole numbers of a float32.

    Raises
    ------
    UnsupportedError
        There is no such neuron, or one normalises its input.

    Examples
    --------
    ::

        spikeproof.saturate(net)  # until .undo()

        with spikeproof.saturate(net):
            train(net)
    """

    def __init__(self, module: nn.Module) -> None:
        found = [neuron for neuron in module.modules() if _family(neuron) in _FAMILIES]
        if not found:
            raise UnsupportedError(f"{type(module).__name__} has no SLAYER neuron with registers of 24 bits.")
        if any(norms(neuron) for neuron in found):
            raise UnsupportedError("saturate: a norm moves the registers while it trains. Build the block without one.")
        self._changed = [neuron for neuron in found if not isinstance(neuron, _Saturating)]
        for neuron in self._changed:
            neuron.__class__ = _saturating(type(neuron))

    def undo(self) -> None:
        """Give the neurons their own forward pass back."""
        for neuron in self._changed:
            neuron.__class__ = type(neuron).__mro__[2]
        self._changed = []

    def __enter__(self) -> saturate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


class _Saturating:
    """What stands before a neuron's own class while it saturates."""

    def dynamics(self: Any, dendrites: Any) -> tuple[torch.Tensor, ...]:
        """Return SLAYER's registers, with the values that 24 bits give them."""
        rules, parts = _FAMILIES[_family(self)], dendrites if isinstance(dendrites, tuple) else (dendrites,)
        before = [getattr(self, name) for name in rules.buffers]
        stock: tuple[torch.Tensor, ...] = super().dynamics(dendrites)  # type: ignore[misc]
        largest = max(float(register.detach().abs().max()) for register in stock) if stock[0].numel() else 0
        if max(largest, getattr(self, "threshold_step", 0)) * self.s_scale < _NEAR:
            return stock
        with torch.no_grad():
            exact = _scanned(self, rules, before, parts)
            if self.persistent_state:
                for name, register in zip(rules.buffers, exact, strict=True):
                    setattr(self, name, register[..., -1].clone())
        return tuple(_Through.apply(*pair) for pair in zip(stock, exact, strict=True))


class _Through(torch.autograd.Function):
    """Return other values; the gradient passes."""

    @staticmethod
    def forward(ctx: Any, stock: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        return exact

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


def _scanned(
    neuron: Any, rules: _Registers, before: list[torch.Tensor], parts: tuple[torch.Tensor, ...]
) -> list[torch.Tensor]:
    """Return a neuron's registers after every step, as the contract computes them."""
    first, shape, scale = parts[0], tuple(neuron.shape), neuron.s_scale
    params: Any = READERS[_family(neuron)](neuron, shape, -ACCUMULATOR_SHIFT)  # of sums in the states' own units
    # As SLAYER makes whole numbers of what arrives.
    whole = [(scale * part).to(torch.int64).movedim(-1, 0).flatten(2).cpu().numpy() for part in parts]
    rest = [0, 0, params.v_th_mant << ACCUMULATOR_SHIFT, 0][: len(rules.buffers)]
    state: State = tuple(
        _whole(buffer * scale).reshape(len(first), -1)
        if neuron.persistent_state and buffer.shape == first.shape[:-1]
        else np.full((len(first), params.num_neurons), value)
        for buffer, value in zip(before, rest, strict=True)
    )
    found = []
    for x in np.concatenate(whole, axis=-1):
        registers, state = rules.step(params, state, x)
        found.append(np.stack(registers))
    together = torch.as_tensor(np.stack(found, axis=-1) / scale, dtype=first.dtype, device=first.device)
    return [register.reshape(first.shape) for register in together]


def _whole(x: torch.Tensor) -> npt.NDArray[np.int64]:
    array: npt.NDArray[np.int64] = torch.round(x).to(torch.int64).cpu().numpy()
    return array


def _family(neuron: Any) -> str:
    """Return the family of a SLAYER neuron, "cuba" say; of other modules an empty string."""
    full = f"{type(neuron).__module__}.{type(neuron).__name__}"
    family, _, kind = full.removeprefix(_STOCK).partition(".")
    return family if full.startswith(_STOCK) and kind == "Neuron" else ""


def _saturating(kind: type[Any]) -> type[Any]:
    """Return a neuron's class behind `_Saturating`; it keeps its name and module, by which families are known."""
    return type(kind.__name__, (_Saturating, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _cuba(params: Any, state: State, x: npt.NDArray[np.int64]) -> tuple[State, State]:
    u, v = state
    u, v = integrate(params, u, v, x)
    fired = v > params.v_th_mant << ACCUMULATOR_SHIFT
    return (u, v), (u, np.where(fired, 0, v))


def _rf_iz(params: Any, state: State, x: npt.NDArray[np.int64]) -> tuple[State, State]:
    threshold = params.v_th_mant << ACCUMULATOR_SHIFT
    real, imag = state
    real, imag = resonator.rotate(params, real, imag, x)
    fired = imag >= threshold
    return (real, imag), (np.where(fired, 0, real), np.where(fired, threshold - 1, imag))


def _without_reset(kind: Any) -> Callable[[Any, State, npt.NDArray[np.int64]], tuple[State, State]]:
    """Return the step of a rule that resets nothing; SLAYER raises a kept threshold when it spikes, the rule later."""

    def step(params: Any, state: State, x: npt.NDArray[np.int64]) -> tuple[State, State]:
        count = len(kind._fields)
        full = state if len(state) == count else (*state, np.zeros_like(state[0]))
        _, after = params.step(kind(*full), x)
        return tuple(after)[: 4 if count == 5 else count], tuple(after)

    return step


_INTEGRATING, _ROTATING = ("current_state", "voltage_state"), ("real_state", "imag_state")
_ADAPTING = ("threshold_state", "refractory_state")

_FAMILIES: dict[str, _Registers] = {
    "cuba": _Registers(_INTEGRATING, _cuba),
    "alif": _Registers(_INTEGRATING + _ADAPTING, _without_reset(ALIFState)),
    "rf": _Registers(_ROTATING, _without_reset(ResonatorState)),
    "rf_iz": _Registers(_ROTATING, _rf_iz),
    "adrf": _Registers(_ROTATING + _ADAPTING, _without_reset(AdaptiveResonatorState)),
    "adrf_iz": _Registers(_ROTATING + _ADAPTING, _without_reset(AdaptiveResonatorState)),
}
