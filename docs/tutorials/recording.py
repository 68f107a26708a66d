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
# # A recording from a chip, or from another simulator
#
# Somebody has run your network elsewhere, on a Loihi 2 chip or in another simulator, and recorded some of it. Is it what the network
# should do? `spikeproof verify --against` compares the recording, entry by entry, with the [engine](../glossary.md#engine). Nothing is said
# about what was not recorded.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import spikeproof
from spikeproof.records import CUBA, Dense, Input, Layer, Net

random = np.random.default_rng(0)
place = tempfile.TemporaryDirectory()
folder = Path(place.name)


def command(*arguments):
    """Run spikeproof as in a shell, and print what it says and its exit code."""
    done = subprocess.run([sys.executable, "-m", "spikeproof", *map(str, arguments)], capture_output=True, text=True)
    print(done.stdout + done.stderr + f"exit code {done.returncode}")


# %% [markdown]
# ## The network and its input
#
# Two layers of CUBA neurons, written by hand as a [record](../glossary.md#record). Yours is a file that `export_netx` wrote, or one that
# lava-dl's own export wrote.


# %%
def layer(name, inputs, neurons):
    """Return a layer with random even weights."""
    weight = 2 * random.integers(-15, 30, (neurons, inputs))
    return Layer(
        name=name,
        synapse=Dense(weight=weight),
        neuron=CUBA(num_neurons=neurons, u_decay=1200, v_decay=300, v_th_mant=90),
    )


net = Net(inputs=(Input(num_channels=6),), layers=(layer("hidden", 6, 8), layer("answer", 8, 3)), steps=40)
spikeproof.write(net, folder / "network.net", stock=True)
x = (random.random((3, 6, 40)) < 0.2).astype(np.float32)  # samples, channels, steps
np.save(folder / "x.npy", x)

# %% [markdown]
# ## Another simulator
#
# Here is one in plain NumPy, written by somebody who read how Loihi's neurons work. It records the spikes of both layers, and the
# [membranes](../glossary.md#membrane) of three hidden neurons. Like many simulators it lets spikes take a step on their way, so its second
# layer is a step late.


# %%
def towards_zero(values, decay):
    """Return what is left of 24-bit registers after a step; a decay of 4096 loses all."""
    kept = np.abs(values) * (4096 - decay) >> 12
    return np.sign(values) * kept


def run(spikes, weight, u_decay, v_decay, threshold):
    """Return spikes and membranes of a layer, shape (neurons, steps) each, for one sample."""
    u = v = np.zeros(len(weight), np.int64)
    fired, membranes = [], []
    for step in range(spikes.shape[1]):
        u = towards_zero(u, u_decay) + ((weight @ spikes[:, step]) << 6)
        v = towards_zero(v, v_decay) + u
        s = v > threshold << 6
        v = np.where(s, 0, v)
        fired.append(s)
        membranes.append(v)
    return np.array(fired, int).T, np.array(membranes).T


recorded = {"hidden/s": [], "hidden/v": [], "answer/s": []}
for sample in x.astype(np.int64):
    s, v = run(sample, net.layers[0].synapse.weight.astype(np.int64), 1200, 300, 90)
    answer, _ = run(s, net.layers[1].synapse.weight.astype(np.int64), 1200, 300, 90)
    recorded["hidden/s"].append(s)
    recorded["hidden/v"].append(v)
    recorded["answer/s"].append(np.pad(answer, ((0, 0), (1, 0)))[:, :-1])  # a step late

np.savez(folder / "trace.npz", **{name: np.stack(values) for name, values in recorded.items()})
command("verify", folder / "network.net", "-i", folder / "x.npy", "--against", folder / "trace.npz")

# %% [markdown]
# Each line says how many entries were compared and how many are equal. The answer was found to be a step later than the
# layer's [local time](../glossary.md#local-time), which is another way to count and no difference. The last line names what was not recorded.
#
# ## Parts of a recording
#
# Reading registers from a chip is slow, so a recording often has some neurons and some steps only. `layer/neurons` and `layer/steps` say
# which. Here are membranes and spikes of three neurons in the first ten steps:

# %%
membranes = np.stack(recorded["hidden/v"])
spikes = np.stack(recorded["hidden/s"])
np.savez(
    folder / "part.npz",
    **{
        "hidden/v": membranes[:, [1, 4, 6], :10],
        "hidden/s": spikes[:, [1, 4, 6], :10],
        "hidden/neurons": [1, 4, 6],
        "hidden/steps": np.arange(10),
    },
)
command("verify", folder / "network.net", "-i", folder / "x.npy", "--against", folder / "part.npz")

# %% [markdown]
# ## A fault
#
# If the recording is of something else, the exit code is 1, and the first entry that differs is named. Here one membrane is off by one:

# %%
membranes[1, 4, 20] += 1
np.savez(folder / "fault.npz", **{"hidden/v": membranes, "hidden/s": spikes})
command("verify", folder / "network.net", "-i", folder / "x.npy", "--against", folder / "fault.npz")

# %% [markdown]
# ## For somebody who has a chip
#
# Perhaps the person with the chip does not have spikeproof. `export --harness` writes a folder for them: the network
# as stock [NetX](../glossary.md#netx) reads it, inputs, what they should give, and a short script that runs them on stock Lava.

# %%
command("export", folder / "network.net", "--harness", folder / "for-a-chip", "-i", folder / "x.npy")
print(sorted(path.name for path in (folder / "for-a-chip").iterdir()))

# %% [markdown]
# Without `--chip` the script runs on stock Lava's models of the chip on this computer. That is a third simulator. (On Python 3.10 it is
# `python record.py`; above that, the line below imports spikeproof first, since stock Lava does not run there as it is.)

# %%
script = f"import runpy, sys; import spikeproof; sys.argv = ['record.py']; runpy.run_path({str(folder / 'for-a-chip' / 'record.py')!r}, run_name='__main__')"
done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
print(done.stdout[-600:] or done.stderr[-600:])
command("verify", folder / "for-a-chip" / "network.net", "--against", folder / "for-a-chip" / "trace.npz")

# %% [markdown]
# [Recordings from elsewhere](../verify.md#recordings-from-elsewhere) has all the names that an archive may hold, and how a `.csv` file
# is read. The way of `record.py` to a real chip has not been tried by us.

# %%
place.cleanup()
