"""A half-centre: two CE-LIF neurons that inhibit each other and fire in alternating bursts, spike for spike on Lava.

Run it with ``python examples/half_centre.py``; it writes ``half_centre.png``.

The half-centre is the smallest central pattern generator: the pair of mutually inhibiting neurons from which
arXiv 2405.14362 (CPG-PE) sets out. Nothing from outside times this one: both neurons get the same constant bias, and
three things make them take turns.

- Inhibition: each spike throws the other neuron far below its threshold (`INHIBITION`).
- Adaptation: each spike raises the neuron's own threshold, so its spikes come ever later (`ADAPTATION`). A CE-LIF
  neuron adds ``v * te`` to its threshold in every step, v being the membrane of the step before. Here te is the
  neuron's own spike, one step late, so what is added is a fraction of the membrane that has just fired, and only then.
- Recovery: a silent neuron's threshold sinks back, until its membrane reaches it between two spikes of the other.

The neurons are equal, so they would fire in unison for ever; one spike of inhibition on the right one at the start
(`KICK`) breaks the tie. Synapses are Lava's own ``Dense`` and delay by one step.

The same circuit stands here twice: `contract` steps the integer rule in a loop, `on_lava` builds processes. Every spike
and every register of the two must be equal. Exit code 0: they are and the bursts alternate strictly; 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spikeproof.contract.errors import BackendError, SpikeproofError
from spikeproof.contract.fixed import ACCUMULATOR_SHIFT
from spikeproof.contract.neurons import celif

STEPS = 1000
DEADLINE = 120.0
"""Seconds after which Lava is given up. It takes a few, but waits for ever when one of its processes fails."""

NEURONS = celif.CELIF(
    num_neurons=2,
    v_decay=224,  # the membrane's time constant is 4096 / 224 = 18 steps
    th_decay=64,  # the threshold's is 4096 / 64 = 64 steps
    v_th_mant=16,  # resting threshold 16 << 6 = 1024
    te_exp=8,
    bias_mant=832,  # the tonic drive; alone it would lift the membrane to 832 * 4096 / 224 = 15 resting thresholds
)
INHIBITION = np.array([[0, -192], [-192, 0]])
"""Weights between the neurons, [to, from]."""
ADAPTATION = np.array([[72, 0], [0, 72]])
"""Temporal encoding that a spike causes, [to, from]: a spike adds 72 / 2**te_exp = 28 % of the membrane that fired."""
KICK = np.array([[0], [-192]])
"""Weights from the source that spikes once, in the first step."""

REGISTERS = ("v", "h", "theta")
NAMES = ("left", "right")

MAX_INTERVAL = 20
"""Spikes of a neuron further apart than this many steps belong to different bursts."""
MIN_SPIKES, MIN_BURSTS = 3, 4


class Burst(NamedTuple):
    """Consecutive spikes of one neuron."""

    begin: int
    end: int
    neuron: int
    spikes: int


def contract(steps: int = STEPS) -> dict[str, np.ndarray]:
    """Run the half-centre on the contract's step.

    Parameters
    ----------
    steps : int
        Number of time steps.

    Returns
    -------
    dict of str to ndarray of int64, shape (steps, 2)
        Spikes ``s``, membranes ``v``, adaptations ``h`` and thresholds ``theta``.
    """
    kick = np.zeros((steps, 1), dtype=np.int64)
    kick[1:2] = 1  # the source spikes in step 0 and its synapse delays by one
    trace = {name: np.zeros((steps, 2), dtype=np.int64) for name in ("s", *REGISTERS)}
    state = NEURONS.reset()
    for t in range(steps):
        x = INHIBITION @ state.s + KICK @ kick[t]
        te = ADAPTATION @ state.s
        spikes, state = NEURONS.step(state, x, te)
        theta = NEURONS.threshold(state.h)
        for name, values in (("s", spikes), ("v", state.v), ("h", state.h), ("theta", theta)):
            trace[name][t] = values
    return trace


def on_lava(steps: int = STEPS, deadline: float = DEADLINE) -> dict[str, np.ndarray]:
    """Run the half-centre on Lava, in a child process, and return what `contract` returns.

    Raises
    ------
    BackendError
        Lava failed or did not end by the deadline. No process is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="half-centre-") as name:
        folder = Path(name)
        with open(folder / "log", "wb") as log:
            child = subprocess.Popen(
                [sys.executable, __file__, "--lava-into", str(folder), "--steps", str(steps)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            code: int | None = child.wait(deadline)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(child)
        if code != 0:
            what = f"did not end within {deadline:g} s" if code is None else f"ended with code {code}"
            raise BackendError(f"Lava {what}.\n{(folder / 'log').read_text(errors='replace')[-4000:].strip()}")
        return {key: np.load(folder / f"{key}.npy").astype(np.int64) for key in ("s", *REGISTERS)}


def _end(child: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """End what is left of the child's process group: Lava's processes may outlive it."""
    with contextlib.suppress(ProcessLookupError):  # the group is gone
        # Python's tracker of shared memory ignores SIGTERM, frees what the others left, and ends by itself.
        os.killpg(child.pid, signal.SIGTERM)
        end = time.monotonic() + grace
        while time.monotonic() < end:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run_lava(folder: Path, steps: int) -> None:
    """Build the processes, run them and leave one file a variable in `folder`."""
    from spikeproof.lava_procs import compat

    compat.apply()  # before the first Lava import
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.utils.weightutils import SignMode

    from spikeproof.lava_procs.by_rule.process import PROCESSES
    from spikeproof.lava_procs.recording import record

    def synapses(weights: np.ndarray) -> Dense:
        return Dense(weights=weights, num_weight_bits=8, sign_mode=SignMode.MIXED)

    neurons = PROCESSES[celif.CELIF](params=NEURONS, te=None, latency=0, period=steps)
    inhibition = synapses(INHIBITION)
    neurons.s_out.connect(inhibition.s_in)
    inhibition.a_out.connect(neurons.a_in)

    adaptation = synapses(2 * ADAPTATION)  # 8-bit weights have step 2, so te_in halves what arrives
    neurons.s_out.connect(adaptation.s_in)
    adaptation.a_out.connect(neurons.te_in)

    source = RingBuffer(data=np.eye(1, steps, dtype=np.int32))
    kick = synapses(KICK)
    source.s_out.connect(kick.s_in)
    kick.a_out.connect(neurons.a_in)  # a port adds up what arrives

    record(neurons, folder, steps, REGISTERS)
    # Without the tag Lava takes the first model that it finds, which may be a floating-point one.
    neurons.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    neurons.stop()


def bursts(raster: np.ndarray) -> list[Burst]:
    """Return all bursts in the order in which they begin; a lone spike is a burst of one.

    Parameters
    ----------
    raster : ndarray, shape (steps, 2)
        Spikes, 0 or 1.

    Returns
    -------
    list of Burst
    """
    found = []
    for neuron in range(raster.shape[1]):
        times = np.flatnonzero(raster[:, neuron])
        for part in np.split(times, np.flatnonzero(np.diff(times) > MAX_INTERVAL) + 1):
            if len(part):
                found.append(Burst(int(part[0]), int(part[-1]), neuron, len(part)))
    return sorted(found)


def alternates(found: list[Burst]) -> bool:
    """Tell whether the neurons take strict turns.

    True if every burst ends before the next begins, the next is the other neuron's, and none has fewer than
    `MIN_SPIKES` spikes.
    """
    turns = all(a.neuron != b.neuron and a.end < b.begin for a, b in itertools.pairwise(found))
    return turns and all(burst.spikes >= MIN_SPIKES for burst in found)


def first_difference(expected: dict[str, np.ndarray], lava: dict[str, np.ndarray]) -> str | None:
    """Return in words where two traces differ first, or None if they are equal everywhere."""
    found = []
    for name, values in expected.items():
        if values.shape != lava[name].shape:
            return f"{name} has shape {values.shape} on the contract, {lava[name].shape} on Lava"
        differing = np.argwhere(values != lava[name])
        if len(differing):
            found.append((*map(int, differing[0]), name))
    if not found:
        return None
    t, neuron, name = min(found)
    values = f"{expected[name][t, neuron]} on the contract, {lava[name][t, neuron]} on Lava"
    return f"step {t}, {NAMES[neuron]} neuron: {name} = {values}"


def draw(trace: dict[str, np.ndarray], found: list[Burst], path: Path) -> None:
    """Write the figure: the raster, and each neuron's membrane and threshold, with its bursts shaded.

    Parameters
    ----------
    trace : dict of str to ndarray
        As `contract` returns it.
    found : list of Burst
        Bursts to shade.
    path : Path
        File to write; its suffix is the format.
    """
    from matplotlib.figure import Figure

    colours, grey = ("#0b6e99", "#c2571a"), "#444444"
    unit = NEURONS.v_th_mant << ACCUMULATOR_SHIFT
    steps = np.arange(len(trace["s"]))
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    raster, *below = figure.subplots(3, 1, sharex=True, height_ratios=(0.7, 1.5, 1.5))
    below[1].sharey(below[0])
    for neuron, (name, colour) in enumerate(zip(NAMES, colours, strict=True)):
        times = np.flatnonzero(trace["s"][:, neuron])
        raster.eventplot(times, lineoffsets=1 - neuron, linelengths=0.7, linewidths=1.2, colors=colour)
        axis = below[neuron]
        axis.plot(steps, trace["v"][:, neuron] / unit, color=colour, linewidth=0.9, label="membrane")
        axis.plot(steps, trace["theta"][:, neuron] / unit, color=grey, linewidth=1.2, label="threshold")
        axis.set_ylabel(f"{name} neuron\n(resting thresholds)")
        axis.legend(loc="lower right", ncols=2, fontsize=8, framealpha=0.9)
        for burst in found:
            if burst.neuron == neuron:
                axis.axvspan(burst.begin, burst.end, color=colour, alpha=0.12, linewidth=0)
                raster.axvspan(burst.begin, burst.end, color=colour, alpha=0.12, linewidth=0)
    raster.set(yticks=(1, 0), yticklabels=NAMES, ylim=(-0.6, 1.6))
    raster.set_title("Half-centre: two CE-LIF neurons inhibit each other and take turns", loc="left", fontsize=11)
    below[-1].set(xlabel="time step", xlim=(0, len(steps)))
    for axis in (raster, *below):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=96)


def main(output: Path) -> int:
    """Run both, compare them, print the verdict, write the figure and return the exit code."""
    expected, lava = contract(), on_lava()
    found = bursts(lava["s"])
    strictly = alternates(found)
    for neuron, name in enumerate(NAMES):
        own = [burst.spikes for burst in found if burst.neuron == neuron]
        print(f"{name + ' neuron:':<14} {len(own)} bursts of {', '.join(map(str, own))} spikes")
    print(f"{'alternation:':<14} {'strict' if strictly else 'NOT strict'}")
    difference = first_difference(expected, lava)
    spikes, entries = int(expected["s"].sum()), expected["s"].size
    values = sum(expected[name].size for name in REGISTERS)
    print(
        f"{'parity:':<14} EXACT, {entries} raster entries ({spikes} spikes) and {values} register values are equal on "
        "Lava and the contract"
        if difference is None
        else f"{'parity:':<14} NOT exact, {difference}"
    )
    draw(lava, found, output)
    print(f"{'figure:':<14} {output}")
    enough = all(sum(burst.neuron == neuron for burst in found) >= MIN_BURSTS for neuron in range(2))
    return 0 if difference is None and strictly and enough else 1


def parse() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("half_centre.png"), help="figure to write")
    # What the child process is told.
    parser.add_argument("--lava-into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.output.parent.is_dir():
        parser.error(f"there is no folder {options.output.parent} to write the figure into")
    return options


# Guarded, because Lava starts its processes from this program.
if __name__ == "__main__":
    options = parse()
    if options.lava_into is not None:
        run_lava(options.lava_into, options.steps)
        sys.exit(0)
    try:
        sys.exit(main(options.output))
    except SpikeproofError as error:
        sys.exit(f"half_centre: {error}")
