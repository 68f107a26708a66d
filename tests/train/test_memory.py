"""A process that trains keeps the memory that it freed, and kernels use their arrays again when nobody has them."""

import subprocess
import sys

import pytest
import torch

from spikeproof.train.blocks import celif

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


def test_spikes_of_kernels_stay_what_they_are():
    """Every tensor that a block returned or keeps for its way back is its own, whatever runs in the meantime."""
    blocks = [
        kind({"threshold": 0.1}, 9, 40, temporal_encoding=celif.TemporalEncoding(40, 900))
        for kind in (celif.Dense, celif.Recurrent)
    ]
    for block in blocks:
        x = (torch.rand(4, 9, 900) < 0.5).float().requires_grad_()
        kept = block(x)
        copy = kept.detach().clone()
        block(torch.rand_like(x).round()).sum().backward()
        for _ in range(3):
            block(1 - x.detach()).sum().backward()
        block.zero_grad()
        x.grad = None
        weight = torch.rand_like(copy)
        (kept * weight).sum().backward()
        found = [x.grad.clone()] + [p.grad.clone() for p in block.parameters()]
        block.zero_grad()
        x.grad = None
        (block(x) * weight).sum().backward()
        assert torch.equal(kept, copy) and copy.any()
        assert all(map(torch.equal, found, [x.grad, *(p.grad for p in block.parameters())]))
