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
# # Will it fit, and what does it cost
#
# Before there is a chip on your desk you can know a lot: how many cores a network takes, which table of a core is full first, and how
# many operations it performs on your data. All of it is counted, and where something is an estimate, it says so.

# %%
import numpy as np
import torch
from sklearn.datasets import load_digits

import spikeproof
from spikeproof import celif, loihi2

torch.manual_seed(0)
STEPS = 16

# %% [markdown]
# ## A network that is not trained yet
#
# A [placement](../glossary.md#placement) needs no weights, so begin with it. Here is a network as three lines:

# %%
hidden = loihi2.Population(
    name="hidden", kind="LIF", channels=512, inputs=(loihi2.Dense(source=":input", num_inputs=2312),)
)
middle = loihi2.Population(
    name="middle", kind="LIF", channels=512, inputs=(loihi2.Dense(source="hidden", num_inputs=512),)
)
answer = loihi2.Population(
    name="answer", kind="LIF", channels=10, inputs=(loihi2.Dense(source="middle", num_inputs=512),)
)
placement = loihi2.place((hidden, middle, answer))
print(placement)

# %% [markdown]
# Most cores hold the synapses of the first layer. If each neuron listened to about 200 of the 2,312 inputs, a *sparse* list would do, in which
# zeros take no room:

# %%
there = np.random.default_rng(0).random((512, 2312)) < 200 / 2312
sparse = loihi2.Sparse(source=":input", present=there)
hidden = loihi2.Population(name="hidden", kind="LIF", channels=512, inputs=(sparse,))
print(loihi2.place((hidden, middle, answer)))

# %% [markdown]
# ## A trained network
#
# Digits, as 64 channels that all arrive in every step. The loss may have a second part: the share of neurons that fire.
# A spike costs something at every synapse that it reaches, so fewer spikes are fewer operations.

# %%
digits = load_digits()
x = torch.as_tensor(digits.data, dtype=torch.float32)[:, :, None].expand(-1, -1, STEPS) / 16
y = torch.as_tensor(digits.target)


def network():
    """Return a module for images as 64 channels."""
    torch.manual_seed(0)
    te = celif.TemporalEncoding(64, STEPS)
    params = {"threshold": 0.3, "voltage_decay": 0.5, "threshold_decay": 0.01, "scale": 256}
    return torch.nn.Sequential(
        celif.Dense(params, 64, 64, temporal_encoding=te, input_exp=-6),
        celif.Dense(params, 64, 64, temporal_encoding=te),
        spikeproof.Readout(64, 10, scale=256),
    )


def trained(price):
    """Train a network; a spike in every neuron and step costs `price`."""
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    for _ in range(10):
        for part in torch.randperm(1500).split(64):
            first = net[0](x[part])
            second = net[1](first)
            spikes = first.mean() + second.mean()
            loss = torch.nn.functional.cross_entropy(net[2](second), y[part]) + price * spikes
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


test = x[1500:].contiguous()
for price in (0.0, 0.2, 0.5):
    net = trained(price)
    with torch.no_grad():
        right = (net(test).argmax(1) == y[1500:]).float().mean()
    found = spikeproof.neurobench(net, test.numpy())
    print(
        f"price {price}: {right:.1%} right, {1 - found.activation_sparsity:.1%} of the raster fires, "
        f"{found.synaptic_operations.effective_acs:,.0f} additions and "
        f"{found.synaptic_operations.effective_macs:,.0f} multiplications a sample"
    )

# %% [markdown]
# The multiplications are those of the input, which arrives as [graded spikes](../glossary.md#graded-spike), a number each. They do not
# depend on the price. The additions do.
#
# ## Where it goes
#
# The record of the trained module is placed like the one above. CE-LIF neurons are micro-coded, so their figures are a projection.

# %%
record = spikeproof.record(net, sample=test[:2])
print(loihi2.place(record))

# %% [markdown]
# ## A board of your own
#
# Limits have a source each, and any of them can be replaced. On a board with less memory in a core:

# %%
small = loihi2.load_limits().replace({"synapse_words": 600}, "this tutorial")
print(loihi2.place(record, small))

# %% [markdown]
# On the command line all this is `spikeproof map net.net -i x.npy`, with estimates of time and energy where figures for them have been
# published; `--report map.html` draws the cores. [The map's page](../map.md) says by which rules it counts, and how well they
# agree with tables that Intel's compiler printed.
