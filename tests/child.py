"""Runs a script that uses Lava in a child process: Lava can hang, and leaves processes behind when it does."""

import contextlib
import json
import os
import signal
import subprocess
import sys


def answer(script, *arguments, timeout=120, cwd=None):
    """Run a script; give what it printed last, read as JSON."""
    return json.loads(output(script, *arguments, timeout=timeout, cwd=cwd).strip().splitlines()[-1])


def output(script, *arguments, timeout=120, cwd=None):
    """Run a script in its own process group, given as text or as the path of a file; give what it printed."""
    how = [script] if isinstance(script, os.PathLike) else ["-c", script]
    child = subprocess.Popen(
        [sys.executable, *how, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=cwd,
    )
    try:
        out, err = child.communicate(timeout=timeout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 0, err
    return out
