"""What user's modules do beside their blocks: types of their input, state, samples that see each other, random numbers."""

import numpy as np
import pytest
import torch
from slayer_nets import slayer
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from spikeproof import Readout, celif, cpg, export_netx, network_input, record, simulate, verify
from spikeproof.contract.errors import InputError, UnsupportedError

PARAMS = {"threshold": 0.1, "current_decay": 0.5, "voltage_decay": 0.1}
INPUTS = 6


def dense(inputs, outputs, persistent_state=False, **options):
    params = {**PARAMS, "persistent_state": persistent_state}
    return slayer.block.cuba.Dense(params, inputs, outputs, weight_scale=4, **options)


class Fronted(nn.Module):
    """Blocks behind a front end."""

    def __init__(self, front, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.front, self.a, self.b = front, dense(INPUTS, 20), dense(20, 4)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.b(self.a(self.front(x)))


class Behind(nn.Module):
    """Blocks with something between them."""

    def __init__(self, between):
        super().__init__()
        torch.manual_seed(0)
        self.between, self.a, self.b = between, dense(INPUTS, 20), dense(20, 4)

    def forward(self, x):
        return self.b(self.between(self.a(x)))


def is_the_modules(module, x):
    """Whether a proof holds, and its answers are those of ``module(x)``."""
    verdict = verify(module, x, backends=("engine",))
    with torch.no_grad():
        answer = module.eval()(x).sum(-1)
    assert verdict.exact and verdict.whole, str(verdict)
    return np.array_equal(verdict.answers["torch"].output, answer.numpy()) and bool(answer.any())


def x_of(samples=5, seed=1):
    return torch.rand(samples, INPUTS, 20, generator=torch.Generator().manual_seed(seed))


TYPES = {
    "bytes wrap": (lambda x: (x - 128 > 100).float(), lambda x: (255 * x).to(torch.uint8)),
    "float64 compares otherwise": (lambda x: (x > 0.3).float(), lambda x: (x.double() * 10).floor() * 0.1),
    "half compares otherwise": (lambda x: (x > 0.3).float(), lambda x: ((x * 10).floor() * 0.1).half()),
    "not": (lambda x: (~x).float(), lambda x: x > 0.5),
    "one-hot": (lambda x: nn.functional.one_hot(x[:, 0], INPUTS).mT.float(), lambda x: (INPUTS * x).long()),
    "whole numbers for a block": (lambda x: x, lambda x: (x > 0.5).long()),
    "float64 for a block": (lambda x: x, lambda x: (x > 0.5).double()),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_module_gets_its_input_in_its_own_type_if_it_takes_it(name):
    front, cast = TYPES[name]
    module, x = Fronted(front), cast(x_of())
    if name.endswith("for a block"):
        assert verify(module, x, backends=("engine",)).whole
        x = x.float()
    assert is_the_modules(module, x)


def test_tokens_are_embedded_and_shown_beside_floating_point():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.a = nn.Embedding(9, INPUTS), dense(2 * INPUTS, 4)

        def forward(self, tokens, x):
            return self.a(torch.cat([(self.embed(tokens).mT > 0).float(), x], 1))

    x = ((9 * x_of()[:, 0]).long(), (x_of() > 0.5).double())
    assert verify(Two(), x, backends=("engine",)).whole


@pytest.mark.parametrize("cast", [torch.Tensor.long, torch.Tensor.double, torch.Tensor.float])
def test_what_no_type_helps_is_told_by_the_attempt_that_came_furthest(cast):
    with pytest.raises(InputError, match="expected input.* to have 6 channels, but got 7 channels instead"):
        verify(Fronted(lambda x: x), cast(torch.ones(2, 7, 20)), backends=("engine",))


def test_buffers_that_a_run_changes_are_told():
    def running(self, x):
        seen = (x > self.mean).float()
        self.mean.mul_(0.9).add_(0.1 * x.mean())
        return seen

    module = Fronted(None)
    module.front = running.__get__(module)
    module.register_buffer("mean", torch.tensor(0.5))
    (note,) = verify(module, x_of(), backends=("engine",)).notes
    assert note.startswith("forward changes mean of the module.") and module.mean == 0.5

    module.norm = nn.BatchNorm1d(INPUTS)  # which is in evaluation
    module.front = lambda x: (module.norm(x) > 0.5).float()
    assert verify(module, x_of(), backends=("engine",)).notes == ()


def test_state_in_an_attribute_that_reaches_the_network_is_refused():
    class Previous(nn.Module):
        before = None

        def forward(self, x):
            seen = x if self.before is None or self.before.shape != x.shape else (x != self.before).float()
            self.before = x.clone()
            return seen

    with pytest.raises(UnsupportedError, match="or forward keeps state"):
        verify(Fronted(Previous()), (x_of() > 0.5).float(), backends=("engine",))


@pytest.mark.parametrize("loudest", [0, 1, 4])
@pytest.mark.parametrize("norm", [lambda x: x / x.max() > 0.7, lambda x: x > x.mean(), lambda x: x > x.mean(0)])
def test_a_front_end_that_sees_other_samples_is_told_whichever_is_the_loudest(norm, loudest):
    x = x_of() * 0.5
    x[loudest] *= 2
    (note,) = verify(Fronted(lambda x: norm(x).float()), x, backends=("engine",)).notes
    assert "lets samples see each other" in note


READS = {
    "in": lambda h: 777 in h.sum(1),
    "equal": lambda h: torch.equal(h, h * 0),
    "allclose": lambda h: torch.allclose(h, h * 0),
    "is_nonzero": lambda h: torch.is_nonzero(h.sum() - 12345),
    "format": lambda h: f"{h.sum()}" == "tensor(5.)",
    "text": lambda h: str(h.sum()) == "tensor(5.)",
    "item": lambda h: h.sum().item() == 5,
}


@pytest.mark.parametrize("name", READS)
def test_numbers_that_leave_torch_by_any_function_are_told(name):
    module = Behind(lambda h: h.flip(1) if READS[name](h) else h)
    (note,) = verify(module, (x_of() > 0.5).float(), backends=("engine",)).notes
    assert note.startswith("forward reads numbers that spikes make at test_whole_habits.py:")


def test_shapes_and_kinds_are_no_numbers_of_spikes():
    def about(h):
        known = (
            h.dim(),
            h.numel(),
            len(h),
            hash(h),
            h.stride(),
            h.size(0),
            h.ndim,
            h.is_floating_point(),
            h.is_cuda,
            h.type(),
        )
        return h if all(each is not None for each in known) else h * 0

    assert verify(Behind(about), (x_of() > 0.5).float(), backends=("engine",)).notes == ()


@pytest.mark.parametrize("draw", [lambda: torch.rand(()), np.random.rand, __import__("random").random])
def test_a_branch_by_random_numbers_is_told_though_no_run_takes_it(draw):
    x = (x_of() > 0.5).float()
    for module in (
        Behind(lambda h: h.flip(1) if draw() < 1e-6 else h),
        Fronted(lambda x: x.flip(1) if draw() < 1e-6 else x),
    ):
        (note,) = verify(module, x, backends=("engine",)).notes
        assert note.startswith("forward draws random numbers.")


LOOPS = {
    "of a still image": lambda x: [x[:, :, :1]] * 20,
    "of every second step": lambda x: x[..., ::2].split(1, -1),
    "of the later half": lambda x: x[..., 10:].split(1, -1),
    "in stretches": lambda x: x.split(5, -1),
    "with a start of its own": lambda x: (x[..., :3], *x.split(1, -1)),
}


class Looped(nn.Module):
    def __init__(self, steps, before=lambda self, x: None):
        super().__init__()
        torch.manual_seed(0)
        self.steps, self.before = steps, before
        self.a = dense(INPUTS, 20, persistent_state=True, delay_shift=False)
        self.b = dense(20, 4, persistent_state=True, delay_shift=False)

    def forward(self, x):
        self.before(self, x)
        return torch.cat([self.b(self.a(each)) for each in self.steps(x)], -1)


@pytest.mark.parametrize("name", LOOPS)
def test_blocks_that_keep_their_state_are_called_in_a_loop_over_time_whatever_it_goes_over(name):
    x = (x_of() > 0.5).float()
    verdict = verify(Looped(LOOPS[name]), x, backends=("engine",))
    assert verdict.exact and verdict.whole and len(verdict.net.layers) == 2
    assert verdict.net.steps == sum(each.shape[-1] for each in LOOPS[name](x))


def test_a_loop_whose_state_begins_elsewhere_is_refused():
    module = Looped(lambda x: x.split(1, -1), before=lambda self, x: self.a(x[..., :2]))
    with pytest.raises(UnsupportedError, match="its state changes outside the loop"):
        verify(module, (x_of() > 0.5).float(), backends=("engine",))


def test_synapses_and_neurons_with_a_parametrized_weight_are_a_layer():
    class Apart(Behind):
        def forward(self, x):
            return self.b(self.a.neuron(self.a.synapse(x)))

    module = Apart(None)
    weight_norm(module.a.synapse, "weight")
    assert verify(module, (x_of() > 0.5).float(), backends=("engine",)).whole


def test_what_our_own_blocks_keep_for_later_calls_is_not_told():
    te = celif.TemporalEncoding(8, 20)
    module = nn.Sequential(
        cpg.Concat(cpg.Encoding(8)), celif.Dense({"threshold": 0.3}, 14, 8, temporal_encoding=te), Readout(8, 3)
    )
    for cast in (torch.Tensor.float, torch.Tensor.double, torch.Tensor.long, torch.Tensor.bool):
        verdict = verify(module, cast(x_of() > 0.5), backends=("engine",))
        assert verdict.exact and verdict.whole and verdict.notes == ()


def test_a_call_that_is_refused_leaves_no_size_behind():
    module, x = nn.Sequential(dense(INPUTS, 8)), (x_of() > 0.5).float()
    for wrong in (x[0], torch.ones(2, 7, 20), x[:, :, :, None]):
        with pytest.raises((InputError, UnsupportedError)):
            verify(module, wrong, backends=("engine",))
        assert module[0].neuron.shape is None
    assert module(x).shape == (5, 8, 20) and verify(module, x, backends=("engine",)).whole


def test_what_the_front_end_hands_to_the_network_is_what_its_file_takes(tmp_path):
    module, x = Fronted(lambda x: (255 * x.flip(1) > 100).float()), x_of()
    given = network_input(module, x)
    assert np.array_equal(given, (255 * x.flip(1) > 100).numpy())
    net = export_netx(module, tmp_path / "net.net", sample=x)
    trace = simulate(tmp_path / "net.net", given, backend="engine")
    assert np.array_equal(trace.output(net), module.eval()(x).sum(-1).detach().numpy())
    assert np.array_equal(network_input(module.b, torch.ones(1, 20, 5)), np.ones((1, 20, 5)))


def test_numbers_that_a_front_end_makes_are_told_as_its_own():
    with pytest.raises(
        InputError, match=r"in front of its blocks \(multiply \(test_whole_habits.py:\d+\)\): Input\[0, 0, 0\]"
    ):
        verify(Fronted(lambda x: x * 0.3), x_of(), backends=("engine",))


def test_the_file_of_another_network_is_told_as_that(tmp_path):
    export_netx(nn.Sequential(dense(9, 4)), tmp_path / "net.net", steps=20)
    with pytest.raises(InputError, match="takes 9 channels, and the module's 6: it is the file of another network"):
        verify(Fronted(lambda x: x), (x_of() > 0.5).float(), file=tmp_path / "net.net")


def test_a_verdict_says_what_the_module_calls_its_layers_where_something_is_wrong(tmp_path):
    module, x = Fronted(lambda x: x), (x_of() > 0.5).float()
    export_netx(module, tmp_path / "net.net", sample=x)
    assert "is 'a'" not in str(verify(module, x, backends=("engine",)))
    module.b.synapse.weight.data.neg_()
    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine",))
    assert verdict.blocks == {"cuba1": "a", "cuba2": "b"} == verdict.as_dict()["blocks"]
    assert "layers and what the module calls them: cuba1 is 'a', cuba2 is 'b'" in str(verdict)


def test_analog_input_of_our_blocks_is_read_as_float32():
    te = celif.TemporalEncoding(8, 20)
    module = nn.Sequential(
        celif.Dense({"threshold": 0.3}, INPUTS, 8, temporal_encoding=te, input_exp=-2), Readout(8, 3)
    )
    x = ((16 * x_of().double()).floor() + 0.5) / 4 + 1e-9  # rounded up, where float32 has a tie
    assert verify(module, x, backends=("engine",)).whole and torch.equal(module(x), module(x.float()))


def test_what_is_cast_for_the_first_block_is_given_to_simulations_as_that():
    te = celif.TemporalEncoding(12, 20)
    blocks = nn.Sequential(
        celif.Dense({"threshold": 0.3}, INPUTS, 12, temporal_encoding=te, input_exp=-6), Readout(12, 4)
    )

    class Cast(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = blocks

        def forward(self, x):
            return self.blocks(x.float())

    x = np.random.default_rng(0).random((5, INPUTS, 20))
    assert verify(Cast(), x, backends=("engine",)).whole and network_input(Cast(), x).dtype == np.float32


@pytest.mark.parametrize("what", [5, None, "net"])
def test_what_is_no_module_is_refused(what, tmp_path):
    for call in (record, lambda module: export_netx(module, tmp_path / "net.net")):
        with pytest.raises(UnsupportedError):
            call(what)


def test_a_refusal_behind_the_forward_pass_leaves_no_size_behind_either():
    conv = nn.Sequential(slayer.block.cuba.Conv(PARAMS, 2, 3, 3, padding=1))
    small = np.random.default_rng(0).random((2, 2, 6, 6, 10), dtype=np.float32)  # graded, which it does not take
    for call in (lambda: verify(conv, small), lambda: network_input(conv, small)):
        with pytest.raises(InputError, match="unary spikes must be 0 or 1"):
            call()
        assert conv[0].neuron.shape is None
    assert conv(torch.zeros(2, 2, 8, 8, 10)).shape == (2, 3, 8, 8, 10)


def test_a_subclass_of_slayers_keeps_its_states_quietly():
    class Mine(slayer.block.cuba.Recurrent):
        pass

    module = nn.Sequential(Mine(dict(PARAMS), INPUTS, 8, weight_scale=4), dense(8, 4))
    assert verify(module, (x_of() > 0.5).float(), backends=("engine",)).notes == ()


def test_many_arguments_are_tried_in_few_types():
    class Many(nn.Module):
        calls = 0

        def __init__(self):
            super().__init__()
            self.a = dense(6 * INPUTS, 4)

        def forward(self, *xs):
            type(self).calls += 1
            return self.a(torch.cat(xs, 1))

    assert verify(Many(), tuple((x_of(seed=i) > 0.5).double() for i in range(6)), backends=("engine",)).whole
    assert Many.calls <= 14


def test_an_error_in_the_type_that_was_given_is_told_too():
    module = nn.Sequential(nn.Embedding(9, 4), dense(4, 4))
    with pytest.raises(InputError, match="In the type that was given, int64: .*index out of range"):
        verify(module, torch.full((2, 3), 120), backends=("engine",))


def test_a_forward_pass_that_seeds_itself_draws_the_same_every_time():
    def seeded(self, x):
        torch.manual_seed(42)
        return self.b(self.a(x)).sum(-1) + torch.rand(4)

    module = Fronted(None)
    module.forward = seeded.__get__(module)
    assert verify(module, (x_of() > 0.5).float(), backends=("engine",)).notes == ()


def test_a_buffer_of_a_type_of_few_bits_may_change():
    module = Fronted(None)
    module.register_buffer("kept", torch.zeros(2).to(torch.float8_e5m2))

    def changing(x):
        module.kept = torch.ones(2).to(torch.float8_e5m2)
        return x

    module.front = changing
    (note,) = verify(module, (x_of() > 0.5).float(), backends=("engine",)).notes
    assert note.startswith("forward changes kept of the module.")
