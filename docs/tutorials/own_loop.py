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
# # A training loop of your own
#
# A recipe of spikeproof needs no code. You can also use a loop of your own: [CE-LIF](../glossary.md#ce-lif)
# [blocks](../glossary.md#block) are PyTorch modules, and work with a `DataLoader`, any loss and any optimiser.

# %%
import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

import spikeproof
from spikeproof import celif

_ = torch.manual_seed(0)

# %% [markdown]
# ## A data set
#
# scikit-learn's handwritten digits come with the library. Here the network reads an image row by row: 8 channels, and
# each row for 3 [time steps](../glossary.md#time-step), which is 24 steps. An input has the shape (samples, channels, steps), as in SLAYER.

# %%
digits = load_digits()
images = torch.as_tensor(digits.data, dtype=torch.float32).reshape(-1, 8, 8) / 16  # sample, row, column
x = images.transpose(1, 2).repeat_interleave(3, dim=2)  # sample, column, step
y = torch.as_tensor(digits.target)
train, test = random_split(TensorDataset(x, y), [1500, len(y) - 1500])
loader = DataLoader(train, batch_size=64, shuffle=True)
print(x.shape, len(train), len(test))

# %% [markdown]
# ## A network
#
# All CE-LIF layers share one [temporal encoding](../glossary.md#te): a learned number for each step and neuron, which moves the
# threshold. `input_exp=-6` lets an analog pixel travel as a [graded spike](../glossary.md#graded-spike), a whole number of
# 1/64. The [read-out](../glossary.md#read-out) adds up what arrives, and its sum is divided by the steps on the
# [host](../glossary.md#host).

# %%
te = celif.TemporalEncoding(64, steps=24)
params = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.01, "scale": 256}
net = torch.nn.Sequential(
    celif.Dense(params, 8, 48, temporal_encoding=te, input_exp=-6),
    celif.Dense(params, 48, 64, temporal_encoding=te),
    spikeproof.Readout(64, 10, scale=256),
)
print(sum(parameter.numel() for parameter in net.parameters()), "parameters")

# %% [markdown]
# ## The loop
#
# The forward pass computes the integers of the chip, divided by a power of two; the backward pass goes straight through the
# rounding and takes a surrogate gradient at the threshold. So what you measure here is what the chip will compute, and nothing is
# rounded afterwards.

# %%
optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
loss_of = torch.nn.CrossEntropyLoss()
for epoch in range(8):
    net.train()
    total = 0.0
    for batch, label in loader:
        optimizer.zero_grad()
        loss = loss_of(net(batch), label)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(label)
    net.eval()
    with torch.no_grad():
        right = sum(int((net(batch).argmax(1) == label).sum()) for batch, label in DataLoader(test, batch_size=64))
    print(f"epoch {epoch}: loss {total / len(train):.3f}, {right} of {len(test)} test samples right")

# %% [markdown]
# ## The verdict
#
# A `DataLoader` can be given to `verify` as it is. If it gives classes too, the [verdict](../glossary.md#verdict) counts how many
# answers of each side are right. Lava takes about a millisecond for each time step of a small network, so it gets a part of the
# samples, chosen at random: `lava_samples`.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.net"
    spikeproof.export_netx(net, path)
    verdict = spikeproof.verify(net, DataLoader(test, batch_size=64), samples=200, lava_samples=8, file=path)
print(verdict)
assert verdict.exact

# %% [markdown]
# How often a class is right, with the interval in which the true share lies (95 %, by Wilson):

# %%
right = verdict.scores.right["engine"]
print(f"{right.right} of {right.total}, between {right.interval[0]:.1%} and {right.interval[1]:.1%}")

# %% [markdown]
# ## Where to go from here
#
# - `spikeproof.Classifier` is such a network as one class, and `spikeproof train` runs such a loop with
#   checkpoints, validation and logs: [Training](../train.md).
# - On a GPU (`net.to("cuda")`) Triton kernels take over. They equal the reference in Triton's interpreter, but have not run on a
#   GPU yet.
# - `celif.Dense(..., delay="synapse")` learns a [delay](../train.md#delays-that-learn) for each synapse.
