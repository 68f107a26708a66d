"""The child process that runs Lava: ``python -m spikeproof.sim.lava.worker FOLDER TE_SOURCE``.

Reads ``net.net`` and ``payload.npy`` in the folder and leaves the recorded traces in ``trace/``. Reports to stdout, one
JSON object a line: ``{"steps": n}`` as it goes, then ``{"done": true}`` or ``{"error": "..."}``.

Lava waits for ever when one of its processes raises, and leaves processes behind when it is ended in the middle. So a
watcher looks at Lava's processes while the main thread waits in Lava; on an error, and when the parent closes this
process's stdin (because its deadline passed, or because it died), it ends this whole process group.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...export import netx

_WATCH_SECONDS = 0.2
_LAST_WORDS_SECONDS = 5.0
"""How long a process that raised may take to say so after it made the others end."""


def main(folder: Path, te_source: str) -> None:
    """Run the job in `folder`; never returns normally, the process group ends here."""
    if os.getpgrp() != os.getpid():
        raise SystemExit("lava_worker ends its process group, so it must lead one; use spikeproof simulate.")
    running: list[Any] = []
    threading.Thread(target=_watch, args=(running,), daemon=True).start()
    try:
        try:
            _run(folder, te_source, running)
        except BaseException:
            words = traceback.format_exc()
            time.sleep(_WATCH_SECONDS)  # what Lava stumbled over may be about to die
            _report(**(_fault(running) or {"error": words}))
    finally:
        _end()


def _run(folder: Path, te_source: str, running: list[Any]) -> None:
    from ...lava_procs import network

    net = netx.load(folder / "net.net")
    payload = np.load(folder / "payload.npy", allow_pickle=False)
    built = network.build(net, payload, record_to=folder / "trace", te_source=te_source)  # type: ignore[arg-type]
    left = network.total_lava_steps(net, payload.shape[1])
    done = 0
    while left:
        chunk = min(net.steps, left)
        for part in built.parts:
            running[:] = [part]
            network.run(part, chunk)
        left -= chunk
        done += chunk
        _report(steps=done)
    running.clear()  # from here on, Lava's processes may end
    _report(done=True)
    with contextlib.suppress(Exception):  # it fails now and then, on pipes that are closed already
        built.stop()


def _watch(running: list[Any]) -> None:
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], _WATCH_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            _end()
        fault = _fault(running)
        if fault and running:
            _report(**fault)
            _end()


def _fault(running: list[Any]) -> dict[str, Any] | None:
    """Return the report of a process of Lava's that has failed or died, if there is one."""
    running = running[:]  # the main thread empties it at the end
    dead = next(_dead(running), None)  # looked for first: a process that raises says why, and ends, which is no death
    error = _lava_error(running)
    if dead and not dead["code"]:
        # It was told to end, because another has raised, which may not have said so yet.
        end = time.monotonic() + _LAST_WORDS_SECONDS
        while not error and time.monotonic() < end:
            time.sleep(_WATCH_SECONDS / 10)
            error = _lava_error(running)
    return error or dead


def _part(running: list[Any], *names: str) -> Any:
    """Return an attribute of an attribute of Lava's runtime; None where Lava has not made it yet."""
    start = running[0] if running else None
    return functools.reduce(lambda whole, name: getattr(whole, name, None), ("_runtime", *names), start)


def _actors(running: list[Any]) -> list[Any]:
    return list(_part(running, "_messaging_infrastructure", "actors") or [])


def _lava_error(running: list[Any]) -> dict[str, Any] | None:
    for actor in _actors(running):
        try:
            failure = actor.exception
        except (OSError, EOFError, ValueError):  # joined and closed meanwhile
            continue
        if failure:
            return {"error": str(failure[1])}
    return None


def _dead(running: list[Any]) -> Iterator[dict[str, Any]]:
    """Give the report of each of Lava's processes that has ended while the network runs."""
    actors = _actors(running)
    # Lava starts one process a builder, in this order, and then its runtime's own.
    processes = list(_part(running, "_executable", "proc_builders") or [])
    names = [f"process {process.name} ({type(process).__name__})" for process in processes]
    names += ["runtime service"] * (len(actors) - len(names))
    manager = _part(running, "_messaging_infrastructure", "smm", "_manager", "_process")
    for name, process in [*zip(names, actors, strict=False), ("manager of shared memory", manager)]:
        try:
            code = process and process.exitcode
        except ValueError:  # joined and closed meanwhile
            continue
        if code is not None:
            yield {"died": name, "code": code}


def _report(**message: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone, and the watcher sees to it
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _end() -> None:
    # Python's tracker of shared memory ignores SIGTERM: it outlives the others, frees what they left, and ends too.
    os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
