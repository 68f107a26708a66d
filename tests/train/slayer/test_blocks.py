"""Whole blocks under `accelerate`: stock's spikes bit for bit, its gradients, its side effects, and when it is left alone."""

import contextlib
import copy
import importlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import spikeproof
from spikeproof.lava_procs import compat
from spikeproof.train.slayer.fused import products

pytest.importorskip("h5py")
if compat.available().lava_dl is None:
    pytest.skip("lava-dl is not installed", allow_module_level=True)
compat.apply()
slayer = importlib.import_module("lava.lib.dl.slayer")
block = slayer.block.cuba

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it

PARAMS = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.03, "tau_grad": 0.1, "requires_grad": True}
FUSED = ("LayerBackward", "_LayerBackward")


def raster(shape, density=0.1, seed=0, values=(1,)):
    generator = np.random.default_rng(seed)
    x = generator.choice(np.array(values, np.float32), shape) * (generator.random(shape) < density)
    return torch.from_numpy(x.astype(np.float32))


def spikes_of(net, x, seed=0):
    """What every block puts out, of one forward pass."""
    outputs = []
    hooks = [part.register_forward_hook(lambda _, __, out: outputs.append(out)) for part in net]
    torch.manual_seed(seed)
    net(x)
    for hook in hooks:
        hook.remove()
    return outputs


