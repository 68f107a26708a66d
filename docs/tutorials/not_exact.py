# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # When it is not exact
#
# A proof that always says yes would be worth nothing. Here things go wrong on purpose, one after the other, so that you know what it
# looks like, and how to read it.

# %%
import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import spikeproof  # before Lava
import torch
from lava.lib.dl import slayer

torch.manual_seed(1)
params = {"threshold": 0.5, "current_decay": 0.3, "voltage_decay": 0.1}
net = torch.nn.Sequential(
    slayer.block.cuba.Dense(dict(params), 6, 12, weight_scale=4),
    slayer.block.cuba.Dense(dict(params), 12, 4, weight_scale=4),
)
x = (torch.rand(3, 6, 30) < 0.3).float()
print(spikeproof.verify(net, x, backends=("engine",)))

# %% [markdown]
# ## The file is not the network
#
# Somebody trains on and forgets to export again, or a tool "optimises" the file. `verify(module, x, file=...)` compares them. Here
# one weight of the file is changed.

# %%
record = spikeproof.record(net, sample=x)
weight = record.layers[0].synapse.weight.copy()
weight[3, 2] += 8
changed = dataclasses.replace(
    record,
    layers=(
        dataclasses.replace(record.layers[0], synapse=spikeproof.records.Dense(weight=weight)),
        *record.layers[1:],
    ),
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "changed.net"
    spikeproof.write(changed, path)
    verdict = spikeproof.verify(net, x, file=path, backends=("engine",))
print(verdict)
assert not verdict.exact

# %% [markdown]
# The second line says what differs: which layer, which synapse, and both values. The file was simulated, so below that stand the first
# spike or [register](../glossary.md#register) in which this shows, the registers of both sides around that step, and the cause.
# `verdict.plot()` draws the spikes: those of both sides, and those that only one has.

# %%
verdict.plot()

# %% [markdown]
# ## A simulator that does something else
#
# Now the file is right and what runs it is not: its membranes lose a little less in every step. All we have is the
# recording that it made. `spikeproof verify --against` compares a recording with the network, and if everything was
# recorded, it looks for the cause: it runs the layer again with each known fault, and names a fault only if that gives every register
# of the recording.


# %%
def command(*arguments):
    """Run spikeproof as in a shell, and print what it says and its exit code."""
    done = subprocess.run([sys.executable, "-m", "spikeproof", *map(str, arguments)], capture_output=True, text=True)
    print(done.stdout + done.stderr + f"exit code {done.returncode}")


slower = dataclasses.replace(
    record,
    layers=(
        dataclasses.replace(
            record.layers[0],
            neuron=dataclasses.replace(record.layers[0].neuron, v_decay=record.layers[0].neuron.v_decay - 5),
        ),
        *record.layers[1:],
    ),
)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder)
    spikeproof.write(record, path / "right.net")
    np.save(path / "x.npy", x.numpy())
    trace = spikeproof.simulate(slower, x, backend="engine")
    np.savez(
        path / "recorded.npz",
        **{f"{layer}/{name}": values for layer, of in trace.layers.items() for name, values in of.items()},
    )
    command("verify", path / "right.net", "-i", path / "x.npy", "--against", path / "recorded.npz")

# %% [markdown]
# ## What cannot be exact is refused
#
# Between two blocks only spikes may travel, since that is all that a chip sends. A factor of 0.3 between them would need weights that
# are no 8-bit integers. Nothing is written; the message says what, where and what to do.


# %%
class Scaled(torch.nn.Module):
    """A factor between two blocks."""

    def __init__(self):
        super().__init__()
        self.first, self.second = net[0], net[1]

    def forward(self, x):
        return self.second(0.3 * self.first(x))


try:
    spikeproof.verify(Scaled(), x)
except spikeproof.errors.UnsupportedError as error:
    print(error)

# %% [markdown]
# ## Registers that are full
#
# A chip's registers have 24 bits. Torch's have no such end. A current that does not decay, and large weights, take it there:


# %%
def full():
    torch.manual_seed(0)
    slow = {"threshold": 10.0, "current_decay": 0.0, "voltage_decay": 0.1}
    block = slayer.block.cuba.Dense(slow, 40, 4)
    torch.nn.init.constant_(block.synapse.weight, 3.9)
    return torch.nn.Sequential(block)


many = torch.ones(2, 40, 30)
verdict = spikeproof.verify(full(), many)
print(verdict)
assert not verdict.exact

# %% [markdown]
# The verdict names the register and the step. `spikeproof.saturate` lets torch's registers wrap and clip like the chip's, in training
# too, and then both are the same:

# %%
module = full()
spikeproof.saturate(module)
assert spikeproof.verify(module, many).exact

# %% [markdown]
# ## Nothing fired
#
# A comparison in which nothing fires proves nothing, however equal all zeros are.

# %%
print(spikeproof.verify(net, torch.zeros(2, 6, 30), backends=("engine",)))

# %% [markdown]
# ## How to read a verdict, in short
#
# 1. The first line: EXACT, or NOT EXACT.
# 2. "the file is not the trained network": export again.
# 3. "module(x) is NOT the same", and no line with DIFFER: the blocks agree, and what is around them does not. Look at what runs on
#    the host. If there is a DIFFER line too, begin with point 4.
# 4. "DIFFER, first in layer ...": all layers before this one are equal, so begin there. The line "cause" names a fault that explains
#    everything; if it says unknown, no known one does, and none is guessed.
# 5. "OUT OF RANGE": saturate, or train with smaller weights; [For every input](../proof.md) says how far registers can go at all.
#
# The exit code of the command is 0 for EXACT and 1 for anything that differs, so a script can ask it. [Verifying](../verify.md) has
# the table of all causes that are looked for.
