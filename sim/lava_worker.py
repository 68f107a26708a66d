"""The child process that runs Lava: ``python -m spikeproof.sim.lava_worker FOLDER TE_SOURCE``.

Reads ``net.net`` and ``payload.npy`` in the folder and leaves the recorded traces in ``trace/``. Reports to stdout, one
JSON object a line: ``{"steps": n}`` as it goes, then ``{"done": true}`` or ``{"error": "..."}``.

Lava waits for ever when one of its processes raises, and leaves processes behind when it is ended in the middle. So a
watcher looks at Lava's processes while the main thread waits in Lava; on an error, and when the parent closes this
process's stdin (because its deadline passed, or because it died), it ends this whole process group.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from ..export import netx

_WATCH_SECONDS = 0.2


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
            _report(error=_lava_error(running) or traceback.format_exc())
        else:
            _report(done=True)
    finally:
        _end()


def _run(folder: Path, te_source: str, running: list[Any]) -> None:
    from ..lava_procs import network

    net = netx.load(folder / "net.net")
    payload = np.load(folder / "payload.npy", allow_pickle=False)
    built = network.build(net, payload, record_to=folder / "trace", te_source=te_source)  # type: ignore[arg-type]
    running.append(built.source)
    left = network.total_lava_steps(net, payload.shape[1])
    done = 0
    while left:
        chunk = min(net.steps, left)
        built.run(chunk)
        left -= chunk
        done += chunk
        _report(steps=done)
    built.stop()
    running.clear()


def _watch(running: list[Any]) -> None:
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], _WATCH_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            _end()
        error = _lava_error(running)
        if error:
            _report(error=error)
            _end()


def _infrastructure(running: list[Any]) -> Any:
    runtime = getattr(running[0], "_runtime", None) if running else None
    return getattr(runtime, "_messaging_infrastructure", None)


def _lava_error(running: list[Any]) -> str | None:
    for actor in getattr(_infrastructure(running), "actors", []):
        try:
            failure = actor.exception
        except (OSError, EOFError, ValueError):  # joined and closed meanwhile
            continue
        if failure:
            return str(failure[1])
    return None


def _report(**message: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone, and the watcher sees to it
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _end() -> None:
    # Python's tracker of shared memory ignores SIGTERM: it outlives the others, frees what they left, and ends too.
    os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
