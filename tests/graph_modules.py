"""Modules whose networks are graphs, as users write them."""

import numpy as np
import torch
from slayer_nets import slayer
from torch import nn
from torch.nn import functional

PARAMS = {"threshold": 0.5, "current_decay": 0.25, "voltage_decay": 0.1}
INPUTS = 12


def dense(inputs, outputs, **options):
    return slayer.block.cuba.Dense(PARAMS, inputs, outputs, weight_scale=2, **options)


def conv(inputs, outputs, **options):
    return slayer.block.cuba.Conv(PARAMS, inputs, outputs, 3, padding=1, weight_scale=2, **options)


class Net(nn.Module):
    """A module of the given parts whose forward pass is a function of it and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.does = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *x):
        return self.does(self, *x)


def residual(**options):
    def forward(self, x):
        h = self.a(x)
        return self.c(h + self.b(h))

    return Net(forward, a=dense(INPUTS, 10, **options), b=dense(10, 10, **options), c=dense(10, 5, **options))


def concatenated(**options):
    def forward(self, x):
        h = self.a(x)
        return self.c(torch.cat([h, self.b(h)], 1))

    return Net(forward, a=dense(INPUTS, 10, **options), b=dense(10, 8, **options), c=dense(18, 5, **options))


def two_heads():
    def forward(self, x):
        h = self.a(x)
        return self.b(h), self.c(h[:, ::2].repeat_interleave(2, 1))

    return Net(forward, a=dense(INPUTS, 10), b=dense(10, 8), c=dense(10, 5))


def second_head_first():
    def forward(self, x):
        h = self.a(x)
        early, late = self.b(h), self.c(h)
        return late.mean(-1), early.mean(-1)

    return Net(forward, a=dense(INPUTS, 10), b=dense(10, 8), c=dense(10, 5))


def block_twice():
    return Net(lambda self, x: self.c(self.b(self.b(self.a(x)))), a=dense(INPUTS, 10), b=dense(10, 10), c=dense(10, 5))


def weights_shared_by_two_sides():
    return Net(lambda self, x: self.c(self.a(x) - self.a(x.flip(1))), a=dense(INPUTS, 10), c=dense(10, 5))


def two_bodies():
    """Two networks that nothing connects, and a host that adds what they put out."""
    return Net(lambda self, x: self.a(x).sum(-1) + self.b(x).sum(-1), a=dense(INPUTS, 5), b=dense(INPUTS, 5))


def two_inputs():
    return Net(lambda self, x, y: self.c(self.a(x) + self.b(y)), a=dense(INPUTS, 10), b=dense(6, 10), c=dense(10, 5))


def sliced_input():
    def forward(self, x):
        return self.c(self.a(x[:, :8]) + self.b(x[:, 8:]))

    return Net(forward, a=dense(8, 10), b=dense(INPUTS - 8, 10), c=dense(10, 5))


def input_skip(**options):
    return Net(lambda self, x: self.c(x + self.a(x)), a=dense(INPUTS, INPUTS, **options), c=dense(INPUTS, 5, **options))


def encoded_skip():
    """The host makes spikes, which two blocks receive: one as they are, one in another order, added to spikes."""

    def forward(self, x):
        e = (x + x.roll(1, -1) > 0.5).float()
        return self.c(self.a(e) + e.flip(1)), self.d(torch.cat([e[:, 1:], self.a(e)], 1))

    return Net(forward, a=dense(INPUTS, INPUTS), c=dense(INPUTS, 5), d=dense(2 * INPUTS - 1, 4))


def encoded_images():
    def forward(self, x):
        e = (x.sum(1, keepdim=True) + x > 1).float()
        h = self.a(e) + functional.pad(e[..., :-2], (2, 0))
        return self.d(h.flatten(1, 3))

    return Net(forward, a=conv(2, 2), d=dense(2 * 64, 5))


def channels_last():
    """Samples with their steps in front of their channels, which the host swaps for all blocks."""

    def forward(self, x):
        e = x.transpose(1, 2)
        return self.c(self.a(e) + e)

    return Net(forward, a=dense(INPUTS, INPUTS), c=dense(INPUTS, 5))


def still_image():
    """A vector that is shown for 16 steps."""

    def forward(self, x):
        e = x[..., None].repeat(1, 1, 16)
        return self.c(torch.cat([self.a(e), e], 1))

    return Net(forward, a=dense(INPUTS, INPUTS), c=dense(2 * INPUTS, 5))


def views_of_encoded():
    """One block receives a view of what the host made, and another what this was made a view of, before a cast."""

    def forward(self, x):
        e = x + x.roll(1, -1) > 0.5
        h = self.a(e.float().flip(1).unflatten(1, (3, 4)).flatten(1, 2))
        return self.c(torch.cat([h + e, e.unsqueeze(1).flatten(1, 2)], 1))

    return Net(forward, a=dense(INPUTS, INPUTS), c=dense(2 * INPUTS, 5))


def sliced_twice():
    """Parts of what the host made, each taken once for a block and once for what joins its spikes."""

    def forward(self, x):
        e = (x + x.roll(1, -1) > 0.5).float()
        h = self.a(e[:, :5])
        return self.c(torch.cat([h, 2 * e[:, :5].flip(1), e[:, :5].mT.mT], 1))

    return Net(forward, a=dense(5, 10), c=dense(20, 5))


def encoded_in_a_loop(twice):
    def forward(self, x):
        encoded, out = (3 * x > 2).float(), []
        for t in range(x.shape[-1]):
            e = encoded[..., t : t + 1]
            again = encoded[..., t : t + 1] if twice else e
            out.append(self.c(torch.cat([self.a(e), again], 1)))
        return torch.cat(out, -1)

    kept = {**PARAMS, "persistent_state": True}
    return Net(
        forward,
        a=slayer.block.cuba.Dense(dict(kept), INPUTS, 10, weight_scale=2),
        c=slayer.block.cuba.Dense(dict(kept), INPUTS + 10, 5, weight_scale=2),
    )


def delayed_skip():
    def forward(self, x):
        h = self.a(x)
        return self.c(h + functional.pad(h[..., :-3], (3, 0)))

    return Net(forward, a=dense(INPUTS, 10), c=dense(10, 5))


def moving_sum():
    """Every neuron's spikes of three steps, those of odd neurons of one step more."""

    def forward(self, x):
        h = self.a(x)
        late = functional.pad(h[..., :-1], (1, 0))
        return self.c(h + late + functional.pad(late[:, 1::2, :-1], (1, 0)).repeat_interleave(2, 1))

    return Net(forward, a=dense(INPUTS, 10), c=dense(10, 5))


