"""Modules as users write them, for the tests of capture and of the proof from end to end.

Each is a few blocks and a forward pass of its own in this file, so that messages name lines of it.
"""

import dataclasses
import warnings

import torch
from slayer_nets import block, lively, slayer, spikes
from torch import nn
from torch.nn import functional as F

from spikeproof.train.blocks import celif
from spikeproof.train.blocks.readout import Readout

CUBA = {"threshold": 0.4, "current_decay": 0.5, "voltage_decay": 0.1}
CHANNELS, STEPS = 6, 24


class Model(nn.Module):
    """Parts, and a forward pass that is given."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


def dense(inputs, outputs, **options):
    params = dict(CUBA, **options.pop("params", {}))
    return block.Dense(params, inputs, outputs, **{"weight_scale": 3, "delay_shift": False, **options})


def chain(forward, middle=16, into=None, **parts):
    """Two dense blocks a and b, with what else is given."""
    torch.manual_seed(1)
    return lively(Model(forward, a=dense(CHANNELS, middle), b=dense(into or middle, 8), **parts))


def gentle(forward, into=16):
    """Two dense blocks, the second with weights so small that doubled they still fit."""
    torch.manual_seed(1)
    return lively(Model(forward, a=dense(CHANNELS, 16), b=dense(into, 8, weight_scale=1, params={"threshold": 0.1})))


def images(forward, **parts):
    """Two convolutions a and b on images of 2 x 8 x 8."""
    torch.manual_seed(2)
    options = {"weight_scale": 3, "delay_shift": False, "padding": 1}
    a, b = block.Conv(dict(CUBA), 2, 4, 3, **options), block.Conv(dict(CUBA), 4, 3, 3, **options)
    return lively(Model(forward, a=a, b=b, **parts))


class Doubled(block.Dense):
    """A block with a forward pass of its own."""

    def forward(self, x):
        return super().forward(x) * 2


class Unchanged(block.Dense):
    """A block under another name."""


class ByHand(block.Dense):
    """A block that calls its synapses and neurons itself."""

    def forward(self, x):
        return self.neuron(self.synapse(x))


class Loud(nn.Sequential):
    """A Sequential that multiplies."""

    def forward(self, x):
        return super().forward(x) * 3


class LIF(nn.Module):
    """The user's own neurons."""

    def forward(self, z):
        v, out = torch.zeros_like(z[..., 0]), []
        for t in range(z.shape[-1]):
            v = 0.9 * v + z[..., t]
            out.append((v > 1).float())
            v = v * (1 - out[-1])
        return torch.stack(out, -1)


class Surrogate(torch.autograd.Function):
    """A spike function with a gradient."""

    @staticmethod
    def forward(ctx, v):
        return (v > 0.5).float()

    @staticmethod
    def backward(ctx, grad):
        return grad


@dataclasses.dataclass
class Answer:
    scores: torch.Tensor
    raster: torch.Tensor


def hooked(module, hook):
    module.register_forward_hook(hook)
    return module


def loop(body, **params):
    """Two blocks that are called once a step."""
    torch.manual_seed(1)
    kept = {"params": {"persistent_state": True, **params}}
    return lively(Model(body, a=dense(CHANNELS, 16, **kept), b=dense(16, 8, **kept)))


def steps_joined(self, x):
    return torch.cat([self.b(self.a(x[..., t : t + 1])) for t in range(x.shape[-1])], -1)


def steps_written(self, x):
    out = torch.zeros(len(x), 8, x.shape[-1])
    for t in range(x.shape[-1]):
        out[..., t] = self.b(self.a(x[..., t].unsqueeze(-1)))[..., 0]
    return out


def steps_added(self, x):
    total = 0
    for t in range(x.shape[-1]):
        total = total + self.b(self.a(x[..., t : t + 1]))[..., 0]
    return total / x.shape[-1]


def steps_first(self, x):
    return torch.stack([self.b(self.a(step.unsqueeze(-1))).squeeze(-1) for step in x.permute(2, 0, 1)])


