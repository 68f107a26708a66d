"""The batch engine: the contract's integers over whole test sets and endless streams, in one process.

It computes what `spikeproof.sim.reference` computes, bit for bit, and property tests hold it to that. All layers
advance together, a block of steps at a time, so memory does not grow with the length of a sample; samples are shared
out over threads. `run` takes a batch of samples, `stream` and `Session` take input as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ...contract.compiled import memory
from ...contract.errors import InputError
from ...contract.net import Net
from ..trace import SPIKES, VARIABLES, IntArray, Trace
from .threads import available, share, single_threaded_blas

if TYPE_CHECKING:
    from .layers import Array

Record = Literal["all", "spikes", "output"] | Iterable[tuple[str, str]]
"""What a trace holds: every variable; the spikes of all layers; what the output layers answer with (their spikes, or
the register of a read-out); or the named (layer, variable) pairs."""

_BLOCK_BYTES = 2**17
"""Size of the widest layer's sums in a block: a core's cache holds them until the neurons have used them."""
_BLOCK_STEPS = 64
_RECURRENT_BLOCK_BYTES, _RECURRENT_BLOCK_STEPS = 2**19, 16
"""The same where a recurrent layer has no compiled loop: it runs step by step, so that many samples at once cost little
more than one."""
_SPARSE = 0.3
"""Input of which a smaller part is not 0 is added up channel by channel, without being turned."""
_TABLE_BYTES = 2**22
"""Size of the encodings that are prepared at once and serve all samples."""


def run(
    net: Net,
    payload: npt.NDArray[np.int32],
    *,
    record: Record = "all",
    threads: int | None = None,
    block: int | None = None,
) -> Trace:
    """Run a batch of samples.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        Input payloads, see `spikeproof.contract.net.Input.encode`; steps is at most the network's sample period.
    record : {"all", "spikes", "output"} or iterable of (layer, variable)
        What to keep. "all" makes the trace of `spikeproof.sim.reference.run`; it costs four bytes a variable, neuron
        and step of every sample.
    threads : int, optional
        Default: one for each core that this process may use. Results do not depend on it.
    block : int, optional
        Steps that a layer advances at a time. Default: by the width of the layers. Results do not depend on it.

    Returns
    -------
    Trace
        What was asked for; layers of which nothing was asked are left out.

    Raises
    ------
    InputError
        The payload does not fit the network, or `record` names something that it has not.

    Examples
    --------
    >>> from spikeproof.contract.neurons.cuba import CUBA
    >>> from spikeproof.contract.net import Input, Layer, Net
    >>> from spikeproof.contract.synapses.dense import Dense
    >>> neuron = CUBA(num_neurons=1, u_decay=4096, v_decay=0, v_th_mant=5)
    >>> layer = Layer(name="a", synapse=Dense(weight=[[2]]), neuron=neuron)
    >>> net = Net(inputs=(Input(num_channels=1),), layers=(layer,), steps=6)
    >>> run(net, np.ones((1, 1, 6), np.int32), record="spikes").layers["a"]["s"].tolist()
    [[[0, 0, 1, 0, 0, 1]]]
    """
    if payload.ndim == 3 and payload.shape[2] > net.steps:
        raise InputError(
            f"Samples of {payload.shape[2]} steps, but the network's sample period is {net.steps}. Use `stream` for "
            "samples back to back."
        )
    return Session(net, len(payload), record=record, threads=threads, block=block).feed(payload)


def stream(
    net: Net,
    chunks: Iterable[npt.NDArray[np.int32]],
    *,
    record: Record = "spikes",
    threads: int | None = None,
    block: int | None = None,
) -> Iterator[Trace]:
    """Run input of any length in constant memory.

    Parameters
    ----------
    net : Net
        The network. Its registers start anew every `net.steps` steps, wherever the chunks end.
    chunks : iterable of ndarray of int32, shape (streams, channels, steps)
        What follows each other in time, of any number of steps each.
    record, threads, block
        As in `run`.

    Yields
    ------
    Trace
        One for each chunk, of the same number of steps.
    """
    session = None
    for chunk in chunks:
        session = session or Session(net, len(chunk), record=record, threads=threads, block=block)
        yield session.feed(chunk)


class Session:
    """A batch of streams under way: `feed` it as input comes.

    Parameters
    ----------
    net : Net
        The network.
    num_streams : int
        Number of streams that run side by side, at least 1.
    record : {"all", "spikes", "output"} or iterable of (layer, variable)
        What `feed` returns; an empty one for `output` and `counts` alone.
    threads, block : int, optional
        As in `run`.
    event_driven : bool, optional
        Whether sums are added up event by event, or by matrix products. Default: what is faster at a block's density.
    exact_float32 : bool
        Whether to compute sums in float32 where that is exact. Results do not depend on it.

    Raises
    ------
    InputError
        A number is out of range, or `record` names something that the network has not.
    """

    def __init__(
        self,
        net: Net,
        num_streams: int = 1,
        *,
        record: Record = "spikes",
        threads: int | None = None,
        block: int | None = None,
        event_driven: bool | None = None,
        exact_float32: bool = True,
    ) -> None:
        from .blocks import Plan, Streams
        from .layers import Encoding

        for name, value in (("num_streams", num_streams), ("threads", threads), ("block", block)):
            if value is not None and value < 1:
                raise InputError(f"{name} = {value}; it must be at least 1.")
        self._net, self._streams = net, num_streams
        self._threads = threads or available()
        self._wanted = _wanted(net, record)
        plan = Plan(net, event_driven=event_driven, exact_float32=exact_float32)
        self._plan, self._layers, self._answer = plan, plan.layers, plan.answer
        self._encoding = Encoding(net)
        self._all = Streams(plan, num_streams)
        self._t = 0
        widest = max(layer.num_sums * layer.dtype.itemsize for layer in self._layers)
        size, least = _BLOCK_BYTES, _BLOCK_STEPS
        if any(layer.runs_by_step for layer in self._layers):
            size, least = _RECURRENT_BLOCK_BYTES, _RECURRENT_BLOCK_STEPS
        rows = max(32, size // widest)
        share_of_batch = -(-num_streams // self._threads)
        self._block = block or min(rows, max(least, rows // share_of_batch))
        self._group = max(1, min(rows // self._block, share_of_batch))
        a_step = sum(8 * layer.num_sums for layer in self._layers)
        self._window = max(1, _TABLE_BYTES // (a_step * self._block)) * self._block
        self._tables: tuple[tuple[Array, Array], ...] | None = None

    @property
    def steps(self) -> int:
        """Steps since the current sample began."""
        return self._t

    @property
    def counts(self) -> dict[str, npt.NDArray[np.int64]]:
        """How often each neuron fired since the current sample began: layer -> int64 of shape (streams, neurons).

        Of graded spikes, the sum of their payloads.
        """
        layers = zip(self._layers, self._all.counts, strict=True)
        return {layer.name: counts.astype(np.int64) for layer, counts in layers if SPIKES in layer.variables}

    @property
    def output(self) -> npt.NDArray[np.int64]:
        """What the network answers so far in the current sample, int64 of shape (streams, outputs).

        The read-out's register; without a read-out, how many spikes of the last layer came out. See `Trace.output`.
        """
        if self._net.readout:
            place = self._net.readout.neuron.registers.index("v")
            return self._all.states[self._answer][:, place].astype(np.int64)
        leaves_late = self._net.output.axon is not None
        return self._all.arrived.copy() if leaves_late else self._all.counts[self._answer].astype(np.int64)

    def feed(self, payload: npt.NDArray[np.int32]) -> Trace:
        """Advance by the steps of `payload`, over the ends of samples if it comes to that.

        Parameters
        ----------
        payload : ndarray of int32, shape (streams, channels, steps)
            Input payloads.

        Returns
        -------
        Trace
            What is recorded of these steps.

        Raises
        ------
        InputError
            The shape does not fit, or a payload is larger than the network's input carries: sums would not be known
            to be exact. Nothing was advanced.
        """
        sparse = self._checked(payload)
        steps = payload.shape[2]
        sizes = {layer.name: layer.num_neurons for layer in self._layers}
        traced = {
            layer: {name: memory.empty((self._streams, steps, sizes[layer]), np.int32) for name in names}
            for layer, names in self._wanted.items()
        }
        parts = -(-self._streams // self._group)
        with single_threaded_blas():
            done = 0
            while done < steps:
                if self._t == self._net.steps:
                    self._t = 0
                    self._all.restart()
                window = min(steps - done, self._net.steps - self._t, self._window)
                tables = self._prepare(window)

                def part(
                    i: int, done: int = done, window: int = window, tables: tuple[tuple[Array, Array], ...] = tables
                ) -> None:
                    streams = slice(i * self._group, min((i + 1) * self._group, self._streams))
                    self._advance(streams, payload, done, window, tables, traced, sparse)

                share(part, parts, self._threads)
                done += window
                self._t += window
        # Steps lie one after the other in memory, as the neurons run; a trace has them last.
        layers = {name: {key: a.transpose(0, 2, 1) for key, a in of.items()} for name, of in traced.items()}
        return Trace(backend="engine", layers=layers)

    def _checked(self, payload: npt.NDArray[np.int32]) -> frozenset[int]:
        """Refuse a payload that does not fit, and return which inputs are sparse; see `blocks.Block`."""
        from . import kernels

        net, sparse = self._net, set()
        if payload.ndim != 3 or payload.shape[:2] != (self._streams, net.num_channels):
            raise InputError(
                f"Payload has shape {payload.shape}; expected ({self._streams} samples, {net.num_channels} "
                "channels, steps)."
            )
        if payload.dtype.kind not in "iu":
            raise InputError(f"Payload has dtype {payload.dtype}; expected integers. See `Input.encode`.")
        for k, source in enumerate(net.inputs):
            low, high, events = kernels.survey(payload, net.channels(k).start, source.num_channels)
            least = -source.max_payload if source.bits else 0
            if low < least or high > source.max_payload:
                raise InputError(
                    f"Payloads reach from {low} to {high}; the network's {source.name} carries {least}.."
                    f"{source.max_payload}."
                )
            if events < _SPARSE * payload.shape[0] * source.num_channels * payload.shape[2]:
                sparse.add(-1 - k)
        return self._plan.straight & sparse if payload.flags.c_contiguous else frozenset()

    def _prepare(self, window: int) -> tuple[tuple[Array, Array], ...]:
        """Return what depends on time alone, for `window` steps from now on; kept if that is a whole sample."""
        if self._tables is not None and window == self._net.steps:
            return self._tables
        te = self._encoding.rows(self._t, window)
        tables = tuple(layer.tables(self._t, window, te) for layer in self._layers)
        if window == self._net.steps:
            self._tables = tables
        return tables

    def _advance(
        self,
        streams: slice,
        payload: npt.NDArray[np.int32],
        begin: int,
        steps: int,
        tables: tuple[tuple[Array, Array], ...],
        traced: dict[str, dict[str, IntArray]],
        sparse: frozenset[int],
    ) -> None:
        """Advance some streams by `steps` steps, from step `begin` of the payload on, block by block."""
        from .blocks import Block
        from .layers import Scratch

        num, size = streams.stop - streams.start, 0
        part = self._all.part(streams)
        out = [{name: a[streams] for name, a in traced.get(layer.name, {}).items()} for layer in self._layers]
        for first in range(0, steps, self._block):
            if size != min(self._block, steps - first):
                size = min(self._block, steps - first)
                scratch = [Scratch(layer, num, size) for layer in self._layers]
            now = begin + first
            local = slice(first, first + size)
            part.advance(Block(payload[streams], now, size, tables, local, scratch, out, sparse))


def _wanted(net: Net, record: Record) -> dict[str, tuple[str, ...]]:
    """Return the variables to record: layer -> their names, in the network's order."""
    known = {layer.name: VARIABLES[type(layer.neuron)] for layer in net.layers}
    answers = [(name, SPIKES if SPIKES in known[name] else "v") for name in net.answers]
    named: dict[str, Iterable[tuple[str, str]]] = {
        "all": [(layer, name) for layer, names in known.items() for name in names],
        "spikes": [(layer, SPIKES) for layer, names in known.items() if SPIKES in names],
        "output": answers,
    }
    if isinstance(record, str):
        if record not in named:
            raise InputError(f"record = {record!r} is unknown; choose {', '.join(named)}, or (layer, variable) pairs.")
        record = named[record]
    pairs = set(record)
    for layer, name in pairs:
        if name not in known.get(layer, ()):
            has = ", ".join(f"{layer}: {' '.join(names)}" for layer, names in known.items())
            raise InputError(f"record: the network has no variable {name!r} of a layer {layer!r}. It has {has}.")
    chosen = {layer: tuple(name for name in names if (layer, name) in pairs) for layer, names in known.items()}
    return {layer: names for layer, names in chosen.items() if names}
