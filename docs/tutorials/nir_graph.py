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
# # From NIR to Loihi's integers
#
# snnTorch, norse, SpikingJelly, sinabs and others write networks as [NIR](../glossary.md#nir) graphs: nodes with real numbers, joined by edges.
# spikeproof quantises such a graph to the integers of the chip, tells what that does, and runs and proves the result. Here a graph is
# built by hand with the package `nir`, so that nothing else need be installed. Yours comes from `snntorch.export_to_nir` or its like.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import nir
import numpy as np

import spikeproof

random = np.random.default_rng(0)
place = tempfile.TemporaryDirectory()
folder = Path(place.name)


def lif(neurons, tau):
    """Return LIF neurons whose input counts in full: r = tau / dt, with a time step of 0.1 ms."""
    ones = np.ones(neurons)
    return nir.LIF(tau=tau * ones, r=tau / 1e-4 * ones, v_leak=0 * ones, v_reset=0 * ones, v_threshold=ones)


graph = nir.NIRGraph(
    nodes={
        "input": nir.Input(input_type={"input": np.array([8])}),
        "first": nir.Linear(weight=random.normal(0.1, 0.3, (16, 8))),
        "hidden": lif(16, 2e-3),
        "second": nir.Linear(weight=random.normal(0.05, 0.3, (4, 16))),
        "answer": lif(4, 4e-3),
        "output": nir.Output(output_type={"output": np.array([4])}),
    },
    edges=[("input", "first"), ("first", "hidden"), ("hidden", "second"), ("second", "answer"), ("answer", "output")],
)
theirs = folder / "theirs.nir"
nir.write(theirs, graph)

# %% [markdown]
# ## Look at it
#
# NIR has no [time step](../glossary.md#time-step): time constants are in seconds. snnTorch and SpikingJelly mean 0.1 ms, which is also what
# is taken if nobody says otherwise; `--dt` says otherwise. What was taken is always told, and so are the bits that are left
# of weights and thresholds, and how far decays move.


# %%
def command(*arguments):
    """Run spikeproof as in a shell, and print what it says and its exit code."""
    done = subprocess.run([sys.executable, "-m", "spikeproof", *map(str, arguments)], capture_output=True, text=True)
    print(done.stdout + done.stderr + f"exit code {done.returncode}")


command("inspect", theirs, "--dt", "1e-4", "--steps", 60)

# %% [markdown]
# ## Prove it
#
# There are two gaps, which are counted separately. *Float to fixed* compares the graph's own equations in float64, by the forward Euler
# method, with our integers: what quantisation costs. *Fixed to Lava* must be zero.

# %%
x = (random.random((4, 8, 60)) < 0.3).astype(np.float32)  # samples, channels, steps
verdict = spikeproof.verify(theirs, x, dt=1e-4)
print(verdict)
assert verdict.exact

# %% [markdown]
# ## Write it for the chip's tools
#
# The [record](../glossary.md#record) is what all formats hold. Written as [NetX](../glossary.md#netx), it is a file that lava-dl's own
# loader reads, if no layer needs more than that; `stock=True` insists on it.

# %%
net = spikeproof.load(theirs, dt=1e-4, steps=60)
spikeproof.write(net, folder / "ours.net", stock=True)
assert spikeproof.load(folder / "ours.net") == net
print(net)

# %% [markdown]
# And back: a NIR file of ours has the standard nodes that other tools read, and the integers in its metadata, so it gives back the
# identical record.

# %%
spikeproof.write(net, folder / "ours.nir")
assert spikeproof.load(folder / "ours.nir") == net

# %% [markdown]
# ## What is refused
#
# What cannot be run exactly is refused by the name of its node, with the reason and what to do. A time constant shorter than a
# step is one such thing:

# %%
graph.nodes["hidden"] = lif(16, 5e-5)
nir.write(folder / "fast.nir", graph)
command("inspect", folder / "fast.nir", "--steps", 60)

# %% [markdown]
# Which is often a sign that the time step is another one. [NIR](../nir.md) lists what becomes of every node and of 38 graphs of other
# tools, and the habits of each tool that you should know, such as resets by subtraction, which NIR cannot say.

# %%
place.cleanup()