def counted(self, x):
    counts = []
    for part in (self.a, self.b):
        x = part(x)
        counts.append(torch.mean(x).item())
    return x, counts


def through_numpy(self, x):
    return self.b(self.a(x)).detach().numpy().mean(-1)


def written(self, x):
    h = self.a(x)
    both = torch.zeros(len(x), 20, x.shape[-1])
    both[:, 2:18] = h
    return self.b(both)


def early(self, x):
    h = self.b(self.a(x))
    if not self.training:
        return h
    return self.a(h)


def in_inference_mode(self, x):
    with torch.inference_mode():
        return self.b(self.a(x)).mean(-1)


def shuffled(self, x):
    n, c, t = (h := self.a(x)).shape
    return self.b(h.view(n, 2, c // 2, t).transpose(1, 2).reshape(n, c, t))


def after_lstm(self, x):
    return self.lstm(self.b(self.a(x)).transpose(1, 2))[0][:, -1]


def checkpointed(self, x):
    return torch.utils.checkpoint.checkpoint(lambda y: self.b(self.a(y)), x, use_reentrant=False).mean(-1)


MASK = torch.tensor([1.0, 0.0] * 8).reshape(16, 1)
ORDER = [3, 1, 2, 0, *range(4, 16)]

TAILS = {
    "nothing": (lambda: chain(lambda self, x: self.b(self.a(x))), []),
    "rate": (lambda: chain(lambda self, x: self.b(self.a(x)).mean(-1)), ["mean over time"]),
    "rate decoder": (lambda: chain(lambda self, x: slayer.classifier.Rate.confidence(self.b(self.a(x)))), None),
    "linear head": (lambda: chain(lambda self, x: self.fc(self.b(self.a(x)).mean(-1)), fc=nn.Linear(8, 3)),
                    ["mean over time", "Linear 8 → 3"]),
    "softmax": (lambda: chain(lambda self, x: self.b(self.a(x)).sum(-1).softmax(-1)), ["sum over time", "softmax"]),
    "classes": (lambda: chain(lambda self, x: self.b(self.a(x)).sum(-1).argmax(-1)), ["sum over time", "argmax"]),
    "lstm": (lambda: chain(after_lstm, lstm=nn.LSTM(8, 4, batch_first=True)), None),
    "numpy": (lambda: chain(through_numpy), ["numpy", "code outside torch, which is not followed"]),
    "doubled": (lambda: chain(lambda self, x: self.b(self.a(x)) * 2), ["multiply"]),
    "negated": (lambda: chain(lambda self, x: -self.b(self.a(x))), ["negate"]),
    "channels flipped": (lambda: chain(lambda self, x: self.b(self.a(x)).flip(1)), ["flip"]),
    "time flipped": (lambda: chain(lambda self, x: self.b(self.a(x)).flip(-1)), ["flip"]),
    "channels dropped": (lambda: chain(lambda self, x: self.b(self.a(x))[:, :3]), ["index"]),
    "channels permuted": (lambda: chain(lambda self, x: self.b(self.a(x))[:, [1, 0, 2, 3]]), ["index"]),
    "residual at the end": (lambda: chain(lambda self, x: (h := self.a(x)) + F.pad(self.b(h), (0, 0, 0, 8))), None),
    "joined at the end": (lambda: chain(lambda self, x: torch.cat([(h := self.a(x)), self.b(h)], 1)), ["concatenate"]),
    "own neurons at the end": (lambda: chain(lambda self, x: self.lif(self.b(self.a(x))), lif=LIF()), None),
    "synapse and neuron": (lambda: chain(
        lambda self, x: self.neuron(self.synapse(self.b(self.a(x)))),
        synapse=slayer.synapse.Dense(8, 5, weight_scale=3, pre_hook_fx=slayer.neuron.cuba.Neuron(**CUBA).quantize_8bit),
        neuron=slayer.neuron.cuba.Neuron(**CUBA)), []),
    "block.forward": (lambda: chain(lambda self, x: self.b.forward(self.a(x))), []),
    "neuron(synapse)": (lambda: chain(lambda self, x: self.b.neuron(self.b.synapse(self.a(x)))), []),
    "synapse at the end": (lambda: chain(lambda self, x: self.b.synapse(self.a(x)).sum(-1)), None),
    "subclass that doubles": (lambda: chain(
        lambda self, x: self.c(self.b(self.a(x))), c=Doubled(dict(CUBA), 8, 4, weight_scale=3)), ["multiply"]),
    "unchanged subclass": (lambda: chain(
        lambda self, x: self.c(self.b(self.a(x))), c=Unchanged(dict(CUBA), 8, 4, weight_scale=3)), []),
    "subclass by hand": (lambda: chain(
        lambda self, x: self.c(self.b(self.a(x))), c=ByHand(dict(CUBA), 8, 4, weight_scale=3)), []),
    "Sequential that multiplies": (lambda: lively(Loud(dense(CHANNELS, 8), dense(8, 4))), ["multiply"]),
    "hook on the module": (lambda: hooked(
        chain(lambda self, x: self.b(self.a(x))), lambda module, args, out: out * 5), ["multiply"]),
    "hook on a Sequential": (lambda: hooked(
        lively(nn.Sequential(dense(CHANNELS, 8), dense(8, 4))), lambda module, args, out: out - 1), ["subtract"]),
    "counts": (lambda: chain(counted), ["mean"]),
    "dictionary": (lambda: chain(lambda self, x: {"rate": (y := self.b(self.a(x))).mean(-1), "raster": y}),
                   ["mean over time"]),
    "dataclass": (lambda: chain(lambda self, x: Answer((y := self.b(self.a(x))).sum(-1), y)), ["sum over time"]),
    "hidden spikes too": (lambda: chain(lambda self, x: ((h := self.a(x)), self.b(h))), []),
    "early return": (lambda: chain(early), []),
    "inference mode": (lambda: chain(in_inference_mode), ["mean over time"]),
    "checkpoint": (lambda: chain(checkpointed), ["mean over time"]),
    "spike function": (lambda: chain(lambda self, x: Surrogate.apply(self.b(self.a(x)).mean(-1))), None),
    "a batch norm": (lambda: chain(lambda self, x: self.norm(self.b(self.a(x))), norm=nn.BatchNorm1d(8)), None),
    "blocks in a list": (lambda: chain(lambda self, x: self.hidden[1](self.hidden[0](x)), hidden=None), []),
    "DataParallel": (lambda: nn.DataParallel(chain(lambda self, x: self.b(self.a(x)).mean(-1))), ["mean over time"]),
}  # fmt: skip
"""Name -> (module, words of what stands behind its network; None if they are not looked at)."""

MIDDLES = {
    "SLAYER's delay": lambda: chain(lambda self, x: self.b(slayer.axon.delay(self.a(x), 1))),
    "dropout in evaluation": lambda: chain(lambda self, x: self.b(self.drop(self.a(x))), drop=nn.Dropout(0.5)),
    "relu": lambda: chain(lambda self, x: self.b(torch.relu(self.a(x)))),
    "clamp": lambda: chain(lambda self, x: self.b(self.a(x).clamp(0, 1))),
    "larger than 0": lambda: chain(lambda self, x: self.b((self.a(x) > 0).float())),
    "bool and back": lambda: chain(lambda self, x: self.b(self.a(x).bool().to(torch.float32))),
    "copies": lambda: chain(lambda self, x: self.b(self.a(x).contiguous().clone().detach().double().float())),
    "reshapes": lambda: chain(lambda self, x: self.b(self.a(x).reshape(len(x), 4, 4, -1).flatten(1, 2))),
    "channels flipped": lambda: chain(lambda self, x: self.b(self.a(x).flip(1))),
    "channels permuted": lambda: chain(lambda self, x: self.b(self.a(x)[:, ORDER])),
    "channels shuffled": lambda: chain(shuffled),
    "channels dropped": lambda: chain(lambda self, x: self.b(self.a(x)[:, :10]), into=10),
    "every other": lambda: chain(lambda self, x: self.b(self.a(x)[:, ::2]), into=8),
    "channels repeated": lambda: chain(lambda self, x: self.b(self.a(x).repeat_interleave(2, 1)), into=32),
    "joined with itself": lambda: gentle(lambda self, x: self.b(torch.cat([(h := self.a(x)), h], 1)), into=32),
    "added to itself": lambda: gentle(lambda self, x: self.b((h := self.a(x)) + h)),
    "times 2": lambda: gentle(lambda self, x: self.b(self.a(x) * 2)),
    "negated": lambda: chain(lambda self, x: self.b(-self.a(x).flip(1))),
    "times a mask": lambda: chain(lambda self, x: self.b(self.a(x) * MASK)),
    "where": lambda: chain(lambda self, x: self.b(torch.where(MASK.bool(), self.a(x), 0.0))),
    "masked_fill": lambda: chain(lambda self, x: self.b(self.a(x).masked_fill(MASK.bool(), 0))),
    "padded": lambda: chain(lambda self, x: self.b(F.pad(self.a(x), (0, 0, 1, 3))), into=20),
    "written into another": lambda: chain(written, into=20),
    "added to zeros": lambda: chain(lambda self, x: self.b(torch.zeros(16, x.shape[-1]) + self.a(x))),
    "summed in groups": lambda: chain(
        lambda self, x: self.b(self.a(x).unflatten(1, (8, 2)).sum(2)), into=8),
    "divided and multiplied": lambda: chain(lambda self, x: self.b(self.a(x) / 4 * 4)),
    "split and joined": lambda: chain(lambda self, x: self.b(torch.cat(self.a(x).split([5, 11], 1)[::-1], 1))),
    "a fraction that cancels": lambda: chain(
        lambda self, x: self.b(self.a(x).unflatten(1, (8, 2)).mean(2) * 2), into=8),
    "a hook in between": lambda: chain(
        lambda self, x: self.b(hooked_once(self.a)(x))),
}  # fmt: skip
"""Name -> module that moves elements between its blocks, which folds into synapses."""


def hooked_once(part):
    if not part._forward_hooks:
        part.register_forward_hook(lambda module, args, out: out.flip(1))
    return part


IMAGES = {
    "flatten": lambda: images(
        lambda self, x: self.c(self.b(self.a(x)).flatten(1, 3)), c=dense(192, 5)),
    "reshape": lambda: images(
        lambda self, x: self.c(self.b(self.a(x)).reshape(len(x), -1, x.shape[-1])), c=dense(192, 5)),
    "SLAYER's Flatten": lambda: images(
        lambda self, x: self.c(self.flat(self.b(self.a(x)))), flat=block.Flatten(), c=dense(192, 5)),
    "rows flipped": lambda: images(lambda self, x: self.b(self.a(x).flip(2))),
    "upsampled": lambda: images(lambda self, x: self.b(
        F.interpolate(self.a(x).permute(0, 4, 1, 2, 3).flatten(0, 1), scale_factor=2)
        .unflatten(0, (len(x), -1)).permute(0, 2, 3, 4, 1))),
    "channels permuted": lambda: images(lambda self, x: self.b(self.a(x)[:, [2, 0, 1, 3]])),
    "global count at the end": lambda: images(lambda self, x: self.b(self.a(x)).sum((2, 3, 4))),
}  # fmt: skip
"""Name -> module on images."""

LOOPS = {
    "joined": lambda: loop(steps_joined),
    "written": lambda: loop(steps_written),
    "added": lambda: loop(steps_added),
    "time first": lambda: loop(steps_first),
}
"""Name -> module that calls its blocks once a step."""


def graded(forward, **parts):
    """CE-LIF blocks that take analog input, behind a front end."""
    torch.manual_seed(4)
    te = celif.TemporalEncoding(12, STEPS)
    first = celif.Dense({}, CHANNELS, 12, temporal_encoding=te, input_exp=-6, weight_scale=2)
    second = celif.Dense({}, 12, 10, temporal_encoding=te, weight_scale=2)
    return Model(forward, a=first, b=second, c=Readout(10, 4), **parts).eval()


FRONTS = {
    "mean taken away": (lambda: graded(lambda self, x: self.c(self.b(self.a(x - 0.5)))), ["subtract"]),
    "normalised": (lambda: graded(
        lambda self, x: self.c(self.b(self.a((x - self.mean) / 2))), mean=nn.Parameter(torch.rand(CHANNELS, 1))),
        ["subtract", "divide"]),
    "differences": (lambda: graded(
        lambda self, x: self.c(self.b(self.a(torch.diff(x, dim=-1, prepend=x[..., :1]))))), None),
    "through numpy": (lambda: graded(
        lambda self, x: self.c(self.b(self.a(torch.from_numpy(x.numpy() * 0.5))))), None),
    "time reversed": (lambda: graded(lambda self, x: self.c(self.b(self.a(x.flip(-1))))), ["flip"]),
    "a layer of its own": (lambda: graded(
        lambda self, x: self.c(self.b(self.a(self.fc(x.transpose(1, 2)).transpose(1, 2).tanh()))),
        fc=nn.Linear(CHANNELS, CHANNELS)), None),
    "written into": (lambda: graded(lambda self, x: self.c(self.b(self.a(x.sub_(0.25))))), ["subtract"]),
}  # fmt: skip
"""Name -> (module with something in front of its network, words of that)."""

PLACE = r"user_modules.py:\d+"


def residual(self, x):
    h = self.a(x)
    return self.c(h + self.b(h))


def three(forward, middle=8, **parts):
    torch.manual_seed(1)
    made = {"a": dense(CHANNELS, 8), "b": dense(8, 8), "c": dense(middle, 4), **parts}
    return lively(Model(forward, **made))


def branching(self, x):
    h = self.a(x)
    return self.b(h) if h.sum() > 10 else self.c(h)


def by_batch(self, x):
    return self.b(self.a(x)) if len(x) > 1 else self.c(self.a(x))


def by_spikes(self, x):
    h = self.a(x)
    return self.b(h) if h.sum().item() > 0 else self.b(self.c(h))


def back_through_numpy(self, x):
    return self.b(torch.from_numpy(self.a(x).numpy().copy()))


def scripted_middle(self, x):
    return self.b(self.twice(self.a(x)))


def _twice(h: torch.Tensor) -> torch.Tensor:
    return (h + h) / 4


def scripted():
    """What TorchScript makes of a function, which no function mode sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(_twice)


def traced():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(nn.Linear(STEPS, 2), torch.zeros(2, CHANNELS, STEPS))


def counting(self, x):
    self.seen = getattr(self, "seen", 0) + 1
    h = self.a(x)
    return self.b(h if self.seen % 2 else h.flip(1))


def written_through_numpy(self, x):
    h = self.a(x)
    h.numpy()[:, 0] = 1
    return self.b(h)


def looped_forgetful(self, x):
    return torch.cat([self.b(self.a(x[..., t : t + 1])) for t in range(x.shape[-1])], -1)


def a_write_into_a_view(self, x):
    h = self.a(x)
    h[:, :4].mul_(0)
    return self.b(h)


def bound(self, x):
    return self.b(self.spike(self.a(x) * 0.7))


REFUSED = {
    "linear between": (lambda: chain(
        lambda self, x: self.b(self.fc(self.a(x).transpose(1, 2)).transpose(1, 2)), fc=nn.Linear(16, 16)),
        PLACE + r" \(in fc\): linear stands between 'a' and 'b'. Its numbers are no spikes"),
    "times a half": (lambda: chain(lambda self, x: self.b(self.a(x) * 0.5)),
                     PLACE + ": spikes arrive times 0.5 between 'a' and 'b'. Put the factor into the weights"),
    "dropout that draws": (lambda: chain(lambda self, x: self.b(nn.functional.dropout(self.a(x)))),
                           PLACE + ": dropout stands between 'a' and 'b', and it draws in evaluation too"),
    "one minus": (lambda: chain(lambda self, x: self.b(1 - self.a(x))), PLACE + ": rsub stands between 'a' and 'b'"),
    "plus one": (lambda: chain(lambda self, x: self.b(self.a(x) + 1)), PLACE + ": add stands between 'a' and 'b'"),
    "clamped sum": (lambda: gentle(lambda self, x: self.b(((h := self.a(x)) + h).clamp(max=1))),
                    PLACE + ": clamp stands between 'a' and 'b'"),
    "square": (lambda: chain(lambda self, x: self.b((h := self.a(x)) * h)), PLACE + ": multiply stands between"),
    "time reversed": (lambda: chain(lambda self, x: self.b(self.a(x).flip(-1))), PLACE + ": steps are mixed"),
    "a running sum": (lambda: chain(lambda self, x: self.b(self.a(x).cumsum(-1))), PLACE + ": cumsum over time stands"),
    "samples mixed": (lambda: chain(lambda self, x: self.b(self.a(x).roll(1, 0))), PLACE + ": samples are mixed"),
    "other map by time": (lambda: chain(
        lambda self, x: self.b(torch.cat([(h := self.a(x))[..., :9], h[..., 9:].flip(1)], -1))),
        PLACE + ": another map for other samples or steps stands between 'a' and 'b'"),
    "average pool": (lambda: chain(lambda self, x: self.b(F.avg_pool1d(self.a(x).transpose(1, 2), 2).transpose(1, 2)),
                                   into=8), PLACE + r": spikes arrive times 0\.5 between 'a' and 'b'"),
    "average pool with padding": (lambda: chain(
        lambda self, x: self.b(F.avg_pool1d(self.a(x).mT, 2, padding=1).mT), into=9),
        PLACE + ": avg_pool1d stands between 'a' and 'b'"),
    "largest": (lambda: chain(lambda self, x: self.b(self.a(x).unflatten(1, (8, 2)).amax(2)), into=8),
                PLACE + ": amax stands between 'a' and 'b'"),
    "a batch norm": (lambda: chain(lambda self, x: self.b(self.norm(self.a(x))), norm=nn.BatchNorm1d(16)),
                     PLACE + r" \(in norm\): batch_norm stands between 'a' and 'b'"),
    "own neurons": (lambda: chain(lambda self, x: self.b(self.lif(self.a(x))), lif=LIF()), PLACE + r" \(in lif\): gt stands between 'a' and 'b'"),
    "a spike function": (lambda: chain(lambda self, x: self.b(Surrogate.apply(self.a(x)))),
                         PLACE + ": Surrogate stands between 'a' and 'b'"),
    "a bound spike function": (lambda: chain(bound, spike=Surrogate.apply),
                               PLACE + ": gt stands between 'a' and 'b'"),
    "a branch": (lambda: three(branching), PLACE + ": forward branches on spikes and calls blocks after it"),
    "other blocks by batch": (lambda: three(by_batch), "for one sample, or other spikes, forward calls other blocks"),
    "other blocks by spikes": (lambda: three(by_spikes), "forward calls other blocks"),
    "back through numpy": (lambda: chain(back_through_numpy),
                           PLACE + r": numpy\(\) takes spikes of|" + PLACE + r": numpy\(\) takes spikes out of torch"),
    "written through numpy": (lambda: chain(written_through_numpy),
                              "does something that cannot be followed, such as a write through NumPy"),
    "a write into a view": (lambda: chain(a_write_into_a_view), PLACE + ": a write into a view stands between"),
    "script in between": (lambda: chain(scripted_middle, twice=scripted()), "depends on spikes|with other spikes"),
    "a counter": (lambda: chain(counting), "with other spikes 'b' receives something else"),
    "a loop that forgets": (lambda: chain(looped_forgetful), "it does not carry its state from call to call"),
    "two synapses": (lambda: three(
        lambda self, x: self.c.neuron(self.c.synapse(h := self.a(x)) + self.b.synapse(h)[:, :4])),
        PLACE + ": add joins the sums of 2 synapses in front of the neurons 'c.neuron'. Give"),
    "a neuron alone": (lambda: three(lambda self, x: self.c(self.b.neuron(self.a(x)))),
                       PLACE + ": the neurons 'b.neuron' are called without synapses"),
    "something at the sums": (lambda: three(lambda self, x: self.c(self.b.neuron(self.b.synapse(self.a(x)) * 2))),
                              PLACE + ": multiply stands between the synapses and the neurons 'b.neuron'"),
    "a synapse alone": (lambda: three(lambda self, x: self.c(self.b.synapse(self.a(x)))),
                        PLACE + ": the synapses 'b.synapse' stand in front of 'c' without neurons"),
    "sums that round": (lambda: chain(
        lambda self, x: self.b(self.a(x)[:, :CHANNELS] + x / 3), into=CHANNELS),
        PLACE + ": add rounds its sums in front of 'b'.* Let what is added be multiples of a power of two"),
    "a third": (lambda: chain(lambda self, x: self.b(self.a(x) / 3)),
                PLACE + r": divide makes spikes arrive times 0\.333333 at 'b', which rounds.* Put the factor into"),
    "sums that round with other spikes": (lambda: chain(
        lambda self, x: self.b(self.a(h := x / 3)[:, :CHANNELS] + h), into=CHANNELS),
        "with other spikes, what arrives at 'b' is rounded|rounds its sums in front of 'b'"),
    "a maximum": (lambda: three(lambda self, x: self.b(torch.maximum(h := self.a(x), h.roll(1, 1)))),
                  PLACE + ": maximum stands between 'a' and 'b'. A maximum is no sum, and synapses only add"),
    "a constant": (lambda: chain(lambda self, x: self.b(self.a(x) + 1)),
                   PLACE + ": add stands between 'a' and 'b'; it joins spikes with a constant that is not 0"),
    "a constant beside spikes": (lambda: chain(
        lambda self, x: self.b(torch.cat([self.a(x)[:, 1:], torch.ones_like(x[:, :1])], 1))),
        PLACE + ": concatenate stands between 'a' and 'b'; it joins spikes with a constant that is not 0"),
    "numbers made for spikes alone": (lambda: chain(
        lambda self, x: self.b(self.a(x)[:, :CHANNELS] + torch.sigmoid(x)), into=CHANNELS),
        PLACE + ": add stands between 'a' and 'b'; it joins spikes with numbers that are none"),
    "nothing arrives": (lambda: chain(lambda self, x: self.b(self.a(x) * 0)), "nothing but zeros arrives at 'b'"),
    "weights too large": (lambda: chain(lambda self, x: self.b(self.a(x) * 90)), PLACE + ": a weight becomes"),
    "no block": (lambda: Model(lambda self, x: self.fc(x), fc=nn.Linear(STEPS, 2)), "calls no block of SLAYER's"),
    "blocks unused": (lambda: chain(lambda self, x: (self.b(self.a(x)), x * 2)[1]), "does not depend on its blocks"),
    "a script": (traced, "inside TorchScript nobody sees"),
    "half precision": (lambda: chain(lambda self, x: self.b(self.a(x))).double(),
                       "layer 'cuba1': .* is float64, and SLAYER's integers are exact in float32|Expected|expected"),
}  # fmt: skip
"""Name -> (module, words with which it is refused)."""


def x_of(name=None, samples=5):
    """Spikes as input."""
    import numpy as np

    shape = (2, 8, 8) if name in IMAGES else (CHANNELS,)
    return spikes(np.random.default_rng(3), samples, *shape, 8 if name in IMAGES else STEPS)
