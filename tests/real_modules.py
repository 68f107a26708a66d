"""Modules of the shapes that lava-dl users write: tutorials, papers' repositories, competition entries."""

import itertools

import torch
from slayer_nets import block, lively, slayer, spikes
from torch import nn
from user_modules import CUBA

blocks = slayer.block
SIGMA_DELTA = {"threshold": 0.1, "tau_grad": 0.1, "scale_grad": 1.0, "activation": torch.nn.functional.relu}
ALIF = {**CUBA, "threshold_step": 0.2, "threshold_decay": 0.1, "refractory_decay": 0.2}


class Oxford(nn.Module):
    """A raster in, a raster out."""

    shape = (20, 30)

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([
            block.Dense(dict(CUBA), 20, 24, weight_scale=3, weight_norm=True),
            block.Dense(dict(CUBA), 24, 20, weight_scale=3, weight_norm=True),
        ])  # fmt: skip

    def forward(self, spike):
        for each in self.blocks:
            spike = each(spike)
        return spike


class NMNIST(nn.Module):
    """Flattened events, dense blocks with delays, dropout in the neurons."""

    shape = (2, 6, 6, 20)

    def __init__(self):
        super().__init__()
        drop = {**CUBA, "dropout": slayer.neuron.Dropout(p=0.05)}
        self.blocks = nn.ModuleList([
            block.Flatten(),
            block.Dense(drop, 72, 30, weight_scale=3, weight_norm=True, delay=True),
            block.Dense(drop, 30, 30, weight_scale=3, weight_norm=True, delay=True),
            block.Dense(dict(CUBA), 30, 10, weight_scale=3, weight_norm=True),
        ])  # fmt: skip

    def forward(self, spike):
        count = []
        for each in self.blocks:
            spike = each(spike)
            count.append(torch.mean(spike).item())
        return spike, torch.FloatTensor(count).reshape((1, -1))


class PilotNetSDNN(nn.Module):
    """Sigma-delta units: an encoder, convolutions, a decoder, and an event cost beside the answer."""

    shape = (2, 9, 9, 8)
    unary = False

    def __init__(self):
        super().__init__()
        sdnn = blocks.sigma_delta
        self.blocks = nn.ModuleList([
            sdnn.Input(dict(SIGMA_DELTA)),
            sdnn.Conv(dict(SIGMA_DELTA), 2, 4, 3, padding=0, stride=2, weight_scale=2),
            sdnn.Flatten(),
            sdnn.Dense(dict(SIGMA_DELTA), 64, 12, weight_scale=2),
            sdnn.Output(dict(SIGMA_DELTA), 12, 1, weight_scale=2),
        ])  # fmt: skip

    def forward(self, x):
        count, cost = [], 0
        for each in self.blocks:
            x = each(x)
            if hasattr(each, "neuron"):
                cost = cost + torch.mean(torch.abs(x[..., 1:]))
                count.append(torch.sum((x[..., 1:].abs() > 0).to(x.dtype)).item())
        return x, cost, torch.FloatTensor(count).reshape((1, -1))


class PilotNetSNN(nn.Module):
    """CUBA convolutions behind an input block, an affine read-out, images that are brought to the mean."""

    shape = (1, 8, 8, 12)
    unary = False

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([
            block.Input({**CUBA, "threshold": 0.2}, weight=1.0, bias=0.0),
            block.Conv(dict(CUBA), 1, 4, 3, stride=2, weight_scale=3),
            block.Flatten(),
            block.Dense(dict(CUBA), 36, 10, weight_scale=3),
            block.Affine(dict(CUBA), 10, 1, weight_scale=3, dynamics=False),
        ])  # fmt: skip

    def forward(self, x):
        x = (x - x.mean((1, 2, 3), keepdim=True)).clamp(-1, 1)
        for each in self.blocks:
            x = each(x)
        return x.reshape(len(x), -1).mean(-1)


class Autoencoder(nn.Module):
    """Twelve layers in two lists, encoder and decoder."""

    shape = (16, 20)

    def __init__(self):
        super().__init__()
        widths = [16, 24, 22, 20, 18, 16, 14]
        pairs = list(itertools.pairwise(widths))
        self.encoder = nn.ModuleList([block.Dense(dict(CUBA), i, o, weight_scale=4) for i, o in pairs])
        self.decoder = nn.ModuleList([block.Dense(dict(CUBA), o, i, weight_scale=4) for i, o in reversed(pairs)])

    def encode(self, x):
        for each in self.encoder:
            x = each(x)
        return x

    def decode(self, x):
        for each in self.decoder:
            x = each(x)
        return x

    def forward(self, x):
        return self.decode(self.encode(x))


