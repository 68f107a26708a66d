"""Reading modules: what needs a sample, what is left as it was, and what is said of inputs that do not fit."""

import copy
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import user_modules as users
from slayer_nets import block, lively, slayer
from torch import nn

import spikeproof
from spikeproof.contract.errors import InputError, LintWarning, UnsupportedError
from spikeproof.contract.net import Input
from spikeproof.export import netx
from spikeproof.export.capture import place
from spikeproof.export.capture.capture import capture
from spikeproof.export.capture.leaves import slayer_classes
from spikeproof.train.blocks import celif

X = users.x_of()


def plain():
    torch.manual_seed(1)
    return lively(nn.Sequential(users.dense(users.CHANNELS, 16), users.dense(16, 8)))


def listed(forward):
    """A module with a list of blocks, as in SLAYER's examples, and a forward pass that does something else."""
    torch.manual_seed(1)
    made = nn.ModuleList([users.dense(users.CHANNELS, 8), users.dense(8, 8), users.dense(8, 8)])
    return lively(users.Model(forward, blocks=made, head=users.dense(8, 4)))


def in_a_row(self, x):
    for each in self.blocks:
        x = each(x)
    return x


OTHERWISE = {
    "a residual sum": lambda self, x: (h := self.blocks[0](x)) + self.blocks[1](h),
    "a block twice": lambda self, x: self.blocks[1](self.blocks[1](self.blocks[0](x))),
    "a block left out": lambda self, x: self.blocks[2](self.blocks[0](x)),
    "a factor": lambda self, x: self.blocks[1](self.blocks[0](x) * 0.5),
    "another order": lambda self, x: self.blocks[1](self.blocks[2](self.blocks[0](x))),
    "two heads": lambda self, x: (self.blocks[1](h := self.blocks[0](x)), self.blocks[2](h)),
    "permuted": lambda self, x: self.blocks[1](self.blocks[0](x).flip(1)),
    "a head outside the list": lambda self, x: self.head(in_a_row(self, x)),
    "in a row": in_a_row,
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_module_with_a_forward_pass_needs_a_sample(name, tmp_path):
    module = listed(OTHERWISE[name])
    for take in (
        lambda: spikeproof.record(module, steps=users.STEPS),
        lambda: spikeproof.export_netx(module, tmp_path / "net.net", steps=users.STEPS),
    ):
        with pytest.raises(
            UnsupportedError, match=r"Model has a forward pass of its own, .* only a run shows .* Pass sample="
        ):
            take()
    assert not (tmp_path / "net.net").exists()
    assert "Pass sample=" in spikeproof.lint(module)[0].fix


@pytest.mark.parametrize("name", OTHERWISE)
def test_with_a_sample_the_record_is_what_forward_does(name):
    """Whatever it lists, the record is exact or there is none."""
    module = listed(OTHERWISE[name])
    try:
        net = spikeproof.record(module, sample=X)
    except UnsupportedError:
        assert name in ("a block twice", "a factor", "two heads")
        return
    verdict = spikeproof.verify(module, X, backends=("engine",))
    assert verdict.whole, str(verdict)
    assert len(net.layers) == {"a head outside the list": 4, "a residual sum": 2, "a block left out": 2}.get(
        name, 2 if name == "permuted" else 3
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda module: module.register_forward_hook(lambda part, args, out: out),
        lambda module: module[0].register_forward_hook(lambda part, args, out: out),
        lambda module: module[1].register_forward_pre_hook(lambda part, args: args),
        lambda module: setattr(module[0], "forward", module[0].forward),
        lambda module: module.append(nn.ReLU()),
        lambda module: module.insert(0, users.Doubled(dict(users.CUBA), users.CHANNELS, users.CHANNELS)),
    ],
)
def test_a_sequential_that_does_more_than_call_blocks_needs_a_sample_too(change):
    module = plain()
    assert len(spikeproof.record(module, steps=9).layers) == 2
    change(module)

    with pytest.raises(UnsupportedError, match="only a run shows what it does. Pass sample="):
        spikeproof.record(module, steps=9)
    spikeproof.record(module.eval(), sample=X)