def feedback_loop():
    """A loop over time in which what a block put out in a step is part of what it receives in the next."""

    def forward(self, x):
        h, out = torch.zeros(len(x), 10, 1), []
        for t in range(x.shape[-1]):
            h = self.a(torch.cat([x[..., t : t + 1], h], 1))
            out.append(self.c(h))
        return torch.cat(out, -1)

    kept = {**PARAMS, "persistent_state": True}
    return Net(
        forward,
        a=slayer.block.cuba.Dense(dict(kept), INPUTS + 10, 10, weight_scale=1.2),
        c=slayer.block.cuba.Dense(dict(kept), 10, 5, weight_scale=2),
    )


def residual_conv():
    def forward(self, x):
        h = self.a(x)
        h = h + self.b(h)
        return self.d((h + self.c(h)).flatten(1, 3))

    return Net(forward, a=conv(2, 3), b=conv(3, 3), c=conv(3, 3), d=dense(3 * 64, 5))


def u_net():
    def forward(self, x):
        h = self.a(x)
        low = self.b(self.p(h))
        up = low.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return self.d(self.c(torch.cat([h, up], 1)).flatten(1, 3))

    pool = slayer.block.cuba.Pool(PARAMS, 2, weight_scale=2)
    return Net(forward, a=conv(2, 3), p=pool, b=conv(3, 4), c=conv(7, 2), d=dense(2 * 64, 5))


