"""Fused kernels: forward the contract bit for bit, backward the reference's gradients."""

import os
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import UnsupportedError
from spikeproof.contract.fixed import DECAY_ONE, STATE_MAX
from spikeproof.contract.neurons import celif as celif_contract
from spikeproof.train.blocks import celif, cuba, firing, synapse
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.kernels import cpu, reference, select
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.kernels.cpu import celif as cpu_celif
from spikeproof.train.kernels.cpu import threads
from spikeproof.train.runs.models import Classifier

SHAPES = [(1, 1, 1), (3, 7, 2), (1, 88, 784), (3, 513, 40), (1, 513, 2), (3, 1, 784), (17, 7, 12)]
"""Batch, neurons, steps. 17 samples make parts of unequal size."""
EXACT = {torch.float32: 2**24 - 1, torch.float64: 2**40}
"""Currents to draw from, in state units: what the dtype holds exactly."""
KINDS = ("wild", "zero", "one")


def draw(rng, shape, edges, low, high):
    """Integers of a range, half of them from a list of edges."""
    wide = rng.integers(low, high, shape, endpoint=True)
    return np.where(rng.random(shape) < 0.5, rng.choice(np.array(edges, np.int64), shape), wide)


def te_of(rng, kind, steps, n):
    return np.zeros((steps, n), np.int64) if kind == "zero" else draw(rng, (steps, n), [0, 1, -1, 127, -128], -128, 127)


def sums_of(rng, kind, shape, top, tie):
    """Currents in state units: everything, nothing, or enough to fire at each step."""
    if kind == "zero":
        return np.zeros(shape, np.int64)
    if kind == "one":
        return np.full(shape, STATE_MAX)
    ends = [STATE_MAX, STATE_MAX + 1, STATE_MAX - 1, top]
    near = draw(rng, shape, [0, 1, -1, tie, tie + 1, tie - 1, *ends, *(-e for e in ends)], -2 * tie, 2 * tie)
    return near