class Zipped(nn.Module):
    """Two lists of blocks that take turns."""

    shape = (10, 20)

    def __init__(self):
        super().__init__()
        self.wide = nn.ModuleList([block.Dense(dict(CUBA), 10, 20, weight_scale=3) for _ in range(2)])
        self.narrow = nn.ModuleList([block.Dense(dict(CUBA), 20, 10, weight_scale=3) for _ in range(2)])

    def forward(self, x):
        for wide, narrow in zip(self.wide, self.narrow, strict=True):
            x = narrow(wide(x))
        return x.sum(-1)


class Recurrent(nn.Module):
    """A recurrent layer, parameters of its own, a linear layer on rates."""

    shape = (12, 18)

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([
            block.Dense(dict(CUBA), 12, 16, weight_scale=3),
            block.Recurrent(dict(CUBA), 16, 12, weight_scale=3),
            block.Dense(dict(CUBA), 12, 8, weight_scale=3),
        ])  # fmt: skip
        self.head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 4))

    def forward(self, x):
        for each in self.blocks:
            x = each(x)
        return self.head(x.mean(-1))


class Winners(nn.Module):
    """k winners that share one parameter of excitation."""

    shape = (12, 18)

    def __init__(self):
        super().__init__()
        self.first = block.KWTA({**CUBA, "threshold": 0.2}, 12, 10, 5, weight_scale=3)
        self.second = block.KWTA({**CUBA, "threshold": 0.2}, 10, 8, 4, weight_scale=3)
        self.second.self_excitation = self.first.self_excitation

    def forward(self, x):
        return self.second(self.first(x))


class Adaptive(nn.Module):
    """ALIF convolutions with pools, and a vote of groups."""

    shape = (2, 8, 8, 16)

    def __init__(self):
        super().__init__()
        alif = blocks.alif
        self.features = nn.Sequential(
            alif.Conv(dict(ALIF), 2, 4, 3, padding=1, weight_scale=3),
            alif.Pool({**ALIF, "threshold": 0.3}, 2, weight_scale=40),
            alif.Conv(dict(ALIF), 4, 4, 3, padding=1, weight_scale=3),
        )
        self.classes = nn.Sequential(alif.Flatten(), alif.Dense(dict(ALIF), 64, 12, weight_scale=4))

    def forward(self, x):
        spike = self.classes(self.features(x))
        return spike.reshape(len(spike), 4, 3, -1).mean((2, 3))


class Resonators(nn.Module):
    """RF neurons on a chirp, read out by a mean of the last steps."""

    shape = (8, 24)

    def __init__(self):
        super().__init__()
        rf = {"threshold": 0.3, "period": 7.0, "decay": 0.1}
        self.a = blocks.rf.Dense(dict(rf), 8, 16, weight_scale=4)
        self.b = blocks.rf_iz.Dense({**rf, "threshold": 0.4}, 16, 8, weight_scale=4)

    def forward(self, x):
        return self.b(self.a(x))[..., -10:].mean(-1)


class Hybrid(nn.Module):
    """An encoder with weights of its own in front, spikes in the middle, an ANN behind, hooks that count."""

    shape = (3, 10, 10, 10)
    unary = False

    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(3, 4, 3, stride=2)
        self.spiking = nn.Sequential(
            block.Conv(dict(CUBA), 4, 6, 3, weight_scale=4),
            block.Flatten(),
            block.Dense(dict(CUBA), 24, 10, weight_scale=4),
        )
        self.decoder = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2))
        self.seen = {}
        for name, part in self.spiking.named_children():
            part.register_forward_hook(lambda module, args, out, name=name: self.seen.update({name: out.sum().item()}))

    def forward(self, x):
        frames = [torch.sigmoid(self.encoder(frame)) for frame in x.unbind(-1)]
        encoded = (torch.stack(frames, -1) > 0.5).float()
        return self.decoder(self.spiking(encoded).mean(-1))


REAL = (
    Oxford,
    NMNIST,
    PilotNetSDNN,
    PilotNetSNN,
    Autoencoder,
    Zipped,
    Recurrent,
    Winners,
    Adaptive,
    Resonators,
    Hybrid,
)


def made(kind, seed=0):
    """A module and an input for it."""
    import numpy as np

    torch.manual_seed(seed)
    module = lively(kind())
    random = np.random.default_rng(seed)
    x = spikes(random, 3, *kind.shape) if getattr(kind, "unary", True) else random.random((3, *kind.shape)).astype("f4")
    with torch.no_grad():
        module(torch.as_tensor(x))  # draws shapes and delays, as training does
    for part in module.modules():
        if isinstance(part, slayer.axon.Delay) and part.init:
            part.delay.data *= 3
    return module, x
