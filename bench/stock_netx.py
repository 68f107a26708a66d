"""The rate of stock NetX: a record's file as `lava.lib.dl.netx.hdf5.Network` runs it, in a child process.

Lava compiles its processes and starts them first, which takes seconds. So a run of a few steps goes before, and the
steps behind it are timed: what every further step of a long run takes, on the wall and of the processors. Lava runs a
dozen processes, which pass messages and wait for each other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from spikeproof.export import netx

_SCRIPT = """
import os, sys, time
from pathlib import Path
import numpy as np
from spikeproof.lava_procs import compat
compat.apply()
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

def spent():
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == os.getpgrp():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")

folder, lead = sys.argv[1], int(sys.argv[2])
x = np.load(folder + "/x.npy")
net = netx.hdf5.Network(net_config=folder + "/net.net")
depth = len(net)
source, sink = Source(data=x), Sink(shape=net.out.shape, buffer=x.shape[-1])
source.s_out.connect(net.inp)
net.out.connect(sink.a_in)
how = Loihi2SimCfg(select_tag="fixed_pt")
net.run(condition=RunSteps(num_steps=lead), run_cfg=how)
begin, busy = time.perf_counter(), spent()
net.run(condition=RunSteps(num_steps=x.shape[-1] - lead), run_cfg=how)
taken, busy = time.perf_counter() - begin, spent() - busy
spikes = sink.data.get()[..., depth:]
net.stop()
np.savez(folder + "/found.npz", spikes=spikes, taken=taken, busy=busy)
"""


def run(net, payload, lead=50, timeout=600):
    """Return seconds a step, of all processors and on the wall, and the last layer's spikes.

    The first `lead` steps are not timed. Spikes have the shape (neurons, steps - depth).

    `payload` has the shape (channels, steps).
    """
    with tempfile.TemporaryDirectory() as folder:
        netx.write(net, Path(folder) / "net.net")
        np.save(Path(folder) / "x.npy", payload)
        command = [sys.executable, "-c", _SCRIPT, folder, str(lead)]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            if child.wait(timeout):
                raise SystemExit("stock NetX failed")
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        found = np.load(Path(folder) / "found.npz")
        steps = payload.shape[-1] - lead
        return float(found["busy"]) / steps, float(found["taken"]) / steps, found["spikes"]
