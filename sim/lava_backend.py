"""The Lava backend: a network on Lava's fixed-point models, in a child process with a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from ..contract.errors import BackendError, MissingDependencyError
from ..contract.net import Net
from ..export import netx
from .trace import VARIABLES, Trace

_GRACE_SECONDS = 5.0


def default_deadline(steps: int) -> float:
    """Return a generous deadline in seconds for a run of `steps` Lava steps (a step takes some milliseconds)."""
    return 120.0 + 0.1 * steps


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
        Seconds after which the run is given up. Default: see `default_deadline`.
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
        Lava failed, with its own message, or the deadline passed. No process is left behind.
    MissingDependencyError
        Lava is not installed.
    """
    from ..lava_procs import compat

    missing = compat.available().missing
    if missing or compat.available().lava_nc is None:
        raise MissingDependencyError(f"Lava is not installed. Install it with: {compat.INSTALL_LAVA}")
    samples, channels, steps = payload.shape
    total = samples * steps + net.latency(len(net.layers) - 1)
    with tempfile.TemporaryDirectory(prefix="spikeproof-") as name:
        folder = Path(name)
        (folder / "trace").mkdir()
        netx.write(net, folder / "net.net")
        np.save(folder / "payload.npy", payload.transpose(1, 0, 2).reshape(channels, samples * steps))
        _supervise(
            [sys.executable, "-m", f"{__package__}.lava_worker", str(folder), te_source],
            log=folder / "log",
            deadline=default_deadline(total) if deadline is None else deadline,
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
    command: list[str], *, log: Path, deadline: float, progress: Callable[[int], None] | None = None
) -> None:
    """Run a worker that reports as `lava_worker` does, and end its process group whatever happens."""
    started = time.monotonic()
    with open(log, "wb") as stderr:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
        )
    try:
        reports = _lines(child)
        while True:
            try:
                line = reports.get(timeout=max(0.0, started + deadline - time.monotonic()))
            except queue.Empty:
                raise BackendError(
                    f"Lava did not finish within {deadline:g} s and was ended. Allow more with --deadline, or run "
                    f"fewer samples.{_tail(log)}"
                ) from None
            if line is None:
                raise BackendError(f"Lava's process ended without a result.{_tail(log)}")
            report = _parse(line)
            if "error" in report:
                raise BackendError(f"Lava failed: {_last_line(report['error'])}\n{_indent(report['error'])}")
            if "done" in report:
                return
            if progress is not None and "steps" in report:
                progress(report["steps"])
    finally:
        _end(child)


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
        while time.monotonic() < end:
            os.killpg(child.pid, 0)
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


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
