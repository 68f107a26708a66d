"""What a step of a network costs in the arithmetic that papers on spiking networks count.

Multiply-accumulates and accumulates of 32-bit floats in 45 nm CMOS; memory, traffic and control are left out, and a
table of temporal encoding is read for nothing. The figures compare networks on paper and are no chip's.

References
----------
M. Horowitz, "Computing's energy problem", ISSCC 2014, for the energies; the counting follows the supplement of
S. Zhang et al., "TC-LIF", arXiv 2308.13250, by the authors of arXiv 2308.15150.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

E_MAC, E_AC = 4.6e-12, 0.9e-12
"""Joules of a multiply-accumulate and of an accumulate."""

SOURCE = (
    "arithmetic alone, 32-bit float in 45 nm CMOS: 4.6 pJ a multiply-accumulate, 0.9 pJ an accumulate (Horowitz, ISSCC "
    "2014), as papers on spiking networks count. Memory and traffic are left out, and the temporal encoding's way to "
    "the neurons with them. Not comparable with a chip's figures"
)

UPDATES = {
    "ce-lif": (3, 1),
    "ce-lif-float": (3, 1),
    "lif": (1, 1),
    "plif": (1, 1),
    "ltmd": (1, 1),
    "alif": (3, 2),
    "glif": (2, 2),
}
"""Neuron -> multiply-accumulates each step, and accumulates each spike, of one neuron: decays and gates that do not
depend on spikes, then reset and adaptation. CE-LIF's three are the decays of membrane and threshold, and TE times
membrane; GLIF's are our count, the others follow the papers."""


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """Multiply-accumulates and accumulates a step, averaged over samples and steps."""

    mac: float
    ac: float

    @property
    def joules(self) -> float:
        """Energy a step by `E_MAC` and `E_AC`."""
        return self.mac * E_MAC + self.ac * E_AC


@dataclass(frozen=True, kw_only=True)
class LSTM:
    """Layers of LSTM cells and a linear classifier.

    Parameters
    ----------
    inputs, outputs : int
        Channels and classes.
    hidden : sequence of int
        Cells of each layer.
    """

    inputs: int
    hidden: Sequence[int]
    outputs: int

    @property
    def parameters(self) -> int:
        """Weights and one bias a gate, and the classifier's."""
        cells = sum(4 * n * (m + n + 1) for m, n in pairwise([self.inputs, *self.hidden]))
        return cells + self.hidden[-1] * self.outputs + self.outputs

    @property
    def arithmetic(self) -> Arithmetic:
        """Multiplications a step: 4 (m n + n n) + 17 n a layer of n cells and m inputs, and the classifier's."""
        cells = sum(4 * (m * n + n * n) + 17 * n for m, n in pairwise([self.inputs, *self.hidden]))
        return Arithmetic(mac=cells + self.hidden[-1] * self.outputs, ac=0)


def spiking(
    neuron: str,
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    rates: Sequence[float],
    *,
    input_rate: float | None = None,
    recurrent_layers: int = 0,
) -> Arithmetic:
    """Count a step of layers of spiking neurons and a linear classifier.

    Parameters
    ----------
    neuron : str
        One of `UPDATES`.
    inputs, outputs : int
        Channels and classes.
    hidden : sequence of int
        Neurons of each layer.
    rates : sequence of float
        Measured spikes of each hidden layer, per neuron and step, 0..1.
    input_rate : float, optional
        Spikes a channel and step of a unary input; an analog one, the default, is multiplied.
    recurrent_layers : int
        How many of the first hidden layers hear their own spikes through n x n weights.

    Returns
    -------
    Arithmetic
        Of an average step; times the number of steps it is that of an inference.
    """
    multiplied, spiked = UPDATES[neuron]
    mac = ac = 0.0
    arriving = input_rate
    for index, ((m, n), rate) in enumerate(zip(pairwise([inputs, *hidden]), rates, strict=True)):
        if arriving is None:
            mac += m * n
        else:
            ac += m * n * arriving
        mac += multiplied * n
        ac += (spiked * n + (n * n if index < recurrent_layers else 0)) * rate
        arriving = rate
    return Arithmetic(mac=mac, ac=ac + hidden[-1] * outputs * rates[-1])
