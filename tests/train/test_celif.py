"""The torch CE-LIF: forward equal to the contract bit for bit, backward equal to the paper's gradients."""

import numpy as np
import pytest
import strategies as some
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeproof.contract.errors import InputError, RecordError, UnsupportedError
from spikeproof.contract.neurons import celif as contract
from spikeproof.export.slayer import record
from spikeproof.train.blocks import celif, firing
from spikeproof.train.blocks.readout import Readout
from spikeproof.train.kernels import cpu, reference
from spikeproof.train.kernels.api import CELIFConstants
from spikeproof.train.runs.models import Classifier


def contract_registers(params, sums, te):
    """The contract's registers for sums (T, N) and te (T, N), each of shape (T, N)."""
    state = params.reset()
    rows = []
    for x_t, te_t in zip(sums, te, strict=True):
        _, state = params.step(state, x_t, te_t)
        rows.append((*state, params.threshold(state.h)))
    return (np.array(column) for column in zip(*rows, strict=True))


@given(st.data())
def test_scans_are_the_contract_bit_for_bit(data):
    n, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12))
    params = contract.CELIF(
        num_neurons=n,
        v_decay=data.draw(some.arrays(some.decays, n)),
        th_decay=data.draw(some.arrays(some.decays, n)),
        v_th_mant=data.draw(some.thresholds),
        te_exp=data.draw(some.edged(0, 23, 9)),
        a_shift=0,
    )
    sums = data.draw(some.arrays(some.anything, steps, n))
    te = data.draw(some.arrays(some.encodings, steps, n))
    unit = 2.0 ** -data.draw(st.integers(0, 14))

    keeps = (torch.as_tensor(1 - decay / 4096) for decay in (params.v_decay, params.th_decay))
    constants = CELIFConstants(*keeps, params.v_th_mant * 64 * unit, unit, half_width=0.2, height=1.0)
    operands = torch.as_tensor(sums.T[None] * unit), torch.as_tensor(te.T * 2.0**-params.te_exp), constants

    v, h, s, theta = contract_registers(params, sums, te)
    for kernels in (reference, cpu):
        got = kernels.celif_scan(*operands)
        assert np.array_equal(got.s[0].T, s)
        assert np.array_equal(got.v[0].T / unit, v)
        assert np.array_equal(got.h[0].T / unit, h)
        assert np.array_equal(got.theta[0].T / unit, theta)


@given(st.data())
def test_a_block_is_its_record(data):
    """Weights, biases, encoding, thresholds and input of any value: the block's registers are its record's."""
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    n_in, n, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5)), data.draw(st.integers(1, 20))
    size = data.draw(st.sampled_from((0.1, 1.0, 30.0)))
    encoding = celif.TemporalEncoding(n + 1, data.draw(st.integers(1, 25)), mean=0.0, std=0.2 * size)
    params = {
        "threshold": data.draw(st.sampled_from((0.0, 0.01, 0.3, 2.0))),
        "voltage_decay": data.draw(st.sampled_from((0.0, 0.001, 0.5, 1.0))),
        "threshold_decay": data.draw(st.sampled_from((0.0, 0.01, 1.0))),
        "scale": 2 ** data.draw(st.integers(0, 10)),
    }
    graded = data.draw(st.booleans())
    block = celif.Dense(
        params, n_in, n, temporal_encoding=encoding, weight_scale=size, input_exp=-6 if graded else None
    )
    x = torch.rand(2, n_in, steps) if graded else (torch.rand(2, n_in, steps) < 0.5).float()

    layer = block.record("layer")
    got = block.registers(x)
    payload = block.input_record().encode(x.numpy())
    te = encoding.record()[np.arange(steps) % encoding.steps, :n]

    assert torch.equal(block(x), got.s)
    for b in range(2):
        sums = payload[b].T @ layer.synapse.weight.T.astype(np.int64)
        v, h, s, theta = contract_registers(layer.neuron, sums, te)
        assert np.array_equal(got.s[b].T, s)
        assert np.array_equal(got.v[b].T / block.neuron.unit, v)
        assert np.array_equal(got.h[b].T / block.neuron.unit, h)
        assert np.array_equal(got.theta[b].T / block.neuron.unit, theta)


