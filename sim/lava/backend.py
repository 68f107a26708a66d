"""The Lava backend: a network on Lava's fixed-point models, in a child process that is watched.

A run is given up when Lava has made no step for a long time, or has said so itself, or when one of its processes has
died; a loaded machine makes it slow and ends nothing. A deadline that is asked for holds for the whole run.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from ...contract.errors import BackendError, MissingDependencyError
from ...contract.net import Net
from ...export import netx
from ...export.files import scratch
from ..trace import VARIABLES, Trace

_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.5


def default_patience(steps: int) -> float:
    """Return how many seconds may pass between two reports of Lava, `steps` steps apart; a step takes milliseconds."""
    return 300.0 + 0.5 * steps


def run(
    net: Net,
    payload: npt.NDArray[np.int32],
    *,
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    te_source: Literal["table", "ring"] = "table",
) -> Trace:
    """Stream a batch of samples, back to back, through one Lava run.

    Parameters
    ----------
    net : Net
        The network.
    payload : ndarray of int32, shape (samples, channels, steps)
        Input payloads; steps is the network's sample period.
    deadline : float, optional
        Seconds after which the run is given up, whatever it has reached. Default: none; then it is given up when
        Lava makes no step for as long as `default_patience` says.
    progress : callable, optional
        Called with (steps done, steps in all).
    te_source : {"table", "ring"}
        Where CE-LIF neurons find a table, see `spikeproof.lava_procs.network.build`.

    Returns
    -------
    Trace
        Every variable of every layer, latencies taken out.

    Raises
    ------
    BackendError
        Lava failed, with its own message, one of its processes died, or the deadline passed. No process is left
        behind.
    MissingDependencyError
        Lava is not installed.
    """
    from ...lava_procs import compat

    missing = compat.available().missing
    if missing or compat.available().lava_nc is None:
        raise MissingDependencyError(f"Lava is not installed. Install it with: {compat.INSTALL_LAVA}")
    samples, channels, steps = payload.shape
    total = samples * steps + max(net.latencies)
    with scratch() as folder:
        (folder / "trace").mkdir()
        netx.write(net, folder / "net.net")
        np.save(folder / "payload.npy", payload.transpose(1, 0, 2).reshape(channels, samples * steps))
        _supervise(
            [sys.executable, "-m", f"{__package__}.worker", str(folder), te_source],
            log=folder / "log",
            deadline=deadline,
            patience=default_patience(net.steps),
            progress=None if progress is None else lambda done: progress(done, total),
        )
        return _read_trace(net, folder / "trace", samples, steps)


def _read_trace(net: Net, folder: Path, samples: int, steps: int) -> Trace:
    layers = {}
    for i, layer in enumerate(net.layers):
        begin = net.latency(i)
        variables = {}
        for name in VARIABLES[type(layer.neuron)]:
            recorded = np.load(folder / layer.name / f"{name}.npy", allow_pickle=False)
            local = recorded[begin : begin + samples * steps]
            variables[name] = np.ascontiguousarray(local.reshape(samples, steps, -1).transpose(0, 2, 1))
        layers[layer.name] = variables
    return Trace(backend="lava", layers=layers)


def _supervise(
    command: list[str],
    *,
    log: Path,
    deadline: float | None,
    patience: float,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run a worker that reports as `worker` does, and end its process group whatever happens."""
    started = moved = time.monotonic()
    done = 0
    with open(log, "wb") as stderr:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
        )
    try:
        reports = _lines(child)
        while True:
            end = moved + patience if deadline is None else started + deadline
            line = _next(reports, child, end - time.monotonic())
            if line is None:
                raise BackendError(f"{_fate('main process', _code(child))}{_tail(log)}")
            report = _parse(line)
            if "error" in report:
                raise BackendError(f"Lava failed: {_last_line(report['error'])}\n{_indent(report['error'])}")
            if "died" in report:
                raise BackendError(f"{_fate(report['died'], report['code'])}{_tail(log)}")
            if "done" in report:
                _code(child)  # the result is whole: how Lava stops after it takes nothing from it
                return
            if report.get("steps", 0) > done:
                done, moved = report["steps"], time.monotonic()
                if progress is not None:
                    progress(done)
            elif time.monotonic() >= end:
                raise BackendError(f"{_late(deadline, patience, done)}{_tail(log)}")
    finally:
        _end(child)


