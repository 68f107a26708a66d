"""The Triton kernels on a CUDA device: the reference, bit for bit forward."""

import pytest
import torch

from spikeproof.train.blocks import firing
from spikeproof.train.kernels import reference, select
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.runs.models import Classifier

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

SHAPES = [(1, 1, 1), (3, 7, 2), (3, 88, 784), (17, 33, 12)]
DTYPES = [(torch.float32, 1e-6), (torch.float64, 1e-13)]


def problem(shape, dtype, seed=0):
    """Half of the currents anywhere a register can go, half of them around the threshold."""
    g = torch.Generator().manual_seed(seed)
    unit, n = 2.0**-12, shape[1]
    wild = torch.randint(-(2**23), 2**23 + 1, shape, generator=g).to(dtype) * unit
    calm = torch.randint(-4096, 4097, shape, generator=g).to(dtype) * unit
    z = torch.where(torch.rand(shape, generator=g) < 0.1, wild, calm)
    te = torch.randint(-128, 128, shape[1:], generator=g).to(dtype) / 512
    keep = [torch.randint(0, 4097, (n,), generator=g).double() / 4096 for _ in range(2)]
    weight = torch.randn(shape, generator=g, dtype=dtype)
    z, te, keep_v, keep_h, weight = (x.cuda() for x in (z, te, *keep, weight))
    return z, te, CELIFConstants(keep_v, keep_h, 0.25, unit, half_width=0.2, height=0.7), weight


def gradients(kind, fire, weight, *inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    with select.use(kind):
        out = fire(*inputs)
        return out.detach(), *torch.autograd.grad((out * weight).sum(), inputs)


@pytest.mark.parametrize(("dtype", "near"), DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_celif_is_the_reference(shape, dtype, near):
    z, te, constants, weight = problem(shape, dtype)

    def fire(z, te):
        return firing.Fire.apply(z, te, constants)

    ours, theirs = (gradients(kind, fire, weight, z, te) for kind in select.KINDS)
    packed = select.kernels(z.device).celif_forward(z, te, constants)[1][0]
    registers = reference.celif_scan(z, te, constants)

    assert torch.equal(ours[0], theirs[0])
    assert torch.equal((packed >> 2).mT * 2.0**-12, registers.v.double())
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        assert torch.allclose(a, b, rtol=0, atol=near * max(1.0, b.abs().max().item()))


def test_a_network_scores_as_on_the_cpu():
    torch.manual_seed(0)
    module, x = Classifier(1, (40, 33), 4, 20), torch.rand(9, 1, 30)

    assert torch.equal(module(x), module.cuda()(x.cuda()).cpu())
