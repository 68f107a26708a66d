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
# # CPG codes and learned encodings
#
# A layer of neurons does not know which [time step](../glossary.md#time-step) it is. If the order of a sequence matters, something
# must tell. A [CPG](../glossary.md#cpg) does: a few oscillators that spike at different frequencies, so that their spikes in a
# step are a code of it. A learned encoding does too: [`te`](../glossary.md#te), a number for each step and neuron that moves the
# threshold of [CE-LIF](../glossary.md#ce-lif) neurons.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import spikeproof
from spikeproof import celif, cpg, cuba, phase

_ = torch.manual_seed(0)

# %% [markdown]
# ## The published code
#
# Channel 2i spikes while `sin(p * omega_i) >= 0.8`, and channel 2i + 1 while the cosine does
# ([arXiv 2405.14362](https://arxiv.org/abs/2405.14362)). Here it is in integers: one 24-bit phase for each channel, one addition and
# one comparison a step.

# %%
steps = 64
published = phase.spikes(phase.Phase.from_paper(16, w_max=1000.0), np.arange(steps))
print("different codes:", len(np.unique(published, axis=0)), "of", steps)

# %% [markdown]
# Two steps with the same code cannot be told apart by it. `cpg.design` finds oscillators that give every step a code of its own,
# and returns the proof: the result of looking at every pair.

# %%
params, certificate = cpg.design(steps)
designed = phase.spikes(params, np.arange(steps))
print(certificate)

# %%
figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
for axis, codes, title in zip(
    axes, (published, designed), ("published, 16 channels", f"designed, {params.num_neurons} channels"), strict=True
):
    axis.imshow(codes.T, aspect="auto", interpolation="nearest", cmap="Greys")
    axis.set(title=title, ylabel="channel")
axes[-1].set_xlabel("time step")
plt.show()

# %% [markdown]
# ## What a code is worth
#
# A task in which only the time counts: one input spike in one of 32 steps, and the answer is which quarter of the sample it was in.
# A network of plain LIF neurons that forget quickly cannot know. Beside its input, `cpg.Concat` puts the oscillators' spikes.

# %%
STEPS, QUARTERS = 32, 4
when = torch.arange(STEPS).repeat(8)
x = torch.nn.functional.one_hot(when, STEPS).float()[:, None]  # samples, one channel, steps
y = when * QUARTERS // STEPS


def trained(net, rate=0.01, epochs=60):
    """Train a module on all samples; return how many it gets right."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(epochs):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        return f"{(net(x).argmax(1) == y).float().mean():.0%}"


def plain(encoding=None):
    """Return a network of LIF neurons, with oscillators beside its input or without."""
    beside = [cpg.Concat(encoding)] if encoding else []
    inputs = 1 + (encoding.num_neurons if encoding else 0)
    params = {"threshold": 1.0, "voltage_decay": 0.9, "scale": 64}
    return torch.nn.Sequential(*beside, cuba.Dense(params, inputs, 32), spikeproof.Readout(32, QUARTERS, read="mean"))


print("no code:         ", trained(plain()))
print("published, 8:    ", trained(plain(cpg.Encoding(8, w_max=100.0))))
with_code = plain(cpg.Encoding(params=cpg.design(STEPS).params))
print("designed, 5:     ", trained(with_code))

# %% [markdown]
# ## Learned encodings
#
# CE-LIF neurons learn what each step means to them. A table has a byte for each pair of neuron and step. A driven encoding is made
# by oscillators and a small matrix: a byte for each pair of neuron and oscillator, however long the sample is.


# %%
def adaptive(te):
    """Return a network of CE-LIF neurons with a temporal encoding."""
    params = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.5, "scale": 256}
    return torch.nn.Sequential(
        celif.Dense(params, 1, 32, temporal_encoding=te), spikeproof.Readout(32, QUARTERS, scale=256)
    )


table = adaptive(celif.TemporalEncoding(32, STEPS))
driven = adaptive(cpg.DrivenEncoding(32, cpg.Encoding(8, w_max=100.0)))
print("a table:         ", trained(table, rate=0.02))
print("driven by 8:     ", trained(driven, rate=0.02))

# %% [markdown]
# ## On the chip
#
# Oscillators are part of the network and run on the chip, not on the host: in the file they belong to the layer that listens to
# them. So all of this is proven as everything else is, on Lava too.

# %%
for net in (with_code, table, driven):
    verdict = spikeproof.verify(net, x[:: STEPS + 1][:3])
    print(verdict, "\n")
    assert verdict.exact

# %% [markdown]
# [CPG](../cpg.md) has the rules, and what codes are worth on real data.