def decays(rng, n, *more):
    return draw(rng, n, [0, 1, DECAY_ONE, DECAY_ONE - 1, 2048, 41, *more], 0, DECAY_ONE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_celif_forward_is_the_contract_bit_for_bit(shape, kind, dtype):
    batch, n, steps = shape
    rng = np.random.default_rng(steps * n + batch)
    params = celif_contract.CELIF(
        num_neurons=n, v_decay=decays(rng, n, 4096, 4096, 4096), th_decay=decays(rng, n), v_th_mant=int(rng.choice([0, 19, 77, 2**17 - 1] if kind == "wild" else [77])), te_exp=int(rng.choice([0, 9, 23])), a_shift=0
    )  # fmt: skip
    sums, te = sums_of(rng, kind, shape, EXACT[dtype], params.v_th_mant * 64), te_of(rng, kind, steps, n)
    unit = 2.0**-12

    keeps = (torch.as_tensor(1 - decay / 4096) for decay in (params.v_decay, params.th_decay))
    constants = CELIFConstants(*keeps, params.v_th_mant * 64 * unit, unit, half_width=0.2, height=1.0)
    z, encoding = torch.as_tensor(sums * unit, dtype=dtype), torch.as_tensor(te.T * 2.0**-params.te_exp, dtype=dtype)
    spikes, packed, h = cpu_celif.celif_states(z, encoding, constants, with_h=True)

    state, ties = params.reset((batch,)), 0
    for t in range(steps):
        s, state = params.step(state, sums[..., t], te[t])
        theta = params.threshold(state.h)
        assert np.array_equal(spikes[:, t], s)
        assert np.array_equal(packed[:, t] >> 2, state.v)
        assert np.array_equal(h[:, t], state.h)
        assert np.array_equal(packed[:, t] & 1, s)
        assert np.array_equal(packed[:, t] >> 1 & 1, abs(state.v - theta) < 0.2 / unit)
        ties += (state.v == theta).sum()
    if kind == "wild" and n > 80:
        assert spikes.any() and not spikes.all() and ties > 0
        assert (packed >> 2).max() == STATE_MAX and (packed >> 2).min() == -STATE_MAX
        assert h.max() > 0 > h.min()
    assert spikes.any() if kind == "one" else kind == "wild" or not spikes.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_biases_of_any_size_are_added_exactly(dtype):
    """A bias of float64 beside weights of float32 may be one that float32 rounds, and takes float64 with it."""
    unit, n = 2.0**-12, 64
    rng = np.random.default_rng(5)
    weight = torch.as_tensor(
        draw(rng, (n, 3), [0, 2**22, -(2**22), 2**23], -(2**23), 2**23) * unit, dtype=torch.float32
    )
    edges = [sign * (2**power + near) for sign in (1, -1) for power in (23, 24, 25) for near in (-1, 0, 1)]
    bias = torch.as_tensor(draw(rng, n, edges, -(2**25), 2**25) * unit).to(dtype)
    keeps = [torch.full((n,), 0.5, dtype=torch.float64), torch.full((n,), 0.75, dtype=torch.float64)]
    constants = CELIFConstants(*keeps, 0.25, unit, half_width=0.2, height=1.0)
    x, te = torch.randint(0, 2, (2, 3, 20)).float(), torch.randint(-128, 128, (n, 20)) / 512
    fired, (_, packed) = cpu.celif_dense.forward(x, weight, bias, None, te, constants)

    z = torch.einsum("oi,nit->not", weight.double(), x.double()) + bias.double()[:, None]
    wanted = reference.celif_scan(z, te.double(), constants)
    assert torch.equal(fired.double(), wanted.s)
    assert torch.equal((packed >> 2).transpose(1, 2) * unit, wanted.v)


def celif_problem(shape, dtype, seed=0):
    g = torch.Generator().manual_seed(seed)
    n = shape[1]
    te = torch.round(torch.randn(shape[1:], generator=g, dtype=dtype) * 0.05 * 512) / 512
    keep = [1 - torch.randint(0, 4097, (n,), generator=g).double() / 4096 for _ in range(2)]
    z = torch.randn(shape, generator=g, dtype=dtype) * 0.3
    constants = CELIFConstants(*keep, 0.25, 2.0**-12, half_width=0.2, height=0.7)
    return z, te, constants, torch.randn(shape, generator=g, dtype=dtype)


def gradients(kind, fire, weight, *inputs):
    """Output and gradients of ``sum(fire(*inputs) * weight)`` on one kind of kernels."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    with select.use(kind):
        out = fire(*inputs)
        return out.detach(), *torch.autograd.grad((out * weight).sum(), inputs)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("shape", SHAPES)
def test_celif_gradients_are_the_references(shape, dtype, near):
    z, te, constants, weight = celif_problem(shape, dtype)

    def fire(z, te):
        return firing.Fire.apply(z, te, constants)

    ours = gradients("fused", fire, weight, z, te)
    theirs = gradients("reference", fire, weight, z, te)

    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
    assert torch.allclose(ours[2], theirs[2], rtol=0, atol=near * max(1.0, theirs[2].abs().max().item()))
    if z.numel() > 1000:
        assert ours[0].any() and theirs[2].abs().max() > 0.1


@pytest.mark.parametrize("kind", select.KINDS)
def test_gradients_are_the_papers_recursion_in_float64(kind):
    """arXiv 2308.15150, equations 5 to 7, written with the sums over k that its eight-numbered equations eliminate lambda to."""
    steps, n, batch, beta = 25, 3, 4, 1 - 41 / 4096
    z, te, _, weight = celif_problem((batch, n, steps), torch.float64, seed=3)
    keep = [torch.full((n,), value, dtype=torch.float64) for value in (0.5, beta)]
    constants = CELIFConstants(*keep, 0.25, 2.0**-12, half_width=0.2, height=1.0)
    registers = reference.celif_scan(z, te, constants)
    u, s = registers.v.numpy(), registers.s.numpy()
    g = (abs(u - registers.theta.numpy()) < 0.2).astype(float)
    delta = np.zeros((batch, n, steps + 1))
    fired = np.zeros((batch, n, steps + 1))
    for t in reversed(range(steps)):
        fired[..., t] = (weight.numpy()[..., t] - 0.5 * u[..., t] * delta[..., t + 1]) * g[..., t]
        highway = sum(beta ** (k - t - 1) * fired[..., k] for k in range(t + 1, steps))
        reach = te.numpy()[:, t + 1] * highway if t + 1 < steps else 0
        delta[..., t] = fired[..., t] + 0.5 * (1 - s[..., t]) * delta[..., t + 1] - reach

    _, grad, _ = gradients(kind, lambda z, te: firing.Fire.apply(z, te, constants), weight, z, te)

    assert s.sum() > 20 and g.sum() > 50
    assert np.allclose(grad, delta[..., :-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_registers_are_the_references(shape, dtype):
    z, te, constants, _ = celif_problem(shape, dtype)
    ours, theirs = (kernels.celif_scan(z * 30, te, constants) for kernels in (cpu, reference))

    for name, register in theirs._asdict().items():
        assert getattr(ours, name).dtype == dtype
        assert torch.equal(getattr(ours, name), register), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1, 30, 30_000])
def test_integers_are_the_references_registers(shape, dtype, factor):
    """Factors up to where the membrane, the adaptation and the threshold saturate."""
    z, te, constants, _ = celif_problem(shape, dtype)
    scanned = reference.celif_scan((z * factor).double(), te, constants)
    for kernels in (cpu, reference):
        found = kernels.celif_integers(z * factor, te, constants)
        for name, register in scanned._asdict().items():
            unit = 1 if name == "s" else constants.unit
            assert getattr(found, name).dtype == torch.int32
            assert torch.equal(getattr(found, name).double() * unit, register), (kernels.__name__, name)


@pytest.mark.parametrize("delay", [None, "axon", "synapse"])
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("make", [celif.Dense, cuba.Dense])
def test_a_blocks_integers_are_its_registers_in_units(make, graded, delay):
    torch.manual_seed(0)
    more = {"temporal_encoding": celif.TemporalEncoding(9, 40)} if make is celif.Dense else {}
    more |= {"input_exp": -4, "input_bits": 6} if graded else {}
    block = make({"scale": 128}, 4, 9, delay=delay, **more)
    x = torch.rand(5, 4, 40) * 3 if graded else (torch.rand(5, 4, 40) < 0.5).float()
    for kind in select.KINDS:
        with select.use(kind), torch.no_grad():
            found, registers = block.variables(x, block(x)), block.registers(x)
        for name, values in found.items():
            assert values.dtype == np.int32
            unit = 1 if name == "s" else block.neuron.unit
            assert np.array_equal(values * unit, getattr(registers, name).double().numpy()), name
        assert found["s"].any() and set(found) == set(registers._fields)


def test_a_blocks_registers_are_those_of_the_kernels_in_use():
    torch.manual_seed(0)
    block = celif.Dense({}, 4, 9, temporal_encoding=celif.TemporalEncoding(9, 12))
    x, seen = (torch.rand(5, 4, 12) < 0.5).float() * 3, []
    for kind in select.KINDS:
        with select.use(kind):
            seen.append(block.registers(x))
            assert torch.equal(block(x), seen[-1].s)
    assert seen[0].s.any()
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def network(batch=5, steps=30, seed=0):
    torch.manual_seed(seed)
    module = Classifier(2, (12, 33, 7), 4, 20)  # 20 columns of the encoding, 30 steps: it wraps
    return module, torch.rand(batch, 2, steps), torch.arange(batch) % 4


def learn(module, x, y):
    """Scores and gradients of one step."""
    module.zero_grad()
    scores = module(x)
    torch.nn.functional.cross_entropy(scores, y).backward()
    return [scores.detach(), *(p.grad.clone() for p in module.parameters())]


def test_a_network_learns_alike_on_both():
    module, x, y = network()
    ours = learn(module, x, y)
    with select.use("reference"):
        theirs = learn(module, x, y)

    assert torch.equal(ours[0], theirs[0])
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        assert b.abs().max() > 0
        assert torch.allclose(a, b, rtol=0, atol=2e-6 * b.abs().max().item())


def test_a_shared_encoding_adds_up_the_layers_gradients():
    encoding = celif.TemporalEncoding(6, 4)
    wide, narrow = (celif.Dense({}, i, o, temporal_encoding=encoding) for i, o in ((2, 6), (6, 3)))
    torch.manual_seed(0)
    x = (torch.rand(3, 2, 9) < 0.5).float() * 3
    spikes = wide(x).detach()
    grads = []
    for kind in select.KINDS:
        with select.use(kind):
            apart = [
                torch.autograd.grad(block(a).sum(), encoding.weight)[0] for block, a in ((wide, x), (narrow, spikes))
            ]
            together = torch.autograd.grad(wide(x).sum() + narrow(spikes).sum(), encoding.weight)[0]
        assert torch.allclose(together, apart[0] + apart[1])
        grads.append(together)
    assert grads[0].abs().max() > 0
    assert torch.allclose(*grads)


def test_results_do_not_depend_on_the_number_of_threads_nor_on_the_run():
    module, x, y = network(batch=37)
    before = torch.get_num_threads()
    try:
        runs = []
        for number in (1, 2, 3, 2):
            torch.set_num_threads(number)
            runs.append(learn(module, x, y))
    finally:
        torch.set_num_threads(before)

    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0][:9], run[:9], strict=True))


def test_the_layout_in_memory_does_not_matter():
    z, te, constants, weight = celif_problem((3, 7, 12), torch.float32)
    plain, turned = (
        gradients("fused", lambda z: firing.Fire.apply(z, te, constants), weight, x) for x in (z, z.mT.contiguous().mT)
    )

    assert all(torch.equal(a, b) for a, b in zip(plain, turned, strict=True))
    assert firing.Fire.apply(z.mT.contiguous().mT, te, constants).mT.is_contiguous()


@pytest.mark.parametrize("kind", select.KINDS)
@pytest.mark.parametrize(("first", "then"), [(1.0, 1.0), (300.0, 300.0), (300.0, -300.0)])
def test_a_readout_counts_first_only_where_it_may(kind, first, then):
    """Spikes, a register that saturates, and one that saturates on the way to a small sum."""
    torch.manual_seed(0)
    readout = Readout(5, 3, scale=256, a_shift=6, weight_scale=2.0)
    x = (torch.rand(4, 5, 30) < 0.5).float()
    x = torch.cat([x * first, x * then], dim=-1)
    with select.use(kind):
        scores = readout(x.requires_grad_())
        (grad,) = torch.autograd.grad(scores.sum(), x)

    assert torch.equal(scores, (readout.registers(x)[..., -1] / 60).float())
    assert torch.allclose(grad, (readout.synapse.quantized()[0].sum(0) / 60)[:, None].expand_as(grad))


def test_no_samples_give_no_spikes():
    module, x, _ = network()

    assert module.blocks[0](x[:0]).shape == (0, 12, 30)
    module.blocks[0](x[:0]).sum().backward()


def test_hooks_and_parametrizations_see_their_modules_called():
    block = celif.Dense({}, 2, 3, temporal_encoding=celif.TemporalEncoding(3, 4))
    x = (torch.rand(2, 2, 4) < 0.5).float() * 3
    plain, seen = block(x), []
    handle = block.synapse.register_forward_hook(lambda module, args, z: seen.append(z.clone()))

    assert torch.equal(block(x), plain)
    assert torch.equal(seen[0], block.current(x))
    handle.remove()
    assert celif.is_plain(block.synapse, synapse.Dense)
    torch.nn.utils.parametrizations.weight_norm(block.synapse)
    assert not celif.is_plain(block.synapse, synapse.Dense)


def test_second_derivatives_are_refused():
    z, te, constants, _ = celif_problem((1, 2, 3), torch.float32)
    z.requires_grad_()
    spikes = firing.Fire.apply(z, te, constants)
    (first,) = torch.autograd.grad(spikes.sum() * z.sum(), z, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_the_environment_chooses(monkeypatch):
    device = torch.device("cpu")
    monkeypatch.delenv(select.VARIABLE, raising=False)
    assert select.kernels(device) is cpu
    monkeypatch.setenv(select.VARIABLE, "reference")
    assert select.kernels(device) is reference
    with select.use("fused"):
        assert select.kernels(device) is cpu
    monkeypatch.setenv(select.VARIABLE, "fast")
    with pytest.raises(UnsupportedError, match=r"SPIKEPROOF_KERNELS = 'fast' is unknown; choose fused or reference\."):
        select.kernels(device)
    with pytest.raises(UnsupportedError, match="'slow' is unknown"), select.use("slow"):
        pass


def test_without_numba_the_reference_runs_and_says_so_once(monkeypatch):
    monkeypatch.setattr(select.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(select, "_warned", set())

    with pytest.warns(UserWarning, match="numba is not installed.*pip install numba"):
        assert select.kernels(torch.device("cpu")) is reference
    assert select.kernels(torch.device("cpu")) is reference
    assert select.kernels(torch.device("meta")) is reference


def test_importing_the_blocks_does_not_load_numba():
    code = "import sys, spikeproof.train.blocks.celif; print('numba' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_the_kernels_threads_change_the_number_for_no_other(monkeypatch):
    monkeypatch.setattr(threads, "_pools", {})
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        threads.share(lambda part: seen.append(torch.get_num_threads()), 4)
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1, 1, 1]


def test_an_error_in_a_part_reaches_the_caller(monkeypatch):
    def task(part):
        if part == 3:
            raise ValueError("part 3")

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with pytest.raises(ValueError, match="part 3"):
        threads.share(task, 5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_makes_threads_of_its_own():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threads.share(lambda part: None, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads is what is tested
            child = os.fork()
        if child == 0:
            signal.alarm(30)
            done = []
            threads.share(done.append, 4)
            os._exit(0 if sorted(done) == [0, 1, 2, 3] else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(before)