def pooled(pool):
    """An average between convolutions, whose weights can be divided by 4."""

    def build():
        module = Net(lambda self, x: self.b(pool(self.a(x))), a=conv(2, 4), b=conv(4, 3))
        weight = module.b.synapse.weight.data
        weight.copy_((weight.clamp(-1.5, 1.5) * 8).round() / 8)
        return module

    return build


def channels_chosen():
    """A convolution of permuted and dropped channels, and of twice the same one."""

    def forward(self, x):
        h = self.a(x)
        return self.b(h[:, [3, 0, 0]])

    return Net(forward, a=conv(2, 4), b=conv(3, 3))


def down_sampled():
    return Net(lambda self, x: self.b(self.a(x)[:, :, ::2, 1::2]), a=conv(2, 3), b=conv(3, 3))


def upsampled():
    def forward(self, x):
        h = self.a(x)
        moved = h.permute(0, 4, 1, 2, 3).flatten(0, 1)
        moved = functional.interpolate(moved, scale_factor=2, mode="nearest")
        return self.b(moved.reshape(len(x), -1, *moved.shape[1:]).permute(0, 2, 3, 4, 1))

    return Net(forward, a=conv(2, 2), b=conv(2, 2))


def spikes(*shape, seed=0):
    return (np.random.default_rng(seed).random(shape) < 0.3).astype(np.float32)


X = spikes(4, INPUTS, 20)
Y = spikes(4, 6, 20, seed=1)
IMAGES = spikes(3, 2, 8, 8, 12)

GRAPHS = {
    "residual": (residual, X),
    "residual without shift": (lambda: residual(delay_shift=False), X),
    "residual with delays": (lambda: residual(delay=True), X),
    "concatenated": (concatenated, X),
    "concatenated without shift": (lambda: concatenated(delay_shift=False), X),
    "two heads": (two_heads, X),
    "second head first": (second_head_first, X),
    "block twice": (block_twice, X),
    "weights shared by two sides": (weights_shared_by_two_sides, X),
    "two bodies": (two_bodies, X),
    "two inputs": (two_inputs, (X, Y)),
    "sliced input": (sliced_input, X),
    "input skip": (input_skip, X),
    "input skip without shift": (lambda: input_skip(delay_shift=False), X),
    "encoded skip": (encoded_skip, X),
    "encoded images": (encoded_images, IMAGES),
    "channels last": (channels_last, X.swapaxes(1, 2).copy()),
    "still image": (still_image, X[..., 0]),
    "views of encoded": (views_of_encoded, X),
    "sliced twice": (sliced_twice, X),
    "encoded in a loop": (lambda: encoded_in_a_loop(twice=False), X),
    "encoded in a loop, sliced twice": (lambda: encoded_in_a_loop(twice=True), X),
    "average pooling": (pooled(lambda h: functional.avg_pool3d(h, (2, 2, 1))), IMAGES),
    "average pooling with overlap": (pooled(nn.AvgPool3d((2, 2, 1), stride=(1, 2, 1))), IMAGES),
    "average pooling of each step": (
        pooled(
            lambda h: functional.avg_pool2d(h.movedim(-1, 1).flatten(0, 1), 2).unflatten(0, (len(h), -1)).movedim(1, -1)
        ),
        IMAGES,
    ),
    "delayed skip": (delayed_skip, X),
    "moving sum": (moving_sum, X),
    "feedback loop": (feedback_loop, X),
    "residual convolutions": (residual_conv, IMAGES),
    "u-net": (u_net, IMAGES),
    "channels chosen": (channels_chosen, IMAGES),
    "down-sampled": (down_sampled, IMAGES),
    "up-sampled": (upsampled, IMAGES),
}
"""What is in front of the user -> the module, and an input."""