def test_with_and_without_a_sample_a_plain_sequential_has_one_record():
    module = plain()
    assert spikeproof.record(module, steps=users.STEPS) == spikeproof.record(module, sample=X)


def test_a_sample_that_does_not_fit_writes_nothing(tmp_path):
    module = listed(in_a_row)

    with pytest.raises(InputError, match=r"The module does not take input of shape \(2, 5, 24\): "):
        spikeproof.export_netx(module, tmp_path / "net.net", sample=X[:, :5])
    assert list(tmp_path.iterdir()) == []


def test_the_module_is_left_as_it_was():
    module = users.chain(
        lambda self, x: self.fc(self.norm(self.b(self.a(x))).mean(-1) + torch.rand(8)),
        norm=nn.BatchNorm1d(8),
        fc=nn.Linear(8, 3),
    )
    module.a = users.dense(users.CHANNELS, 16, params={"requires_grad": True})
    module.train()
    module.norm.eval()  # frozen, as users do
    module.a.neuron.current_decay.data[:] = 5000.0  # beyond its range; reading clamps it
    before = copy.deepcopy(module.state_dict())
    modes = [part.training for part in module.modules()]
    forwards = {kind: kind.forward for kind in slayer_classes()}
    apply = torch.autograd.Function.__dict__["apply"]
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002 - what users seed
    drawn = torch.rand(2), np.random.rand(2), random.random()  # noqa: NPY002
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002

    spikeproof.record(module, sample=X)
    spikeproof.verify(module, X, backends=("engine",))

    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [part.training for part in module.modules()] == modes
    assert {kind: kind.forward for kind in slayer_classes()} == forwards
    assert torch.autograd.Function.__dict__["apply"] is apply and torch.is_grad_enabled()
    assert torch.equal(torch.rand(2), drawn[0]) and (np.random.rand(2) == drawn[1]).all()  # noqa: NPY002
    assert random.random() == drawn[2]
    assert module.a.neuron.current_decay.item() == 5000.0


def test_classes_are_whole_again_when_forward_raises():
    forwards = {kind: kind.forward for kind in slayer_classes()}

    def fails(self, x):
        raise KeyError(self.a(x).shape)

    with pytest.raises(
        InputError, match=r"Model's forward pass raised KeyError: .* \(test_capture.py:\d+\), for input of"
    ):
        capture(users.chain(fails), X)
    assert {kind: kind.forward for kind in slayer_classes()} == forwards


