"""Lava runs of thousands of samples, spread over the cores of this machine or over a cluster by Dask.

Samples go in small batches to workers, each of which runs them on two backends and compares the traces where they
are; only the verdict travels back. A batch whose worker was lost runs again on another one. Results are kept in a log
(`spikeproof.sim.sweep.log`), so a run that was killed goes on where it was, and what it gives does not depend on who
ran what and when.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ... import __version__
from ...contract.errors import BackendError, InputError, MissingDependencyError, SpikeproofError
from ...contract.net import Net
from ...export.files import scratch
from ..compare import Comparison, merge
from ..diagnose.diagnose import Diagnosis
from ..simulate import Backend
from . import job as sweep_job
from .log import SweepLog

_ATTEMPTS = 3
"""So often a batch is tried that fails or whose workers are lost; Dask itself passes a lost worker's batch on first."""
_CONNECT_SECONDS = 30


class SweepResult(NamedTuple):
    """What a sweep found."""

    comparison: Comparison
    output: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    """What each of the two backends answered, shape (samples, outputs)."""
    diagnosis: Diagnosis | None
    resumed: int
    """How many of the samples the log held already."""
    log: Path


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How to spread samples.

    Parameters
    ----------
    workers : int, optional
        Processes on this machine. Not with `scheduler`.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:8786``. Its workers need this package installed. Dask trusts whoever
        reaches it, so use one in a network that you trust.
    results : path-like
        The log; or a folder, in which the log is called after what was asked, so that another network or input gets
        another log.
    batch : int
        Samples that a worker runs at once, in one Lava run.

    Raises
    ------
    InputError
        A value is out of range, or neither or both of `workers` and `scheduler` are given.
    """

    workers: int | None = None
    scheduler: str | None = None
    results: str | os.PathLike[str] = "."
    batch: int = 8

    def __post_init__(self) -> None:
        if (self.workers is None) == (self.scheduler is None):
            raise InputError("A sweep needs either a number of workers (-j) or the address of a --scheduler.")
        for name in ("workers", "batch"):
            number = getattr(self, name)
            if number is not None and not (isinstance(number, int | np.integer) and number >= 1):
                raise InputError(f"{name} = {number!r}; it must be a whole number from 1.")

    def run(
        self,
        net: Net,
        x: npt.NDArray[Any],
        samples: npt.NDArray[np.int64],
        pair: tuple[Backend, Backend] = ("engine", "lava"),
        *,
        deadline: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> SweepResult:
        """Compare two backends on samples.

        Parameters
        ----------
        net : Net
            The network.
        x : ndarray, shape (all samples, channels, steps)
            Input in SLAYER's units.
        samples : ndarray of int64
            Which of them to run.
        pair : (str, str)
            The backends.
        deadline : float, optional
            Seconds that a batch may take on Lava.
        progress : callable, optional
            Called with (samples done, samples in all).

        Returns
        -------
        SweepResult

        Raises
        ------
        InputError
            The log is not of this sweep.
        BackendError
            A batch failed over and over, or no scheduler answers. What was found until then is in the log.
        MissingDependencyError
            Dask is not installed here, or Lava is not on a worker.
        """
        net_file = sweep_job.as_bytes(net)
        asked = {
            "net": hashlib.sha256(net_file).hexdigest(),
            "input": hashlib.sha256(np.ascontiguousarray(x[samples]).tobytes()).hexdigest(),
            "samples": samples.tolist(),
            "batch": self.batch,
            "backends": list(pair),
            "version": __version__,
        }
        parts = [samples[i : i + self.batch] for i in range(0, len(samples), self.batch)]
        with SweepLog(self._log(asked), asked) as log:
            found = {tuple(row["samples"]): row for row in log.found}
            resumed = sum(map(len, found))
            done = resumed
            left = [part for part in parts if tuple(part.tolist()) not in found]
            if progress is not None:
                progress(done, len(samples))
            for row in self._rows(net_file, x, left, pair, deadline):
                log.append(row)
                found[tuple(row["samples"])] = row
                done += len(row["samples"])
                if progress is not None:
                    progress(done, len(samples))
        return _joined(net, [found[tuple(part.tolist())] for part in parts], parts, resumed, log.path)

    def _log(self, asked: dict[str, Any]) -> Path:
        path = Path(self.results)
        return (
            path if not path.is_dir() else path / f"sweep-{hashlib.sha256(repr(asked).encode()).hexdigest()[:12]}.jsonl"
        )

    def _rows(
        self,
        net_file: bytes,
        x: npt.NDArray[Any],
        parts: list[npt.NDArray[np.int64]],
        pair: tuple[Backend, Backend],
        deadline: float | None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the result of each part as it comes."""
        if not parts:
            return
        with self._client() as (distributed, client):
            this = f"spikeproof-{uuid.uuid4().hex[:12]}"  # others may use the scheduler too
            shared = client.submit(bytes, net_file, key=f"{this}-net")
            waiting = list(reversed(parts))
            attempts: dict[tuple[int, ...], int] = {}
            running: dict[Any, npt.NDArray[np.int64]] = {}
            completed = distributed.as_completed()

            def submit() -> None:
                part = waiting.pop()
                name = tuple(part.tolist())
                attempts[name] = attempts.get(name, 0) + 1
                key = f"{this}-{name[0]}-{name[-1]}-{attempts[name]}"
                future = client.submit(
                    sweep_job.check, shared, x[part], part.tolist(), pair, deadline, key=key, pure=False
                )
                running[future] = part
                completed.add(future)

            # Not all at once: inputs may be large, and the scheduler would hold them.
            for _ in range(min(len(waiting), _wanted(client))):
                submit()
            while running:
                future = next(completed)
                part = running.pop(future)
                if future.status == "finished":
                    row = future.result()
                    _check_version(row)
                    yield row
                else:
                    _check_failure(future, part, attempts[tuple(part.tolist())])
                    waiting.append(part)
                future.release()
                for _ in range(min(len(waiting), max(1, _wanted(client) - len(running)))):
                    submit()

    @contextmanager
    def _client(self) -> Iterator[tuple[Any, Any]]:
        try:
            import distributed
        except ImportError as error:
            raise MissingDependencyError(
                f"A sweep needs Dask ({error}). Install it with: pip install 'distributed>=2024.5'"
            ) from error

        dask: Any = distributed  # untyped
        with ExitStack() as stack:
            target: Any = self.scheduler
            if self.scheduler is None:
                stack.enter_context(_silent_logs())
                stack.enter_context(scratch())  # tells the next run whose semaphores are abandoned, if this is killed
                with _deaf_children():
                    target = stack.enter_context(
                        dask.LocalCluster(
                            n_workers=self.workers,
                            threads_per_worker=1,
                            processes=True,
                            host="127.0.0.1",
                            dashboard_address="127.0.0.1:0",  # any free port: two sweeps may run at once
                            silence_logs=logging.CRITICAL,
                        )
                    )
            try:
                client = stack.enter_context(dask.Client(target, timeout=_CONNECT_SECONDS))
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except (OSError, ValueError, TimeoutError) as error:
                raise BackendError(
                    f"No Dask scheduler with workers answers at {self.scheduler or 'this machine'} ({error}). Start "
                    "one with: dask scheduler, and workers with: dask worker ADDRESS"
                ) from None
            yield dask, client


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that start in a ``with`` block not hear Ctrl-C, which a terminal sends to all: we end them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Keep what Dask says of workers that are ended early from a user's sight."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application", "asyncio")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _wanted(client: Any) -> int:
    """Return how many batches to keep under way: two for each thread of the cluster, which may grow."""
    return 2 * max(1, int(sum(client.nthreads().values())))


