"""What enters a network: how many channels, and what their values are as payloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from ..fixed import as_whole
from ..names import checked_name
from ..record import Record
from ..synapses.dense import Synapse

_AT_ONCE = 2**15
"""Values that are encoded at once: they stay in a core's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Record):
    """What enters the network, one vector of `num_channels` a time step.

    Parameters
    ----------
    name : str
        What reports and edges call the input, unique in its network.
    num_channels : int
        Number of input channels.
    bits : int
        0 for unary spikes (values 0 and 1); else the size of a graded spike's payload, 1..23 bits and a sign.
    exp : int
        An analog value x travels as the payload ``round(x * 2**-exp)``, -23..0; 0 unless `bits` is set.
    """

    num_channels: int
    bits: int = 0
    exp: int = 0
    name: str = "input"

    def __post_init__(self) -> None:
        checked_name("Input", self.name)
        self._set(
            num_channels=as_whole("Input num_channels", self.num_channels, 1, 2**31 - 1),
            bits=as_whole("Input bits", self.bits, 0, 23),
            exp=as_whole("Input exp", self.exp, -23, 0),
        )
        if self.exp and not self.bits:
            raise RecordError(f"Input exp = {self.exp} with bits = 0: unary spikes carry no payload. Set bits.")

    @property
    def max_payload(self) -> int:
        """Largest magnitude of a payload."""
        return 2**self.bits - 1 if self.bits else 1

    def fitted(self, synapse: Synapse) -> Input:
        """Return the input with those of its bits that the sums of the first layer's synapses have room for."""
        room = (2 ** (synapse.port_bits - 1) - 1) // max(1, synapse.bound(1))
        bits = max(1, min(self.bits, (room + 1).bit_length() - 1))
        return replace(self, bits=bits)

    def encode(self, x: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the integer payloads of analog or spike input.

        Parameters
        ----------
        x : array_like, shape (..., num_channels, steps)
            Values in SLAYER's units, images flattened. Read as float32, the precision that torch trains in, so that
            torch and the simulations round the same number (half to even).

        Returns
        -------
        ndarray of int32, shape of `x`
            ``round(x * 2**-exp)``.

        Raises
        ------
        InputError
            The shape does not fit, a value is not finite, does not fit the payload, or is not 0 or 1 where
            spikes are unary; the first such value is named.
        """
        values = np.asarray(x)
        if values.dtype.kind not in "iufb":
            raise InputError(f"Input has dtype {values.dtype}; expected numbers.")
        if values.ndim < 2 or values.shape[-2] != self.num_channels:
            raise InputError(f"Input has shape {values.shape}; expected (..., {self.num_channels} channels, steps).")
        payload = np.empty(values.shape, np.int32)
        given, made = values.reshape(-1), payload.reshape(-1)
        for begin in range(0, given.size, _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            found = self._payload(given[part])
            if found is None:
                self._refuse(values, begin)
            made[part] = found
        return payload

    def _payload(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
        """Return the payloads of some values as whole floats, or None if one of them is refused."""
        given = values.astype(np.float32, copy=False)
        if not self.bits:
            return given if ((given == 0) | (given == 1)).all() else None
        payload = np.rint(given * np.float32(2.0**-self.exp))
        # Neither is so if one of them is no number.
        return payload if payload.min() >= -self.max_payload and payload.max() <= self.max_payload else None

    def _refuse(self, values: npt.NDArray[Any], begin: int) -> NoReturn:
        """Raise an InputError that names the first value from `begin` on, in C order, that is refused."""
        given = values.reshape(-1)
        refused = (i for i in range(begin, given.size) if self._payload(given[i : i + 1]) is None)
        index = tuple(int(i) for i in np.unravel_index(next(refused), values.shape))
        low = -self.max_payload if self.bits else 0
        allowed = (
            "it is not a number. Fix what made the input, or replace such values: np.nan_to_num(x)"
            if np.isnan(values[index])
            else f"payload round(x * 2**{-self.exp}) must lie in {low}..{self.max_payload}; rescale the input, or "
            "build the first layer with more input_bits"
            if self.bits
            else "unary spikes must be 0 or 1. For graded values give the first layer input_exp, or a stock SLAYER "
            "block input=Input(num_channels=..., bits=..., exp=...); multiply what Event.fill_tensor made by its "
            "sampling_time"
        )
        raise InputError(f"Input{list(index)} = {values[index]}: {allowed}.")