def _next(reports: queue.Queue[str | None], child: subprocess.Popen[str], seconds: float) -> str | None:
    """Return the child's next line, "" if it is silent for a while, and None if it has ended."""
    with contextlib.suppress(queue.Empty):
        return reports.get(timeout=min(max(0.0, seconds), _LOOK_SECONDS))
    if child.poll() is None:
        return ""
    with contextlib.suppress(queue.Empty):  # what it has said last, maybe; its own children keep its stdout open
        return reports.get(timeout=_LOOK_SECONDS)
    return None


def _code(child: subprocess.Popen[str]) -> int | None:
    """Return a child's exit code, which it is given a while for."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(_GRACE_SECONDS)
    return None


def _late(deadline: float | None, patience: float, done: int) -> str:
    if deadline is not None:
        words = f"Lava did not finish within {deadline:g} s and was ended."
        return f"{words} Allow more with --deadline, or run fewer samples."
    return (
        f"Lava has made no step for {patience:g} s, after {done:,} steps, and was ended. A machine that is very busy "
        "or short of memory can make it that slow: run it again when there is less to do, or run fewer samples. For a "
        "limit on the whole run in place of this one, set --deadline."
    )


_HINTS = {
    "SIGKILL": "The likely cause is that the machine is out of memory, where the system ends processes so. To fix it, "
    "free some memory, or run fewer samples or a smaller network.",
    "SIGBUS": "The likely cause is that /dev/shm is full, through which Lava's processes talk. To fix it, remove what "
    "others left there, or give a container more (docker run --shm-size).",
    "SIGTERM": "Somebody, or a batch system, has ended it. Run it again.",
}
"""Name of a signal -> why Lava's processes are mostly ended by it, and what to do then."""
_CRASHED = (
    "A compiled library that it uses has crashed. Run it again; if that does not fix it, install numpy and lava-nc "
    "anew, and see spikeproof doctor."
)


def _fate(who: str, code: int | None) -> str:
    """Return what is said of a process of Lava's that has ended before its time; a code below 0 is a signal's."""
    if code is None or code >= 0:
        how = "" if code is None else f", with exit code {code}"
        return f"Lava's {who} ended without a result{how}. Run it again; spikeproof doctor says whether Lava works."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"Lava's {who} was ended by {name} in the middle of the run. {_HINTS.get(name, _CRASHED)}"


def _lines(child: subprocess.Popen[str]) -> queue.Queue[str | None]:
    """Read the child's stdout in a thread, so that waiting for a line can time out; None marks its end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read(stream: IO[str]) -> None:
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    assert child.stdout is not None
    threading.Thread(target=read, args=(child.stdout,), daemon=True).start()
    return lines


def _end(child: subprocess.Popen[str]) -> None:
    """Let the worker end its group, by closing its stdin, and end by force what is left of it after a while."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        end = time.monotonic() + _GRACE_SECONDS
        while _runs(child.pid):
            if time.monotonic() >= end:
                os.killpg(child.pid, signal.SIGKILL)
                break
            time.sleep(0.02)
    child.wait()


def _runs(group: int) -> bool:
    """Whether a process of a group still runs.

    One that has ended belongs to its group until somebody waits for it. Its parent is gone, and the first process of a
    machine or a container may take a second for that, or never do it.
    """
    for found in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            state, _, of = found.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(of) == group and state not in "ZX":
                return True
    return False


def _parse(line: str) -> dict[str, Any]:
    try:
        report = json.loads(line)
    except ValueError:
        return {}  # Lava prints to stdout now and then
    return report if isinstance(report, dict) else {}


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "unknown error"


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.strip().splitlines())


def _tail(log: Path, size: int = 4000) -> str:
    text = log.read_text(errors="replace")[-size:].strip()
    return f" Its last words:\n{_indent(text)}" if text else ""