def _check_version(row: dict[str, Any]) -> None:
    if row["version"] != __version__:
        raise BackendError(
            f"The worker on {row['host']} has spikeproof {row['version']}, this side {__version__}. Install the same "
            "on both."
        )


def _check_failure(future: Any, part: npt.NDArray[np.int64], attempts: int) -> None:
    """Raise what ended a batch, unless it may run again: its worker was lost, or its run failed not too often."""
    error = future.exception() if future.status == "error" else None
    if isinstance(error, SpikeproofError) and not isinstance(error, BackendError):
        raise error
    if attempts >= _ATTEMPTS:
        why = str(error or "their workers were lost").rstrip(".")
        raise BackendError(
            f"Samples {part[0]}..{part[-1]} failed {attempts} times: {why}. Results so far are kept: the same command "
            "goes on from there."
        )


def _joined(
    net: Net, rows: list[dict[str, Any]], parts: list[npt.NDArray[np.int64]], resumed: int, log: Path
) -> SweepResult:
    comparison = merge([Comparison.from_dict(row["comparison"]) for row in rows], parts, net.groups)
    outputs = [np.concatenate([np.asarray(row["output"][side], np.int64) for row in rows]) for side in (0, 1)]
    first = comparison.first
    whys = [Diagnosis.from_dict(row["diagnosis"]) for row in rows if row["diagnosis"] is not None]
    why = next((why for why in whys if first and (why.layer, why.sample) == (first.layer, first.sample)), None)
    return SweepResult(comparison, (outputs[0], outputs[1]), why, resumed, log)
