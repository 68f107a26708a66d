"""A process that trains keeps the memory that it freed."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import numpy as np
from spikeproof.train.runs.loop import memory

if sys.argv[1] == "kept":
    memory.keep()
for step in range(6):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        np.ones(2**23)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_steps_do_not_ask_for_memory_again():
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", STEPS, how], text=True)) for how in ("kept", "given back")
    )
    assert kept * 50 < given_back
