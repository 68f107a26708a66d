"""One layer of a network: neurons, the synapses that are their own, and what delays or feeds back their spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import RecordError
from ..fixed import ACCUMULATOR_SHIFT, SCALE_MAX, as_whole
from ..names import checked_name
from ..neurons import KINDS, Neuron
from ..record import Record
from ..sources import Oscillators
from ..synapses.axon import Axon
from ..synapses.conv import Conv
from ..synapses.delays import as_delays
from ..synapses.dense import Dense, Synapse


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(Record):
    """Neurons and their own synapses.

    Parameters
    ----------
    name : str
        What reports call the layer: letters, digits, ``_ . -``, unique in its network.
    synapse : Dense or Conv
        The layer's synapses.
    neuron : Neuron
        The layer's neurons, one a row of the weight matrix; or two, for neurons with complex input: the matrix is that
        of the real parts on top of that of the imaginary parts.
    scale : int
        SLAYER's ``w_scale``, a power of two: this many weight units are 1.0.
    cpg : Phase, Coupled or None
        Oscillators whose spikes the layer sees beside its inputs: the last columns of the weight matrix are theirs.
        They start anew with every sample.
    axon : Axon or None
        Delays of the layer's spikes on their way to other layers, or out of the network.
    feedback : Dense or None
        Recurrent synapses: what they deliver in a step is made of the layer's spikes of the step before, which no axon
        delays, and there is none in the first step of a sample. A spike is 1.0: where the layer's own synapses take
        payloads in units of ``2**exp``, give it the weight exponent ``-exp``.
    delay : array_like of int, shape (), (senders,) or (sums, senders)
        Steps that spikes take on the layer's own synapses beyond those of the sender's axon, as `Edge.delay`; what its
        oscillators send is not delayed.
    source : str or None
        The name of the input, or of the layer before it in the network's order, whose spikes arrive at `synapse`. None:
        the layer directly before it, or the first input. What else arrives are the network's edges.
    """

    name: str
    synapse: Synapse
    neuron: Neuron
    scale: int = 64
    cpg: Oscillators | None = None
    axon: Axon | None = None
    feedback: Dense | None = None
    delay: Any = 0
    source: str | None = None

    def __post_init__(self) -> None:
        checked_name("Layer", self.name)
        scale = as_whole(f"layer {self.name!r}: scale", self.scale, 1, SCALE_MAX)
        if scale & (scale - 1):
            raise RecordError(f"layer {self.name!r}: scale = {scale} is not a power of two.")
        if type(self.neuron) not in KINDS.values():
            raise RecordError(f"layer {self.name!r}: {type(self.neuron).__name__} is no kind of neuron.")
        if self.synapse.num_neurons != self.num_sums:
            raise RecordError(
                f"layer {self.name!r}: synapses feed {self.synapse.num_neurons} neurons, but there are "
                f"{self.num_neurons}{' with complex input, which take two each' * (self.num_sums > self.num_neurons)}."
            )
        if self.cpg is not None and isinstance(self.synapse, Conv):
            raise RecordError(
                f"layer {self.name!r}: a convolution has no channels for oscillators; use dense synapses."
            )
        if self.cpg is not None and self.num_inputs < 1:
            raise RecordError(
                f"layer {self.name!r}: synapses have {self.synapse.num_inputs} inputs for {self.cpg.num_neurons} CPG "
                "channels and at least one input."
            )
        if self.axon is not None and (not self.neuron.fires or self.axon.num_neurons != self.num_neurons):
            raise RecordError(
                f"layer {self.name!r}: its axon delays {self.axon.num_neurons} neurons, but {self.num_neurons} "
                f"{'fire' if self.neuron.fires else 'never fire'}."
            )
        around = (self.num_neurons, self.num_sums)
        if self.feedback is not None and (self.feedback.num_inputs, self.feedback.num_neurons) != around:
            raise RecordError(
                f"layer {self.name!r}: feedback has shape {self.feedback.weight.shape} for {self.num_neurons} neurons."
            )
        if self.feedback is not None and self.neuron.max_payload > 1:
            raise RecordError(f"layer {self.name!r}: feedback carries unary spikes, and its neurons send graded ones.")
        takes = self.num_inputs
        delay = as_delays(
            f"layer {self.name!r}: delay", self.delay, takes, self.num_sums, isinstance(self.synapse, Conv)
        )
        self._set(scale=scale, delay=delay)

    @property
    def is_late(self) -> bool:
        """Whether spikes of some neuron take longer than the step that SLAYER's ``delay_shift`` is."""
        return self.axon is not None and self.axon.longest > self.lead

    @property
    def lead(self) -> int:
        """1 if the next layer's synapses take the first step of every delay of this layer's spikes, else 0."""
        return int(self.axon is not None and self.axon.shortest >= 1)

    @property
    def num_inputs(self) -> int:
        """Number of inputs, the CPG's channels not among them."""
        return self.synapse.num_inputs - (self.cpg.num_neurons if self.cpg else 0)

    @property
    def num_neurons(self) -> int:
        """Number of neurons."""
        return self.neuron.num_neurons

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the neurons: (channels, rows, columns) behind a convolution, else (neurons,)."""
        if not isinstance(self.synapse, Conv):
            return (self.num_neurons,)
        channels, rows, columns = self.synapse.out_shape
        return channels // self.neuron.sums, rows, columns

    @property
    def num_sums(self) -> int:
        """Number of dendritic sums: one a neuron, or two for complex input."""
        return self.num_neurons * self.neuron.sums


def sent_exp(layer: Layer) -> int:
    """Return the power of two that a payload of 1 that a layer sends means in SLAYER's units.

    A unary spike is 1.0. Graded spikes are in the units of SLAYER's states, ``1 / (64 * scale)``.
    """
    return 0 if layer.neuron.max_payload == 1 else 1 - layer.scale.bit_length() - ACCUMULATOR_SHIFT