@given(st.data())
def test_a_readout_is_its_record(data):
    """Also where the register saturates: bias and weights far beyond what 24 bits hold."""
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    n_in, n, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 40))
    module = Readout(
        n_in,
        n,
        scale=2 ** data.draw(st.integers(0, 8)),
        a_shift=data.draw(st.sampled_from((0, 6, 18))),
        weight_scale=2.0,
        read=data.draw(st.sampled_from(("mean", "last", "every"))),
    )
    x = (torch.rand(2, n_in, steps) < 0.5).float()

    layer = module.record("out")
    expected = np.empty((2, n, steps))
    for b in range(2):
        state = layer.neuron.reset()
        for t in range(steps):
            _, state = layer.neuron.step(state, layer.synapse.weight @ x[b, :, t].numpy().astype(int))
            expected[b, :, t] = state.v
    assert np.array_equal(module.registers(x) / module.unit, expected)
    assert np.array_equal(module.final(x).detach() / module.unit, expected[..., -1])
    answer = {"mean": expected[..., -1] / steps, "last": expected[..., -1], "every": expected}[module.read]
    assert np.array_equal(module(x).detach(), (torch.as_tensor(answer) * module.unit).float())
    assert torch.equal(module(x), module.answers(module.registers(x)))


@pytest.mark.parametrize("read", ["last", "every"])
def test_a_readout_without_memory_has_a_linear_layers_gradients(read):
    torch.manual_seed(0)
    module, x = Readout(5, 3, scale=256, read=read), (torch.rand(2, 5, 7) < 0.5).float().requires_grad_()
    weight, bias = module.synapse.quantized()
    linear = torch.nn.functional.linear(x.mT, weight, bias).mT
    linear = linear if read == "every" else linear[..., -1]

    (ours,) = torch.autograd.grad(module(x).square().sum(), x)
    (theirs,) = torch.autograd.grad(linear.square().sum(), x)

    assert torch.equal(module(x), linear) and theirs.abs().max() > 0
    assert torch.allclose(ours, theirs)


def test_an_unknown_way_to_read_is_refused():
    with pytest.raises(UnsupportedError, match="read = 'first' is unknown; choose mean, last, every"):
        Readout(2, 2, read="first")


def test_a_wide_graded_layer_sums_in_float64():
    torch.manual_seed(0)
    encoding = celif.TemporalEncoding(2, 3)
    block = celif.Dense(
        {"scale": 1}, 4000, 2, temporal_encoding=encoding, bias=False, input_exp=-6, input_bits=20, weight_scale=1e6
    )
    x = torch.rand(1, 4000, 3) * 16000

    sums = block.input_record().encode(x.numpy())[0].T.astype(np.int64) @ block.record("a").synapse.weight.T

    assert block.current(x).dtype == torch.float64
    assert np.abs(sums).max() > 2**24  # beyond float32's whole numbers
    assert np.array_equal(block.current(x)[0].T.detach() * 64, sums)


def float_neuron(z, te, alpha, beta, theta0, half_width):
    """The paper's equations as plain autograd: no rounding, reset not detached, boxcar surrogate."""

    class Fire(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u, theta):
            ctx.save_for_backward(u, theta)
            return (u > theta).to(u.dtype)

        @staticmethod
        def backward(ctx, grad):
            u, theta = ctx.saved_tensors
            g = grad * ((u - theta).abs() < half_width)
            return g, -g

    u = h = s = torch.zeros_like(z[..., 0])
    spikes = []
    for t in range(z.shape[-1]):
        h = beta * h + te[:, t] * u
        u = alpha * u * (1 - s) + z[..., t]
        s = Fire.apply(u, theta0 + h)
        spikes.append(s)
    return torch.stack(spikes, -1)


