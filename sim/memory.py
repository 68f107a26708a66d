"""What a run would take of memory, told before it is taken."""

from __future__ import annotations

from ..contract.net import Net
from ..export import memory
from .trace import VARIABLES


def trace_bytes(net: Net, samples: int) -> int:
    """Return the size of the trace of so many samples, every register included."""
    return sum(4 * samples * net.steps * layer.num_neurons * len(VARIABLES[type(layer.neuron)]) for layer in net.layers)


def refuse_trace(net: Net, samples: int) -> None:
    """Refuse to run samples whose trace takes more memory than there is, with an InputError."""
    what = f"the trace of {samples:,} samples"
    memory.refuse_more(trace_bytes(net, samples), memory.allowed(), what, "the number of samples or the network")