@pytest.mark.parametrize(
    "as_given",
    [
        torch.as_tensor,
        lambda x: torch.as_tensor(x).requires_grad_(),
        lambda x: torch.as_tensor(x).to_sparse(),
        lambda x: torch.as_tensor(x).bfloat16(),
        lambda x: x[..., ::-1],
        lambda x: x.astype(bool),
        lambda x: x.astype(np.int64),
        lambda x: x.tolist(),
        lambda x: x[:1],
    ],
)
def test_inputs_of_any_kind_are_taken(as_given):
    verdict = spikeproof.verify(users.TAILS["linear head"][0](), as_given(X), backends=("engine",))

    assert verdict.whole, str(verdict)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((0, 6, 24)), "at least one sample"),
        (np.full((2, 6, 24), "a"), "expected numbers"),
        (np.zeros(6), "expected .samples, channels, steps."),
        (np.full((2, 6, 24), np.nan), "it is not a number. Fix what made the input"),
        (np.full((2, 6, 24), 0.25), r"input=Input\(num_channels=..., bits=..., exp=...\); multiply what Event.fill_te"),
        ([[1], [1, 2]], "no array of numbers"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_words(x, words):
    with pytest.raises(InputError, match=words):
        spikeproof.verify(plain(), x, backends=("engine",))


def test_more_than_the_input_is_refused_in_words():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = users.dense(users.CHANNELS, 4)

        def forward(self, x, mask):
            return self.a(x * mask)

    with pytest.raises(
        InputError,
        match="Masked takes more than its input: .*'mask'. Give a tuple of all inputs, or wrap it in a module whose",
    ):
        spikeproof.verify(Masked(), X, backends=("engine",))


def test_an_input_of_fractions_is_told_when_it_is_exported(tmp_path):
    module = plain()

    with pytest.warns(LintWarning, match=r"the sample gives the first layer 0.5, and the file takes unary spikes"):
        spikeproof.export_netx(module, tmp_path / "net.net", sample=X * 0.5)
    given = Input(num_channels=users.CHANNELS, bits=4, exp=-2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spikeproof.export_netx(module, tmp_path / "net.net", sample=X * 0.5, input=given)
    assert spikeproof.verify(module, X * 0.5, backends=("engine",), input=given).whole


def test_a_side_that_is_compared_with_itself_is_refused():
    with pytest.raises(InputError, match="names one twice; a side that is compared with itself proves nothing"):
        spikeproof.verify(spikeproof.record(plain(), steps=users.STEPS), X, backends=("engine", "engine"))


def test_half_precision_is_refused_by_its_reason():
    with torch.autocast("cpu"), pytest.raises(UnsupportedError, match="torch.autocast is on"):
        spikeproof.verify(plain(), X, backends=("engine",))

    def inner(self, x):
        with torch.autocast("cpu"):
            return self.b(self.a(x))

    with pytest.raises(UnsupportedError, match="torch.autocast is on"):
        spikeproof.verify(users.chain(inner), X, backends=("engine",))
    for change in (nn.Module.bfloat16, nn.Module.double):
        with pytest.raises(UnsupportedError, match=r"layer 'cuba1': .* Call module.float\(\) before"):
            spikeproof.verify(change(plain()), X, backends=("engine",))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("of", ["synapse.weight", "neuron.current_decay"])
def test_what_is_no_number_is_refused_by_layer_and_parameter(value, of, tmp_path):
    module = plain()
    with torch.no_grad():
        module[1].get_parameter(of).view(-1)[0] = value
    words = f"layer 'cuba2': {of} holds {'nan' if np.isnan(value) else 'inf'}: training diverged"

    with pytest.raises(UnsupportedError, match=words):
        spikeproof.record(module, steps=9)
    with pytest.raises(UnsupportedError, match=words):
        spikeproof.export_netx(module, tmp_path / "net.net", sample=X)
    with pytest.raises(UnsupportedError, match=words):
        spikeproof.verify(module, X, backends=("engine",))
    assert not (tmp_path / "net.net").exists()


def test_our_own_blocks_are_refused_with_nan_too():
    te = celif.TemporalEncoding(4, 9)
    module = nn.Sequential(celif.Dense({}, 3, 4, temporal_encoding=te), spikeproof.Readout(4, 2))
    with torch.no_grad():
        te.weight[0, 0] = np.nan

    with pytest.raises(UnsupportedError, match="layer 'celif1': .*weight holds nan: training diverged"):
        spikeproof.record(module)


class Partial(nn.Module):
    """A block that makes a record, and nothing else of the protocol."""

    def __init__(self):
        super().__init__()
        self.synapse = nn.Linear(users.CHANNELS, 3)

    def forward(self, x):
        return (self.synapse(x.transpose(1, 2)) > 0).float().transpose(1, 2)

    def record(self, name):
        raise AssertionError("never called")


def test_a_block_that_lacks_a_method_is_refused_by_naming_it():
    with pytest.raises(
        UnsupportedError, match=r"Partial has record\(\) but not input_record\(\), variables\(\), played"
    ):
        spikeproof.verify(nn.Sequential(Partial()), X, backends=("engine",))


class Own(celif.Dense):
    """A block of the user's that changes what ours puts out."""

    def forward(self, x):
        return super().forward(x) + 1


def test_a_subclass_of_our_block_is_looked_into():
    te = celif.TemporalEncoding(8, users.STEPS)
    first = celif.Dense({}, users.CHANNELS, 8, temporal_encoding=te, weight_scale=2)
    last = Own({}, 8, 4, temporal_encoding=te, weight_scale=2)
    with pytest.raises(UnsupportedError, match=r"test_capture.py:\d+ .*add stands between"):
        spikeproof.verify(nn.Sequential(last.__class__({}, 6, 6, temporal_encoding=te), first), X, backends=("engine",))

    verdict = spikeproof.verify(nn.Sequential(first, last), X, backends=("engine",))

    assert verdict.whole and [one.words for one in verdict.host.after] == ["add"]


class Apart(celif.Dense):
    """A block that calls its synapses and neurons by itself."""

    def forward(self, x):
        return self.neuron(self.synapse(x))


def test_synapses_and_neurons_of_ours_are_a_layer():
    torch.manual_seed(0)
    te = celif.TemporalEncoding(8, users.STEPS)
    module = nn.Sequential(Apart({}, users.CHANNELS, 8, temporal_encoding=te, weight_scale=2), spikeproof.Readout(8, 3))

    verdict = spikeproof.verify(module, X, backends=("engine",))

    assert verdict.whole, str(verdict)
    assert [layer.name for layer in verdict.net.layers] == ["celif1", "readout2"]


def test_the_file_keeps_a_note_of_what_runs_on_the_host(tmp_path, run):
    module = users.graded(lambda self, x: self.c(self.b(self.a(x - 0.5))).softmax(-1))
    x = np.random.default_rng(0).random((3, users.CHANNELS, users.STEPS), dtype=np.float32)

    net = spikeproof.export_netx(module, tmp_path / "net.net", sample=x)

    assert net.host_before.startswith("subtract (test_capture.py:") and "softmax (test_capture.py:" in net.host_after
    assert netx.load(tmp_path / "net.net") == net
    code, out, _ = run("inspect", tmp_path / "net.net")
    assert code == 0 and "on the host before the network, and not in this file: subtract (test_capture.py:" in out
    verdict = spikeproof.verify(module, x, file=tmp_path / "net.net", backends=("engine",))
    assert verdict.whole, str(verdict)
    other = users.graded(lambda self, x: self.c(self.b(self.a(x - 0.5))))  # the same network, another note
    other.load_state_dict(module.state_dict())
    assert spikeproof.verify(other, x, file=tmp_path / "net.net", backends=("engine",)).whole


def test_capture_and_replay_cost_little():
    """Both are a few forward passes; the figure is measured in bench/."""
    module = users.TAILS["linear head"][0]()
    found = capture(module, X)

    assert len(found.layers) == 2 and found.takes_input
    assert found.front(X)[0].shape == X.shape


def written_by_stock(module, path):
    import h5py

    with h5py.File(path, "w") as file:
        for i, each in enumerate(module):
            each.export_hdf5(file.create_group(f"layer/{i}"))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("late", [False, True])
def test_a_stock_file_is_read_with_the_delay_shift_that_fits(late, tmp_path):
    torch.manual_seed(1)
    module = lively(
        nn.Sequential(users.dense(users.CHANNELS, 16, delay_shift=late), users.dense(16, 8, delay_shift=late))
    )
    module(torch.as_tensor(X))
    written_by_stock(module, tmp_path / "stock.net")

    verdict = spikeproof.verify(module, X, file=tmp_path / "stock.net", backends=("engine",))

    assert verdict.whole, str(verdict)
    (note,) = verdict.notes
    assert note == f"stock.net was read {'with' if late else 'without'} delay_shift, which fits the module."
    with torch.no_grad():
        module[0].synapse.weight.mul_(-1)
    changed = spikeproof.verify(module, X, file=tmp_path / "stock.net", backends=("engine",))
    assert not changed.exact and "the file is not the trained network" in str(changed)


def test_names_of_layers_do_not_count(tmp_path):
    import dataclasses

    module = plain()
    net = spikeproof.record(module, steps=users.STEPS)
    layers = tuple(dataclasses.replace(layer, name=f"mine.{i}") for i, layer in enumerate(net.layers))
    netx.write(dataclasses.replace(net, layers=layers), tmp_path / "net.net")

    verdict = spikeproof.verify(module, X, file=tmp_path / "net.net", backends=("engine",))

    assert verdict.whole, str(verdict)
    assert [layer.name for layer in verdict.net.layers] == ["mine.0", "mine.1"]


def test_a_network_that_begins_with_an_input_block_is_compared_with_its_file(tmp_path):
    torch.manual_seed(1)
    first = block.Input({**users.CUBA, "threshold": 0.2}, weight=2.0, bias=0.25, delay_shift=False)
    module = lively(nn.Sequential(first, users.dense(users.CHANNELS, 8)))
    x = np.random.default_rng(0).random((4, users.CHANNELS, users.STEPS), dtype=np.float32)
    module(torch.as_tensor(x))
    spikeproof.export_netx(module, tmp_path / "net.net", sample=x)

    verdict = spikeproof.verify(module, x, file=tmp_path / "net.net", backends=("engine",))

    assert verdict.whole, str(verdict)


def test_the_float_twin_takes_blocks_in_the_order_of_their_calls():
    """Whatever order they are listed in, the gap is the same, in the classes of the module's own head."""
    gaps = []
    for listing in ((0, 1, 2), (2, 0, 1)):
        torch.manual_seed(6)
        te = celif.TemporalEncoding(12, users.STEPS)
        made = [
            celif.Dense({}, users.CHANNELS, 12, temporal_encoding=te, weight_scale=2, input_exp=-6),
            celif.Dense({}, 12, 12, temporal_encoding=te, weight_scale=2),
            spikeproof.Readout(12, 4),
        ]
        places = [listing.index(i) for i in range(3)]

        def forward(self, x, places=places):
            for i in places:
                x = self.blocks[i](x)
            return x[:, [2, 0, 1, 3]]

        module = users.Model(forward, blocks=nn.ModuleList([made[i] for i in listing])).eval()
        x = np.random.default_rng(0).random((6, users.CHANNELS, users.STEPS), dtype=np.float32)
        verdict = spikeproof.verify(module, x, backends=("engine",))
        assert verdict.whole, str(verdict)
        gaps.append(verdict.float_gap)
    assert gaps[0].same_class == gaps[1].same_class and gaps[0].layers == gaps[1].layers


def test_slayers_own_average_may_stand_anywhere_behind():
    torch.manual_seed(1)
    module = lively(nn.Sequential(users.dense(users.CHANNELS, 12), slayer.block.cuba.Average(4), nn.Softmax(1)))

    verdict = spikeproof.verify(module, X, backends=("engine",))

    assert verdict.whole and [one.words for one in verdict.host.after][-1] == "Softmax"


def test_a_decay_beyond_its_register_is_refused_and_left_alone():
    module = plain()
    module[0].neuron.current_decay.data[:] = 5000.0

    with pytest.raises(UnsupportedError, match=r"layer 'cuba1': .*u_decay.* = 5000"):
        spikeproof.record(module, steps=9)
    assert module[0].neuron.current_decay.item() == 5000.0


def test_a_package_that_is_imported_through_a_link_is_not_taken_for_the_users_code(tmp_path):
    (tmp_path / "linked").symlink_to(Path(place.__file__).parent)
    (tmp_path / "model.py").write_text("")
    assert not place._is_foreign(str(tmp_path / "linked" / "provenance.py"))
    assert place._is_foreign(str(tmp_path / "model.py"))


@pytest.mark.parametrize(
    "forward", [lambda self, x: self.b(self.a(x)[..., :9]), lambda self, x: (self.a(x), self.b(self.a(x)[..., :12]))]
)
def test_layers_of_other_numbers_of_steps_are_refused(forward, tmp_path):
    module = users.chain(forward)
    with pytest.raises(
        UnsupportedError, match=r"test_capture\.py:\d+: 'b' receives (9|12) steps, and 'a' 24\. All layers"
    ):
        spikeproof.export_netx(module, tmp_path / "net.net", sample=users.x_of())
    assert not any(tmp_path.iterdir())