def _problem(steps=30, n=5, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(batch, n, steps, generator=generator, dtype=torch.float64) * 0.3
    te = torch.randn(n, steps, generator=generator, dtype=torch.float64) * 0.05
    weight = torch.randn(batch, n, steps, generator=generator, dtype=torch.float64)
    return z, te, weight


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_automatic_differentiation(seed):
    """At a fine unit the integer neuron follows the float one, so their gradients must agree to its rounding."""
    z, te, weight = _problem(seed=seed)
    alpha, beta = torch.full((5,), 0.5, dtype=torch.float64), torch.full((5,), 1 - 41 / 4096, dtype=torch.float64)
    # Above a unit of 2**-20, 24 bits of state are enough for these magnitudes.
    constants = CELIFConstants(alpha, beta, 0.25, 2.0**-20, half_width=0.2, height=1.0)
    grads = []
    for fire in (
        lambda z, te: firing.Fire.apply(z, te, constants),
        lambda z, te: float_neuron(z, te, alpha, beta, 0.25, 0.2),
    ):
        inputs = [value.clone().requires_grad_() for value in (z, te)]
        spikes = fire(*inputs)
        grads.append((spikes.detach(), *torch.autograd.grad((spikes * weight).sum(), inputs)))

    assert torch.equal(grads[0][0], grads[1][0])
    assert grads[0][0].sum() > 20
    for ours, theirs in zip(grads[0][1:], grads[1][1:], strict=True):
        assert theirs.abs().max() > 1
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-3)


def test_gradients_are_the_papers_recursion_on_the_integer_states():
    """papers' recursion, written out for one neuron and one sample over the registers of the forward pass."""
    z, te, weight = _problem(steps=40, n=1, batch=1)
    alpha, beta, half_width = 0.5, 1 - 41 / 4096, 0.2
    keep = [torch.full((1,), value, dtype=torch.float64) for value in (alpha, beta)]
    te = torch.round(te * 512) / 512
    constants = CELIFConstants(*keep, 0.25, 2.0**-12, half_width, height=1.0)
    registers = reference.celif_scan(z, te, constants)
    u, s = registers.v[0, 0].tolist(), registers.s[0, 0].tolist()
    g = [float(abs(a - b) < half_width) for a, b in zip(u, registers.theta[0, 0].tolist(), strict=True)]

    delta, lam = [0.0] * 41, [0.0] * 41
    for t in reversed(range(40)):
        following = te[0, t + 1].item() if t < 39 else 0.0
        eps = weight[0, 0, t].item() - alpha * u[t] * delta[t + 1]
        delta[t] = eps * g[t] + alpha * (1 - s[t]) * delta[t + 1] + following * lam[t + 1]
        lam[t] = -eps * g[t] + beta * lam[t + 1]

    z_in, te_in = z.clone().requires_grad_(), te.clone().requires_grad_()
    spikes = firing.Fire.apply(z_in, te_in, constants)
    (spikes * weight).sum().backward()

    assert sum(s) > 3 and sum(g) > 8
    assert np.allclose(z_in.grad[0, 0], delta[:40], rtol=1e-13, atol=1e-14)
    assert np.allclose(te_in.grad[0, 1:], [lam[t] * u[t - 1] for t in range(1, 40)], rtol=1e-13, atol=1e-14)
    assert te_in.grad[0, 0] == 0  # the first column never matters