def learned(build, batches, *, accelerated):
    """Outputs of all blocks in all batches, gradients of inputs and parameters, buffers, and which blocks were fused."""
    torch.manual_seed(0)
    net, found, gradients = build(), [], []
    with spikeproof.accelerate() if accelerated else torch.enable_grad():
        for seed, x in enumerate(batches):
            x = x.clone().requires_grad_()
            net.zero_grad()
            outputs = spikes_of(net, x, seed)
            fused = [out.grad_fn is not None and out.grad_fn.name() in FUSED for out in outputs]
            weight = torch.randn(outputs[-1].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
            (outputs[-1] * weight.to(outputs[-1].dtype)).sum().backward()
            found += [out.detach() for out in outputs]
            gradients.append(
                {"input": x.grad} | {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
            )
    return found, gradients, dict(net.named_buffers()), fused


@contextlib.contextmanager
def events_up_to(share):
    """Let dense layers add up events up to this share of the entries; None for where it pays."""
    if share is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "densest_sums", lambda senders, neurons: share)
        patch.setattr(products, "densest_gradient", lambda neurons: share)
        yield


def far(a, b):
    """The largest difference, relative to the largest entry."""
    return float((a.double() - b.double()).abs().max() / b.abs().max().clamp(min=1e-30)) if b.numel() else 0.0


def check(build, *batches, fused=True, quiet=False):
    """Compare stock and accelerated; `fused` says of which blocks, or of all, that loops must have run them."""
    stock = learned(build, batches, accelerated=False)
    for share in (None, 0.0, 1.0):
        with events_up_to(share):
            ours = learned(build, batches, accelerated=True)
        _compare(ours, stock, fused=fused, quiet=quiet)


def _compare(ours, stock, *, fused, quiet):
    for a, b in zip(ours[0], stock[0], strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.is_contiguous() == b.is_contiguous()
        assert torch.equal(a, b)
    assert quiet or stock[0][-1].any(), "nothing fired"
    for a, b in zip(ours[1], stock[1], strict=True):
        assert a.keys() == b.keys()
        for name in b:
            # Decays and delays are sums that nearly vanish, and stock's are not exact: see the test with float64.
            assert far(a[name], b[name]) < (1e-3 if "decay" in name or "delay" in name else 2e-5), name
    for name, buffer in stock[2].items():
        assert torch.equal(ours[2][name], buffer), name
    if fused is not None:
        assert ours[3] == (fused if isinstance(fused, list) else [fused] * len(ours[3]))
    assert not any(stock[3])


def dense(**options):
    params = {**PARAMS, **options.pop("params", {})}
    return lambda: torch.nn.Sequential(
        block.Dense(params, 40, 70, weight_scale=4, **options), block.Dense(params, 70, 11, weight_scale=4, **options)
    )


def new_style(build):
    def normed():
        net = build()
        for part in net:
            torch.nn.utils.parametrizations.weight_norm(part.synapse, "weight")
        return net

    return normed


def masked():
    keep = torch.rand(70, 40, generator=torch.Generator().manual_seed(3)) < 0.7
    return torch.nn.Sequential(
        block.Dense(PARAMS, 40, 70, weight_scale=4, mask=keep), block.Dense(PARAMS, 70, 11, weight_scale=4)
    )


OPTIONS = {
    "plain": dense(),
    "old weight norm": dense(weight_norm=True),
    "new weight norm": new_style(dense()),
    "delays": dense(delay=True),
    "no shift": dense(delay_shift=False),
    "no shift, delays": dense(delay_shift=False, delay=True),
    "mask": masked,
    "a decay for each neuron": dense(params={"shared_param": False}),
    "decays at their ends": dense(params={"current_decay": 1.0, "voltage_decay": 0.0}),
    "decays that do not learn": dense(params={"requires_grad": False}),
    "other scale": dense(params={"scale": 128}),
    "weights as they are": dense(pre_hook_fx=None),
    "delays, norm, dropout": dense(delay=True, weight_norm=True, params={"dropout": slayer.neuron.Dropout(0.2)}),
    "dropout of all": dense(params={"dropout": slayer.neuron.Dropout(1.0)}),
}


@pytest.mark.parametrize("density", [0.06, 0.15, 0.5])
@pytest.mark.parametrize("name", OPTIONS)
def test_dense_blocks(name, density):
    batches = [raster((5, 40, 30), density, seed) for seed in (1, 2)] + [raster((3, 40, 30), density, 3)]
    check(OPTIONS[name], *batches, quiet=density < 0.1 or name == "dropout of all")


@pytest.mark.parametrize("values", [(1,), (1, -2, 3), (0.5,), (1.0526316,), (2.0**20,)], ids=str)
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_dense_blocks_of_any_values(values, density):
    """Sums of other than whole numbers depend on their order, so they are left to stock's product."""
    check(dense(), raster((4, 40, 20), density, 1, values), quiet=True, fused=True if max(values) < 2**20 else None)


def test_sums_that_float32_rounds_on_the_way_are_stocks():
    """Bytes whose sums are small in the end, and beyond 24 bits in the middle, where stock's product rounds."""
    half = 2100

    def build():
        net = torch.nn.Sequential(block.Dense({**PARAMS, "threshold": 8.0}, 2 * half, 9, pre_hook_fx=None))
        level = torch.randint(100, 128, (9, half), generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            net[0].synapse.weight.copy_(torch.cat([level, -level], 1).reshape(net[0].synapse.weight.shape) / 64)
        return net

    x = torch.randint(90, 128, (3, half, 12), generator=torch.Generator().manual_seed(2)).float()
    more = (torch.rand((3, half, 12), generator=torch.Generator().manual_seed(3)) < 0.001).float()
    check(build, torch.cat([x, x - more], 1))


@settings(max_examples=40, deadline=None)
@given(
    samples=st.sampled_from([1, 2, 9]),
    inputs=st.sampled_from([1, 2, 15, 16, 17, 33]),
    outputs=st.sampled_from([1, 15, 16, 17, 130]),
    steps=st.sampled_from([4, 5, 15, 16, 17, 40]),
    density=st.sampled_from([0.0, 0.01, 0.09, 0.11, 0.19, 0.21, 1.0]),
    delay=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_dense_blocks_of_any_size(samples, inputs, outputs, steps, density, delay, seed):
    def build():
        return torch.nn.Sequential(block.Dense(PARAMS, inputs, outputs, weight_scale=6, delay=delay))

    check(build, raster((samples, inputs, steps), density, seed), quiet=True)


def test_long_delays_and_the_last_step():
    def build():
        net = dense(delay=True)()
        net(raster((1, 40, 8)))
        with torch.no_grad():
            net[0].delay.delay.copy_(torch.linspace(0, 62, 70))
            net[1].delay.delay.copy_(torch.tensor([0, 0.99, 1, 6, 7, 8, 9, 30, 61.5, 62, 99]))
        return net

    for steps in (8, 9, 63, 64):
        check(build, raster((3, 40, steps), 0.2), quiet=True)


def test_images_arrive_at_a_dense_block():
    def build():
        return torch.nn.Sequential(block.Dense(PARAMS, (6, 5, 2), 20, weight_scale=4))

    check(build, raster((3, 2, 5, 6, 20), 0.1))


@pytest.mark.parametrize("size", [1e4, 1e7, 1e30, float("nan"), float("inf")])
def test_states_that_loops_do_not_hold_are_left_to_stock(size):
    x = raster((2, 40, 12), 0.3) * size
    stock, ours = (learned(dense(), [x], accelerated=accelerated) for accelerated in (False, True))

    assert all(torch.equal(a, b) for a, b in zip(stock[0], ours[0], strict=True))
    assert not ours[3][0]


def convolutions(**options):
    return lambda: torch.nn.Sequential(
        block.Conv(PARAMS, 2, 5, 3, stride=2, padding=1, weight_scale=4, **options),
        block.Conv(PARAMS, 5, 17, (3, 2), dilation=(1, 2), weight_scale=6, **options),
        block.Flatten(),
        block.Dense(PARAMS, 17 * 3 * 4, 6, weight_scale=8),
    )


def poolings(**options):
    return lambda: torch.nn.Sequential(
        block.Conv(PARAMS, 2, 4, 3, padding=1, weight_scale=4),
        block.Pool({**PARAMS, "threshold": 20.0}, 2, weight_scale=3, **options),
        block.Pool({**PARAMS, "threshold": 20.0}, (2, 1), weight_scale=4, **options),
    )


IMAGES = {
    "convolutions": (convolutions(), [True, True, False, True]),
    "convolutions, norm": (convolutions(weight_norm=True), [True, True, False, True]),
    "convolutions, delays": (convolutions(delay=True), [True, True, False, True]),
    "convolutions, no shift": (convolutions(delay_shift=False), [True, True, False, True]),
    "poolings": (poolings(), [True, True, True]),
    "poolings, delays": (poolings(delay=True), [True, True, True]),
}


@pytest.mark.parametrize("density", [0.01, 0.3])
@pytest.mark.parametrize("name", IMAGES)
def test_images(name, density):
    build, fused = IMAGES[name]
    size = (2, 10, 12) if name.startswith("conv") else (2, 8, 6)
    batches = [raster((3, *size, 20), density, seed) for seed in (1, 2)] + [raster((2, *size, 20), density, 3)]
    # Poolings of too many events are stock's.
    check(build, *batches, fused=None if name.startswith("pool") and density > 0.1 else fused, quiet=density < 0.1)


def test_groups_and_windows_over_an_edge_are_left_to_stock():
    def build():
        return torch.nn.Sequential(
            block.Conv(PARAMS, 2, 4, 3, groups=2, weight_scale=6), block.Pool(PARAMS, 2, weight_scale=3)
        )

    check(build, raster((2, 2, 9, 9, 15), 0.2), fused=False, quiet=True)


def recurrent(out=33, **options):
    params = {**PARAMS, "voltage_decay": 0.1, **options.pop("params", {})}

    def build():
        # A block changes the parameters that it is given.
        return torch.nn.Sequential(
            block.Recurrent(dict(params), 40, out, weight_scale=2, **options),
            block.Dense(PARAMS, out, 5, weight_scale=4),
        )

    return build


@pytest.mark.parametrize("density", [0.02, 0.1, 0.6])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"out": 1},
        {"out": 16},
        {"delay": True},
        {"delay_shift": False},
        {"params": {"shared_param": False}},
        {"params": {"threshold": 6.0}},
    ],
)
def test_recurrent_blocks(options, density):
    """States cross batches, until the batch has another size."""
    batches = [raster((4, 40, 25), density, seed) for seed in (1, 2)] + [raster((3, 40, 25), density, 3)]
    check(recurrent(**options), *batches, quiet=density < 0.1 or "out" in options)


def test_recurrent_blocks_behind_a_dropout():
    check(recurrent(), raster((4, 40, 20), 0.3, values=(1.0526316,)))
    dropped = recurrent(params={"dropout": slayer.neuron.Dropout(0.2)})
    check(dropped, raster((4, 40, 20), 0.3), fused=[False, True])
    check(lambda: dropped().eval(), raster((4, 40, 20), 0.3))


@pytest.mark.parametrize(
    "build", [dense(delay=True), convolutions(delay=True), recurrent()], ids=["dense", "conv", "rec"]
)
def test_gradients_are_those_of_float64(build):
    """Of the same spikes, which float64 has as long as every sum is exact."""
    x = raster((3, 2, 10, 12, 30) if build.__qualname__.startswith("conv") else (3, 40, 30), 0.15)
    stock, ours = (learned(build, [x], accelerated=accelerated) for accelerated in (False, True))

    def doubled():
        torch.set_default_dtype(torch.float32)
        net = build()
        net(x[:1])
        net.zero_grad()
        for module in net.modules():  # as if there had been no first call
            if hasattr(module, "delay_buffer"):
                del module.delay_buffer
        torch.set_default_dtype(torch.float64)
        return net.double()

    def singled():
        net = build()
        net(x[:1])
        return net

    stock, ours = (learned(singled, [x], accelerated=accelerated) for accelerated in (False, True))
    try:
        exact = learned(doubled, [x.double()], accelerated=False)
    finally:
        torch.set_default_dtype(torch.float32)
    for a, b in zip(exact[0], ours[0], strict=True):
        assert torch.equal(a.float(), b)
    for name, gradient in exact[1][0].items():
        assert far(ours[1][0][name], gradient) < 1e-5, (name, far(stock[1][0][name], gradient))


def test_whoever_listens_is_heard():
    seen = []
    for part in ("synapse", "neuron", "delay"):
        for add in ("register_forward_hook", "register_forward_pre_hook"):
            net = dense(delay=True)()
            net(raster((2, 40, 12)))
            getattr(getattr(net[0], part), add)(lambda *_, part=part: seen.append(part))
            with spikeproof.accelerate():
                out = net[0](raster((2, 40, 12)))
            assert seen.pop() == part
            assert out.grad_fn.name() not in FUSED


def test_what_is_changed_by_the_user_is_left_alone():
    x = raster((2, 40, 12), 0.3)
    net = dense()()
    net[0].neuron.spike = lambda voltage: voltage
    graded = dense(params={"graded_spike": True})()
    normed = dense(params={"norm": slayer.neuron.norm.MeanOnlyBatchNorm})()
    for each in (net, graded, normed):
        with spikeproof.accelerate():
            assert each[0](x).grad_fn.name() not in FUSED
    net = dense()()
    with spikeproof.accelerate(), spikeproof.saturate(net):
        assert net[0](x).grad_fn.name() not in FUSED


@torch.no_grad()  # stock cannot learn so
def test_states_that_persist_are_stocks():
    found = []
    for accelerated in (False, True):
        torch.manual_seed(0)
        net = dense(params={"persistent_state": True})()
        with spikeproof.accelerate() if accelerated else torch.no_grad():
            found.append([net(raster((2, 40, 12), 0.3, seed)) for seed in range(2)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_stocks_own_errors_stay():
    for x in (torch.zeros(2, 39, 12), torch.zeros(2, 40), torch.zeros(2, 40, 0)):
        errors = []
        for accelerated in (False, True):
            with spikeproof.accelerate() if accelerated else torch.enable_grad():
                try:
                    dense()()(x)
                except Exception as error:
                    errors.append((type(error), str(error)))
                else:
                    errors.append(None)
        assert errors[0] == errors[1]


def test_backward_twice_and_no_gradient():
    with spikeproof.accelerate():
        net, x = dense()(), raster((2, 40, 20), 0.3)
        out = net(x).sum()
        out.backward(retain_graph=True)
        first = net[0].synapse.weight.grad.clone()
        out.backward()
        assert torch.equal(net[0].synapse.weight.grad, 2 * first)
        with torch.no_grad():
            assert torch.equal(net(x), net.eval()(x))


def test_an_input_that_changes_before_the_backward_pass():
    """Where loops keep events, nothing depends on it any more; where they keep the input, torch's own error comes."""
    for density in (0.002, 0.5):
        net, x = dense()(), raster((2, 40, 20), density)
        with spikeproof.accelerate():
            out = net(x).sum()
            x.mul_(2)
            if density < 0.1:
                out.backward()
            else:
                with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                    out.backward()


def test_an_output_is_the_users_own():
    """Memory is used again when a tensor is gone, and not before."""
    with spikeproof.accelerate():
        net, x = dense()(), raster((2, 40, 20), 0.3)
        kept = [net(x)[0].detach(), net(x).detach().numpy(), net(x).detach().view(-1)[3:]]
        copies = [copy.deepcopy(each) for each in kept]
        for seed in range(5):
            net(raster((2, 40, 20), 0.9, seed)).sum().backward()
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(kept, copies, strict=True))


def test_the_module_stays_what_it_is():
    with spikeproof.accelerate():
        net, x = dense(delay=True)(), raster((2, 40, 20), 0.3)
        before = net(x)
        twin, loaded = copy.deepcopy(net), dense(delay=True)()
        loaded(x)
        loaded.load_state_dict(net.state_dict())
        assert torch.equal(twin(x), before)
        assert torch.equal(loaded(x), before)
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("build", [dense(delay=True), recurrent()], ids=["dense", "recurrent"])
def test_verify_says_the_same(build):
    torch.manual_seed(2)
    net, x = build(), raster((2, 40, 20), 0.3)
    net(x)
    net.eval()
    verdict = spikeproof.verify(net, x.numpy(), backends=("engine",))
    with spikeproof.accelerate():
        ours = spikeproof.verify(net, x.numpy(), backends=("engine",))
    assert verdict.exact
    assert str(ours) == str(verdict)


def test_results_do_not_depend_on_the_threads():
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(learned(dense(delay=True), [raster((9, 40, 30), 0.1)], accelerated=True))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(results[0][0], results[1][0], strict=True))
    assert far(results[0][1][0]["0.synapse.weight"], results[1][1][0]["0.synapse.weight"]) < 1e-6
