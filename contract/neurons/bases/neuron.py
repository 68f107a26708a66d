"""What a kind of neuron is: declared parameters, registers, and a step.

A kind is a subclass of `Neuron` in a module of its own in `spikeproof.contract.neurons`. It declares its parameters
(`spikeproof.contract.fields`), names its state and writes its `step`; everything else follows from that: range checks,
its documentation, the NetX and NIR files, the Lava process and its model, headroom, placement, and the tests that every
kind must pass. See docs/neurons.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ... import fixed
from ...fields import checked, declared, parameters
from ...fixed import STATE_MAX, IntArray, as_whole
from ...interval import Interval, exactly
from ...record import Record

_MOST_SUMS = 2**31 - 1


class Bounded(NamedTuple):
    """What a layer can do in a step, whatever arrives within given bounds."""

    sent: Interval
    """What each neuron sends."""
    state: Any
    """What goes on to the next step, for the kind's own `Neuron.bounded_step`."""
    registers: dict[str, Interval]
    """What each register would hold if it had no end: where it leaves its range, it is clipped or wraps."""


class Layout(NamedTuple):
    """How a kind lies in a NetX file; see `spikeproof.export.netx.layers`."""

    type: str
    """Name of the type. Stock NetX refuses a file with one that it does not know, which is meant."""
    constants: Mapping[str, int] = {}  # never changed
    """Datasets that stock NetX expects, with the only value that the record can mean."""
    without: tuple[str, ...] = ()
    """Fields that this layout has no place for, and that must be at their default."""
    stock: bool = False
    """Whether stock NetX loads this layout and runs it exactly."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron(Record):
    """Integer parameters of a layer of neurons, and their rule.

    Subclasses are dataclasses with declared fields. A kind, which a layer can have, names its layouts; a base that
    several kinds share does not.

    Parameters
    ----------
    num_neurons : int
        Number of neurons n.
    """

    num_neurons: int

    State: ClassVar[type[Any]]
    """Named tuple of the registers that go on from step to step, each an int64 array of shape (..., n)."""
    registers: ClassVar[tuple[str, ...]] = ()
    """The registers that are traced and compared, by name."""
    fires: ClassVar[bool] = True
    """Whether it sends spikes."""
    sums: ClassVar[int] = 1
    """Dendritic sums a neuron: 2 for complex neurons, all real ones before all imaginary ones."""
    takes_te: ClassVar[bool] = False
    """Whether a step takes the temporal encoding too: ``step(state, x, te)``."""
    unrounded: ClassVar[bool] = False
    """Whether a step also takes ``rules``, and with `spikeproof.contract.real` computes without rounding."""
    register_max: ClassVar[int] = STATE_MAX
    """Magnitude from which on a register may hold something else in Lava than in torch."""
    charged: ClassVar[str] = ""
    """The register that a dendritic sum is added to, shifted by `a_shift` or 6; empty if there is no such one."""
    multiplications: ClassVar[int | None] = None
    """Multiplications of one neuron in one step, by papers' counting of energy; None if nobody has counted."""
    layouts: ClassVar[tuple[Layout, ...]] = ()
    """How it lies in a NetX file; the first that has a place for all of a record's values is taken."""

    def __init_subclass__(
        cls,
        *,
        state: type[Any] | None = None,
        registers: tuple[str, ...] = (),
        netx: str | tuple[Layout, ...] = (),
        **traits: Any,
    ) -> None:
        super().__init_subclass__()
        layouts = (Layout(netx),) if isinstance(netx, str) else netx
        given = {"State": state, "registers": registers, "layouts": layouts, **traits}
        for name, value in given.items():
            if not hasattr(Neuron, name) and name != "State":
                raise TypeError(f"{cls.__name__}: a neuron has no trait {name!r}.")
            if value is not None and value != ():
                setattr(cls, name, value)
        if layouts:
            _check_kind(cls)
            KINDS[cls.__name__] = cls
        cls.__doc__ = f"{(cls.__doc__ or cls.__name__).strip()}\n\n{parameters(cls)}\n"

    def __post_init__(self) -> None:
        n = as_whole(f"{type(self).__name__} num_neurons", self.num_neurons, 1, min(_MOST_SUMS, 2**31 // self.sums))
        self._set(num_neurons=n)
        self._set(**checked(self))

    @property
    def max_payload(self) -> int:
        """Largest magnitude that a spike can carry."""
        return STATE_MAX if getattr(self, "graded", 0) else 1

    def reset(self, batch: tuple[int, ...] = ()) -> Any:
        """Return the state before a sample's first step: all zero, of shape ``(*batch, n)``."""
        zeros = np.zeros((*batch, self.num_neurons), dtype=np.int64)
        return self.State(*(zeros for _ in self.State._fields))

    def step(self, state: Any, x: npt.ArrayLike) -> tuple[IntArray, Any]:
        """Advance the layer by one time step; the rule stands at the head of the kind's module.

        Parameters
        ----------
        state : State
            Registers after the previous step, or `reset`.
        x : array_like of int, shape (..., n), or (..., 2 * n) for complex neurons
            Dendritic sums, ``|x| < 2**31``.

        Returns
        -------
        spikes : ndarray of int64, shape (..., n)
            What the neurons send: 0 or 1, or payloads; 0 from those that never fire.
        state : State
            Registers after this step.
        """
        raise NotImplementedError

    def bounded_reset(self) -> Any:
        """Return the intervals before a sample's first step: those of the reset, which are known."""
        state = self.reset()
        return type(state)(*(exactly(register) for register in state))

    def bounded_step(self, state: Any, x: Interval, te: npt.ArrayLike | None = None) -> Bounded | None:
        """Advance intervals by one time step: whatever lies within `state` and `x`, the step lies within the result.

        Parameters
        ----------
        state : State of Interval
            What the registers can hold after the previous step, or `bounded_reset`.
        x : Interval of shape (n,), or (2 * n,) for complex neurons
            What the dendritic sums can be.
        te : array_like of int, shape (n,)
            For neurons that take it, this step's row of the temporal encoding, which is known.

        Returns
        -------
        Bounded or None
            None if nobody has written the bounds of this kind: then nothing is proven of it.
        """
        return None

    def observed(self, state: Any, rules: ModuleType = fixed) -> dict[str, Any]:
        """Return the values of all `registers` after a step, by name; more may be among them."""
        values: dict[str, Any] = state._asdict()
        return values


KINDS: dict[str, type[Neuron]] = {}
"""All kinds of neurons by their class's name. A kind enters it when its class is made."""


def _check_kind(kind: type[Neuron]) -> None:
    """Refuse a kind that lacks what every kind needs, or that repeats a name, where it is written."""
    name = kind.__name__
    if name in KINDS:
        raise TypeError(f"{name}: there is a kind of neuron of that name already, {KINDS[name].__module__}.")
    if not hasattr(kind, "State"):
        raise TypeError(f"{name}: name the tuple of its registers, state=...")
    if not kind.registers:
        raise TypeError(f"{name}: name the registers that are traced, registers=(...)")
    if kind.step is Neuron.step:
        raise TypeError(f"{name}: it has no step.")
    taken = {layout.type for other in KINDS.values() for layout in other.layouts}
    for layout in kind.layouts:
        if layout.type in taken:
            raise TypeError(f"{name}: NetX type {layout.type!r} is another kind's.")
        if unknown := set(layout.without) - set(declared(kind)):
            raise TypeError(f"{name}: layout {layout.type!r} is without {sorted(unknown)}, which is no field.")