def test_layers_share_one_encoding_and_add_their_gradients():
    encoding = celif.TemporalEncoding(5, 4)
    wide = celif.Dense({}, 2, 5, temporal_encoding=encoding)
    narrow = celif.Dense({}, 5, 3, temporal_encoding=encoding)

    assert torch.equal(encoding(3, 6), encoding(5, 6)[:3])
    assert torch.equal(encoding(3, 6)[:, 4:], encoding(3, 6)[:, :2])
    parameters = list(torch.nn.Sequential(wide, narrow).parameters())
    assert sum(parameter is encoding.weight for parameter in parameters) == 1

    torch.manual_seed(0)
    z = torch.rand(2, 5, 4)
    both = [wide.neuron(z), narrow.neuron(z[:, :3])]
    each = [torch.autograd.grad(s.sum(), encoding.weight, retain_graph=True)[0] for s in both]
    (both[0].sum() + both[1].sum()).backward()
    assert torch.allclose(encoding.weight.grad, each[0] + each[1])
    assert each[1][3:].abs().max() == 0 and each[1][:3].abs().max() > 0


@pytest.mark.parametrize(("hidden", "parameters"), [((64, 88, 88), 83_562), ((64, 152, 152), 153_962)])
def test_parameter_counts_are_the_papers(hidden, parameters):
    module = Classifier(1, hidden, 10, 784)

    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_half_precision_autocast_does_not_touch_the_integers():
    torch.manual_seed(0)
    module = Classifier(1, (8, 8), 3, 20)
    x = torch.rand(2, 1, 20)
    plain = module(x)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = module(x)

    assert torch.equal(plain, half)
    assert plain.abs().max() > 0


def test_neuron_params_are_not_modified_and_state_is_not_kept():
    params = {"scale": 128}
    encoding = celif.TemporalEncoding(3, 5)
    block = celif.Dense(params, 2, 3, temporal_encoding=encoding)
    x = (torch.rand(1, 2, 5) < 0.5).float()

    assert torch.equal(block(x), block(x))
    assert params == {"scale": 128}
    assert block.shape == block.neuron.shape == torch.Size([3])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda te: celif.Dense({"scale": 100}, 1, 1, temporal_encoding=te), UnsupportedError, "100 is not a power of two"),
        (lambda te: celif.Dense({"voltage_decay": 1.5}, 1, 1, temporal_encoding=te), UnsupportedError, "voltage_decay = 1.5"),
        (lambda te: celif.Dense({"threshold": -1.0}, 1, 1, temporal_encoding=te), RecordError, "v_th_mant = -64"),
        (lambda te: celif.Dense({}, 1, 1, temporal_encoding=te, input_exp=-7), UnsupportedError, "input_exp = -7 is outside -6..0"),
        (lambda te: celif.Dense({}, 1, 1, temporal_encoding=te, bias_exp=8), UnsupportedError, "bias_exp = 8 is outside"),
        (lambda te: celif.Dense({}, 1, 9, temporal_encoding=te), UnsupportedError, "9 neurons needs"),
        (lambda te: celif.Dense({"current_decay": 0.5}, 1, 1, temporal_encoding=te), InputError, "celif.Neuron has no parameter .current_decay.. Known are threshold, voltage_decay"),
        (
            lambda te: celif.Dense({}, 1, 1, temporal_encoding=te, input_exp=-6)(torch.full((1, 1, 2), 4.0)),
            InputError,
            "Input reaches 4; payloads of 8 bits in units of 2\\*\\*-6 hold 3.98438",
        ),
        (
            lambda te: celif.Dense({}, 1, 1, temporal_encoding=te, input_exp=-6)(torch.full((1, 1, 2), torch.nan)),
            InputError,
            "Input reaches nan",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make(celif.TemporalEncoding(4, 2))


def test_training_moves_weights_biases_and_encoding():
    torch.manual_seed(0)
    module = Classifier(1, (12, 12), 3, 16)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    x, y = torch.rand(30, 1, 16), torch.arange(30) % 3
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < losses[0]
    unchanged = [name for name, value in module.state_dict().items() if torch.equal(value, before[name])]
    assert unchanged == []
    assert record(module.blocks).steps == 16
