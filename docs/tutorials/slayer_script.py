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
# # Your SLAYER script, proven
#
# You have a training script in the manner of lava-dl's own N-MNIST tutorial: a module of [SLAYER](../glossary.md#slayer) blocks,
# a loss, and SLAYER's `Assistant` for the loop. Two lines are added to it: one import, and one call that proves the network.
#
# **The first line** stands above the imports of Lava. From then on they work on Python 3.11 and later too, where lava-dl alone
# fails with "No module named 'cv2'" or another error.

# %%
import spikeproof  # the first added line

# %%
import tempfile
import warnings
from pathlib import Path

import lava.lib.dl.slayer as slayer
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

warnings.simplefilter("ignore", FutureWarning)  # torch's, about the weight norm that SLAYER uses
_ = torch.manual_seed(0)

# %% [markdown]
# ## The data
#
# N-MNIST: handwritten digits as an event camera saw them. spikeproof's task `n-mnist` reads a small part of it from the folder that
# the variable `SPIKEPROOF_DATA` names. If you do not have it, scikit-learn's digits take its place here, as spikes at random times,
# the brighter a pixel the more.


# %%
def data(samples):
    """Return spikes (samples, channels, steps) and classes, real ones if they are there."""
    try:
        found = spikeproof.tasks.load(spikeproof.tasks.Options("n-mnist"))
        print("N-MNIST: 34 x 34 pixels, brighter and darker")
        x, y = found.train.x[:, :, ::2], found.train.y  # every other time step, which is enough to learn something
    except spikeproof.errors.InputError:
        from sklearn.datasets import load_digits

        print("N-MNIST is not here; scikit-learn's digits as random spikes take its place")
        digits = load_digits()
        random = np.random.default_rng(0)
        rates = digits.data[:, :, None] / 16 * 0.5
        x, y = (random.random((*digits.data.shape, 50)) < rates).astype(np.float32), digits.target
    keep = np.flatnonzero(y < 3)[:samples]  # three classes, so that some seconds of training show something
    return torch.as_tensor(x[keep]), torch.as_tensor(y[keep])


x, y = data(96)
print(x.shape, f"{x.mean():.3f} spikes a channel and step")

# %% [markdown]
# ## The network
#
# Nothing in it is of spikeproof: CUBA blocks with weight norm, learned [delays](../glossary.md#delay) and dropout, with the
# parameters of lava-dl's tutorial, only narrower.


# %%
class Network(torch.nn.Module):
    """Three dense layers."""

    def __init__(self, channels):
        super().__init__()
        params = {
            "threshold": 1.25,
            "current_decay": 0.25,
            "voltage_decay": 0.03,
            "tau_grad": 0.03,
            "scale_grad": 3,
            "requires_grad": True,
        }
        drop = {**params, "dropout": slayer.neuron.Dropout(p=0.05)}
        self.blocks = torch.nn.ModuleList(
            [
                slayer.block.cuba.Dense(drop, channels, 48, weight_norm=True, delay=True),
                slayer.block.cuba.Dense(drop, 48, 32, weight_norm=True, delay=True),
                slayer.block.cuba.Dense(params, 32, 10, weight_norm=True),
            ]
        )

    def forward(self, spike):
        for block in self.blocks:
            spike = block(spike)
        return spike


net = Network(x.shape[1])

# %% [markdown]
# ## The loop
#
# SLAYER's own. On your machine train as long as you like; here it is some seconds.

# %%
optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
error = slayer.loss.SpikeRate(true_rate=0.2, false_rate=0.03, reduction="sum")
stats = slayer.utils.LearningStats()
assistant = slayer.utils.Assistant(net, error, optimizer, stats, classifier=slayer.classifier.Rate.predict)
loader = DataLoader(TensorDataset(x[:72], y[:72]), batch_size=12, shuffle=True)

for _ in range(8):
    for spikes, label in loader:
        assistant.train(spikes, label)
    assistant.test(x[72:], y[72:])
    stats.update()
print(f"{stats.testing.accuracy_log[-1]:.0%} of 24 test samples are right")

# %% [markdown]
# ## Export, and the verdict
#
# `export_netx` writes the network as [NetX](../glossary.md#netx) HDF5. It runs the module once on your sample to see what it does,
# and leaves it as it was. **The second added line** is `verify`: it runs the same samples through torch, through the
# [engine](../glossary.md#engine) and, in a child process, through Lava's fixed-point models, and compares every spike and every
# [register](../glossary.md#register).

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "network.net"
    spikeproof.export_netx(net, path, sample=x)
    verdict = spikeproof.verify(net, x[72:76], file=path)  # the second added line
print(verdict)
assert verdict.exact

# %% [markdown]
# In a notebook the [verdict](../glossary.md#verdict) shows as a card, and `plot` draws the spikes of two sides over each other:

# %%
verdict

# %%
verdict.plot()

# %% [markdown]
# ## What the host does
#
# The module returns spikes; it is `Rate.predict` that makes a class of them, outside of the module. So nothing runs on the
# [host](../glossary.md#host) between the module's input and its output, and the verdict says so by naming nothing.
# Put the classification into the module to have it covered too: what stands behind the last block is the
# [tail](../glossary.md#tail), which is named with its file and line, and `module(x)` is compared with it.


# %%
class Classifier(torch.nn.Module):
    """The network, and how many spikes each class sent."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x).mean(-1).softmax(-1)


whole = spikeproof.verify(Classifier(net), x[72:74], backends=("engine",))
print(whole.host)
assert whole.exact

# %% [markdown]
# ## What may surprise you
#
# - Dropout and all else that differs between training and evaluation is proven in evaluation mode. Your module's mode is left as it was.
# - A network of which nothing fires is never EXACT, because such a comparison says nothing. Then train longer, lower the thresholds or
#   raise `weight_scale`.
# - Give every block a dictionary of parameters of its own if a `Recurrent` or `KWTA` block is among them: those write into it, and the
#   next block would keep its state from sample to sample, which is refused.
# - A `Recurrent` block keeps its state between calls. Call `spikeproof.reset_state(net)` before every batch, in training too.
# - `spikeproof.lint(net, sample=x)` says such things before you train for hours.
# - [Stock SLAYER blocks](../slayer.md) says which options are exact. The others are refused by name when you export, with what
#   to do. [When it is not exact](not_exact.py) shows how to read a verdict that is not.
