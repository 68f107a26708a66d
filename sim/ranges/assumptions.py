"""What is assumed of a network's input and activity beside its record: bounds that hold only then say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...contract.errors import InputError
from ...contract.interval import Interval, exactly
from ...contract.net import Net
from .. import simulate
from ..trace import SPIKES


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Assumptions that the user makes; none by default.

    Parameters
    ----------
    max_active : int or None
        At most so many channels of an input are not 0 in a step.
    unit_input : bool
        All values of the input are from 0 to 1.
    max_spikes : mapping of str to int
        At most so many neurons of the named layer fire in a step.
    """

    max_active: int | None = None
    unit_input: bool = False
    max_spikes: Mapping[str, int] = field(default_factory=dict)

    def check(self, net: Net) -> None:
        """Refuse what cannot be assumed of a network.

        Raises
        ------
        InputError
            A number is not possible, or no such layer fires.
        """
        if self.max_active is not None and not (_whole(self.max_active) and self.max_active >= 1):
            raise InputError(f"max_active = {self.max_active!r}: give a whole number of inputs, from 1.")
        if not isinstance(self.unit_input, bool | np.bool_):
            raise InputError(f"unit_input = {self.unit_input!r}: give True or False.")
        firing = [layer.name for layer in net.layers if layer.neuron.fires]
        for name, most in self.max_spikes.items():
            if name not in firing:
                raise InputError(f"max_spikes: {name!r} is no layer that fires; those are {', '.join(firing)}.")
            if not (_whole(most) and most >= 0):
                raise InputError(f"max_spikes of {name!r} = {most!r}: give a whole number of spikes a step, from 0.")

    def words(self) -> list[str]:
        """Return the assumptions, a phrase each."""
        inputs = [f"at most {self.max_active:,} active inputs a step"] if self.max_active is not None else []
        values = ["input values from 0 to 1"] * self.unit_input
        return inputs + values + [f"at most {most:,} spikes a step in {name}" for name, most in self.max_spikes.items()]

    def of_inputs(self, net: Net) -> dict[int, Interval]:
        """Return what can enter in any step, of input k as -1 - k."""
        found = {}
        for k, source in enumerate(net.inputs):
            low, high = self.ends(net, k)
            found[-1 - k] = exactly(np.full(source.num_channels, low)).hull(high)
        return found

    def ends(self, net: Net, index: int) -> tuple[int, int]:
        """Return the smallest and the largest payload of input `index`."""
        source = net.inputs[index]
        if self.unit_input:
            return 0, min(source.max_payload, 2**-source.exp)
        return (-source.max_payload if source.bits else 0), source.max_payload

    def most(self, net: Net) -> dict[int, int]:
        """Return how many neurons or channels are active in a step at most, where that is assumed."""
        found = {net.index(name): most for name, most in self.max_spikes.items()}
        inputs = range(len(net.inputs)) if self.max_active is not None else ()
        return found | {-1 - k: self.max_active or 0 for k in inputs}

    def checked(self, net: Net, samples: npt.ArrayLike) -> str:
        """Check the assumptions on samples, and return how many these are, in words.

        Raises
        ------
        InputError
            A sample is not as was assumed.
        """
        payload = simulate.encode(net, samples)
        for k, source in enumerate(net.inputs):
            of = payload[:, net.channels(k)]
            low, high = self.ends(net, k)
            if of.min() < low or of.max() > high:
                raise InputError(
                    f"The samples have values outside 0..1 in {source.name!r}, and unit_input assumes none."
                )
            if self.max_active is not None:
                _refuse(f"active channels of {source.name!r}", of, self.max_active)
        if self.max_spikes:
            trace = simulate.run_payload(net, payload, "engine")
            for name, most in self.max_spikes.items():
                _refuse(f"neurons of {name!r} that fire", trace.layers[name][SPIKES], most)
        return f"{len(payload):,} samples"


def _refuse(what: str, values: npt.NDArray[np.int32], most: int) -> None:
    counts = np.count_nonzero(values, axis=1)
    if counts.max() > most:
        sample, step = (int(i) for i in np.unravel_index(counts.argmax(), counts.shape))
        raise InputError(
            f"Sample {sample} has {int(counts.max())} {what} in step {step}, and at most {most} are assumed. "
            "Assume more."
        )
