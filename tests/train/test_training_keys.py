"""Every key of a recipe that says how a network is trained does what it says, and nothing where it is not set."""

import csv
import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from spikeproof.contract.errors import DivergedError, InputError, RecordError
from spikeproof.export.slayer import record
from spikeproof.sim.verify.verify import verify
from spikeproof.train.blocks.dropout import Dropout
from spikeproof.train.neurons.fire import fire
from spikeproof.train.runs.build import build
from spikeproof.train.runs.evaluate import evaluate
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.loop.clip import clip
from spikeproof.train.runs.loop.divergence import refuse_step
from spikeproof.train.runs.loop.epochs import Epoch
from spikeproof.train.runs.loop.keep import Keep
from spikeproof.train.runs.loop.trainee import Trainee
from spikeproof.train.runs.recipe import Recipe, find, make
from spikeproof.train.tasks.objectives import CLASSIFY, LABEL, REGRESS, smoothed

PLAIN = find("digits-plain").replace(["hidden=12,12"])


@pytest.fixture(scope="module")
def task():
    return PLAIN.load_task()


def built(task, *settings, recipe=PLAIN):
    torch.manual_seed(0)
    return build(recipe.replace(settings), task)


def rows(folder):
    with open(folder / "log.csv") as file:
        return list(csv.DictReader(file))


def test_the_surrogate_has_the_width_that_is_asked_for(task):
    x = torch.as_tensor(task.train.x[:16])
    narrow, wide = built(task), built(task, "half_width=0.6")
    assert {block.neuron.half_width for block in wide.blocks[:-1]} == {0.6}
    assert torch.equal(narrow(x), wide(x))  # the network is the same
    grads = []
    for module in (narrow, wide):
        module(x).square().sum().backward()
        grads.append(module.blocks[0].synapse.weight.grad)
    assert not torch.equal(*grads)


@pytest.mark.parametrize("neuron", ["ce-lif", "cuba", "ce-lif-float"])
def test_the_surrogate_widens_over_the_warm_up(task, tmp_path, neuron, monkeypatch):
    widths = []

    def noted(self, part):
        widen(self, part)
        found = {one.half_width for one in self.module.modules() if hasattr(one, "half_width")}
        widths.append(found.pop())
        assert not found

    widen = Trainee._widen
    monkeypatch.setattr(Trainee, "_widen", noted)
    settings = ["epochs=5", "warmup=0.4", "half_width=0.4", "half_width_start=0.2", "stride=16", "batch_size=16"]
    fit(PLAIN.replace([f"neuron={neuron}", "hidden=4,4", *settings]), tmp_path)
    assert widths == pytest.approx([0.2, 0.3, 0.4, 0.4, 0.4])


def test_so_has_that_of_the_float_twin(task):
    distance = torch.linspace(-1, 1, 41).requires_grad_()
    fire(distance, 0.5).sum().backward()
    assert torch.equal(distance.grad, (distance.detach().abs() < 0.5).float())
    wide = built(task, "neuron=ce-lif-float", "half_width=0.6")
    assert {layer.neuron.half_width for layer in wide.layers} == {0.6}


@pytest.mark.parametrize("neuron", ["ce-lif", "ce-lif-float"])
def test_the_initial_encoding_has_the_mean_and_the_deviation_that_are_asked_for(task, neuron):
    encoding = built(task, f"neuron={neuron}", "te_mean=-0.04", "te_std=0.02").encoding
    weight = encoding if neuron == "ce-lif-float" else encoding.weight
    assert weight.mean().item() == pytest.approx(-0.04, abs=3 * 0.02 / math.sqrt(weight.numel()))
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    usual = built(task, f"neuron={neuron}").encoding
    usual = usual if neuron == "ce-lif-float" else usual.weight
    assert torch.allclose((weight + 0.04) / 0.02, (usual - 0.01) / 0.01, atol=1e-4)  # the same draws


def test_a_driven_encoding_too(task):
    driven = find("digits-driven").replace(["hidden=12,12"])
    one, half = (built(task, "te_mean=0", f"te_std={std}", recipe=driven).encoding.weight for std in (0.02, 0.01))
    assert torch.allclose(one, 2 * half)


def test_layers_have_scales_and_an_exponent_of_their_own(task):
    module = built(task, "scales=64,256,128", "te_exp=7")
    net = record(module.blocks, steps=64)
    assert [layer.scale for layer in net.layers] == [64, 256, 128]
    assert {layer.neuron.te_exp for layer in net.layers[:-1]} == {7}
    assert [layer.neuron.v_th_mant for layer in net.layers[:-1]] == [19, 77]  # 0.3 in each scale
    assert [layer.scale for layer in record(built(task).blocks, steps=64).layers] == [256] * 3
    assert verify(module.eval(), task.test.x[:3], backends=("engine",)).exact


@pytest.mark.parametrize("settings", [["ends=stop"], ["ends=inward"]])
def test_ends_of_registers_let_gradients_in_if_they_are_asked_to(task, settings):
    module = built(task, *settings)
    weight, encoding = module.blocks[1].synapse.weight, module.encoding.weight
    with torch.no_grad():
        weight[0].fill_(5.0), weight[1].fill_(-5.0), encoding[0].fill_(0.4), encoding[1].fill_(-0.4)
    module(torch.as_tensor(task.train.x[:64])).square().sum().backward()
    inside = weight.grad[2:], encoding.grad[2:, 1:]
    assert all((grad != 0).any() for grad in inside)
    for grad, outward in ((weight.grad[0], -1), (weight.grad[1], 1), (encoding.grad[0], -1), (encoding.grad[1], 1)):
        assert not (grad.sign() == outward).any()  # a step goes against the gradient
    some = [(grad != 0).any().item() for grad in (weight.grad[:2], encoding.grad[:2])]
    assert some == [settings == ["ends=inward"]] * 2


def test_what_was_moved_past_the_end_comes_back_only_inward():
    """A parameter past its register, and a loss that wants it to be 0."""
    from spikeproof.train.blocks.rounding import quantize

    for inward, ends_at in ((False, 1.2), (True, 0.0)):
        value = torch.tensor([1.2], requires_grad=True)
        optimizer = torch.optim.SGD([value], lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            quantize(value, 1 / 64, -64, 63, inward=inward).square().sum().backward()
            optimizer.step()
        assert value.item() == pytest.approx(ends_at, abs=0.02)


@pytest.mark.parametrize("time", [1, -1])
def test_dropout_silences_neurons_for_a_sequence_or_for_a_step(time):
    torch.manual_seed(0)
    x = torch.ones(40, 50, 60)
    rest = 1 if time == -1 else 2
    for mask in ("sequence", "step"):
        dropout = Dropout(0.25, mask, time=time)
        kept = dropout(x)
        assert set(kept.unique().tolist()) == {0.0, 1.0}
        assert kept.mean().item() == pytest.approx(0.75, abs=0.02)
        constant = (kept == kept.narrow(time, 0, 1)).all()
        assert bool(constant) == (mask == "sequence")
        assert kept.std(rest).min() > 0  # neurons differ
        assert dropout.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_training_with_dropout_computes_the_integers_of_a_smaller_network(task):
    module = built(task, "dropout=0.4")
    x = torch.as_tensor(task.train.x[:1])
    torch.manual_seed(3)
    found = module.train()(x)
    torch.manual_seed(3)
    masks = [torch.rand(1, 12, 1) >= 0.4 for _ in range(2)]
    assert any(not mask.all() for mask in masks)
    with torch.no_grad():
        for block, mask in zip(module.blocks[1:], masks, strict=True):
            block.synapse.weight.mul_(mask[0, :, 0])
    module.eval()
    assert torch.equal(module(x), found)
    assert verify(module, task.test.x[:2], backends=("engine",)).exact


@pytest.mark.parametrize("neuron", ["lif", "ce-lif-float", "lstm"])
def test_dropout_is_for_networks_to_compare_with_too(task, neuron):
    module = built(task, f"neuron={neuron}", "dropout=0.5", "dropout_mask=step")
    x = torch.as_tensor(task.train.x[:4])
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


def test_smoothed_labels_are_spread_over_all_classes():
    torch.manual_seed(0)
    outputs, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    spread = 0.9 * functional.one_hot(labels, 4) + 0.1 / 4
    expected = -(spread * outputs.log_softmax(1)).sum(1).mean()
    assert smoothed(CLASSIFY, 0.1)(outputs, labels).item() == pytest.approx(expected.item(), rel=1e-6)
    assert smoothed(CLASSIFY, 0.0) is CLASSIFY.loss
    steps, unlabelled = torch.randn(2, 4, 3), torch.tensor([[0, -1, 2], [1, 1, -1]])
    assert smoothed(LABEL, 0.1)(steps, unlabelled) > 0
    with pytest.raises(InputError, match=r"label_smoothing = 0\.1 is for tasks that ask for a class, .*squared error"):
        smoothed(REGRESS, 0.1)


def test_labels_are_smoothed_in_training_and_not_where_a_network_is_judged(task, tmp_path):
    settings = ["epochs=1", "validation=0.2", "stride=4", "hidden=6,6"]
    plain, smooth = (
        fit(PLAIN.replace([*settings, "learning_rate=1e-9", f"label_smoothing={share}"]), tmp_path / str(share))
        for share in (0, 0.5)
    )
    judged = [float(rows(run.folder)[0]["validation_loss"]) for run in (plain, smooth)]
    assert judged[0] == pytest.approx(judged[1], abs=1e-4)
    trained = [float(rows(run.folder)[0]["loss"]) for run in (plain, smooth)]
    assert abs(trained[0] - trained[1]) > 1e-3
    with pytest.raises(InputError, match="label_smoothing"):
        fit(make(task="adding", length=10, hidden=(4,), label_smoothing=0.1), tmp_path / "adding")


def test_weight_decay_can_be_of_weights_alone(task):
    for on in ("all", "weights"):
        recipe = PLAIN.replace(["weight_decay=0.5", f"weight_decay_on={on}", "schedule=constant", "learning_rate=0.1"])
        module = built(task)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(0.1)
                parameter.grad = torch.zeros_like(parameter)
        Trainee(recipe, module, task).configure_optimizers().step()
        smaller = {name for name, parameter in module.named_parameters() if (parameter < 0.1).all()}
        everything = {name for name, _ in module.named_parameters()}
        weights = {name for name in everything if name.endswith("synapse.weight")}
        assert len(weights) == 3 and smaller == (everything if on == "all" else weights)


def test_the_average_of_the_weights_is_what_is_validated_and_kept(task, tmp_path):
    trainee = Trainee(PLAIN.replace(["average=0.75"]), built(task), task)
    start = [parameter.detach().clone() for parameter in trainee.module.parameters()]
    expected = start
    for step in range(4):
        with torch.no_grad():
            for parameter in trainee.module.parameters():
                parameter.add_(1.0)
        trainee.on_train_batch_end()
        now = [one + step + 1 for one in start]
        expected = now if step == 0 else [0.75 * a + 0.25 * b for a, b in zip(expected, now, strict=True)]
    for found, one in zip(trainee.kept.parameters(), expected, strict=True):
        assert torch.allclose(found, one, atol=1e-5) and not found.requires_grad
    assert Trainee(PLAIN, trainee.module, task).kept is trainee.module

    settings = ["average=0.9", "epochs=2", "validation=0.2", "stride=2"]
    recipe = PLAIN.replace(settings)
    run, held_out = fit(recipe, tmp_path), recipe.load_task().validation
    kept = run.load_into(build(recipe, task))
    best = rows(tmp_path)[run.result()["epoch"] - 1]
    judged = evaluate(kept, held_out, CLASSIFY)
    assert float(best["validation_score"]) == pytest.approx(judged.score, abs=1e-5)
    assert float(best["validation_loss"]) == pytest.approx(judged.loss, rel=1e-4)


def test_gradient_norms_are_those_before_clipping(task, tmp_path):
    recipe = PLAIN.replace(["epochs=1", "batch_size=2000", "gradient_clip=1e-3"])
    fit(recipe, tmp_path)
    torch.manual_seed(recipe.seed)
    module = build(recipe, task)
    CLASSIFY.loss(module(torch.as_tensor(task.train.x)), torch.as_tensor(task.train.y)).backward()
    norm = torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).norm().item()
    (row,) = rows(tmp_path)
    assert norm > 0.01  # or it would not have been clipped
    assert float(row["gradient_norm"]) == float(row["gradient_largest"]) == pytest.approx(norm, rel=1e-3)
    assert list(row) == list(Epoch._fields)


@pytest.mark.parametrize("most", [0.0, 0.5, 100.0])
def test_gradients_are_clipped_as_torch_does(most):
    torch.manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(torch.zeros(shape)) for shape in ((7, 5), (3,), (2, 2, 2))] for _ in range(2))
    unused = torch.nn.Parameter(torch.zeros(2))
    for a, b in zip(ours, theirs, strict=True):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
    norm = clip([*ours, unused], most)
    assert norm == torch.nn.utils.clip_grad_norm_(theirs, most or math.inf).item() > 1
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours, theirs, strict=True)) and unused.grad is None
    assert clip([unused], most) == 0


def test_gradients_whose_norm_leaves_float32_are_clipped_too():
    one, other = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))
    one.grad, other.grad = torch.tensor([3e30, 0.0, 0.0]), torch.tensor([0.0, -4e30])
    assert clip([one, other], 1.0) == pytest.approx(5e30)
    assert torch.allclose(one.grad, torch.tensor([0.6, 0, 0])) and torch.allclose(other.grad, torch.tensor([0, -0.8]))
    one.grad[0], other.grad[0] = math.inf, 2.0
    assert clip([one, other], 1.0) == math.inf and other.grad[0] == 2  # nothing was changed


def test_a_gradient_that_is_no_number_stops_training_and_names_whose_it_is(task, tmp_path):
    module = built(task)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    refuse_step(1e9, 1, 1, module)  # large, but a number
    with pytest.raises(DivergedError, match="epoch 1, step 1: the norm of the gradient is inf"):
        refuse_step(math.inf, 1, 1, module)
    module.blocks[1].synapse.weight.grad[0, 0] = math.nan
    words = (
        r"epoch 2, step 7: the gradient of blocks\.1\.synapse\.weight is not finite\. .* a smaller half_width or te_std"
    )
    with pytest.raises(DivergedError, match=words):
        refuse_step(math.nan, 2, 7, module)

    explosive = PLAIN.replace(["epochs=1", "half_width=1000", "te_mean=0.2", "voltage_decay=0", "threshold_decay=0"])
    with pytest.raises(DivergedError, match="Training diverged in epoch 1, step 1: the gradient of "):
        fit(explosive, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_steps_without_a_finite_gradient_are_left_out_as_often_as_is_allowed(tmp_path, monkeypatch):
    """The training step gives a loss of nan in the second and the fourth step of an epoch."""
    recipe = PLAIN.replace(["epochs=2", "batch_size=400", "stride=1", "schedule=constant"])  # 4 steps an epoch
    step, seen = Trainee.training_step, []

    def sometimes(self, batch, index):
        seen.append([parameter.detach().clone() for parameter in self.module.parameters()])
        loss = step(self, batch, index)
        return loss * math.nan if index in (1, 3) else loss

    monkeypatch.setattr(Trainee, "training_step", sometimes)
    with pytest.raises(DivergedError, match="epoch 1, step 4: the gradient of "):
        fit(recipe.replace(["skip_steps=1"]), tmp_path / "stops")
    seen.clear()
    run = fit(recipe.replace(["skip_steps=2"]), tmp_path / "goes on")
    assert [row["skipped"] for row in rows(run.folder)] == ["2", "2"]
    assert {row["gradient_largest"] for row in rows(run.folder)} == {"nan"}
    moved = [any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in itertools.pairwise(seen)]
    assert moved == [True, False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("scores", "losses", "best"),
    [
        ([0.5, 0.7, 0.7, 0.6], [1, 0.9, 0.8, 0.1], 3),
        ([0.5, 0.7, 0.7, 0.6], [1, 0.8, 0.9, 0.1], 2),
        ([0.7, 0.7, 0.7], [0.8, 0.8, 0.8], 1),
        ([None, None], [None, None], 2),
    ],
)
def test_of_equal_scores_the_smaller_loss_is_the_best(scores, losses, best):
    keep = Keep(None, CLASSIFY, None, None, 1)
    for epoch, (score, loss) in enumerate(zip(scores, losses, strict=True), start=1):
        found = Epoch(epoch, 1.0, 0.5, score, loss, 0.1, 0.2, 0, 1.0)
        if keep._is_best(found):
            keep.best = {"epoch": epoch, "score": score, "loss": loss}
    assert keep.best["epoch"] == best


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["scales=64,64"], "recipe: scales has 2 numbers, and there are 2 hidden layers and a read-out: give 3, or none"),
        (["scales=64,60,64"], "scales: 60 is not a power of two"),
        (["neuron=lif", "scales=64,64,64"], "recipe: scales is for neuron = 'ce-lif' or 'cuba', not 'lif'"),
        (["neuron=lif", "half_width=0.3"], "recipe: half_width is for neuron = 'ce-lif', 'cuba' or 'ce-lif-float'"),
        (["neuron=lif", "voltage_decay=0.9"], "recipe: voltage_decay is for neuron = 'ce-lif' or 'cuba', not 'lif', and its default is 0.5"),
        (["neuron=ce-lif-float", "scale=128"], "recipe: scale is for neuron = 'ce-lif' or 'cuba', not 'ce-lif-float'"),
        (["neuron=ce-lif-float", "input_exp=-5"], "recipe: input_exp is for neuron = 'ce-lif' or 'cuba'"),
        (["neuron=cuba", "te_exp=8"], "recipe: te_exp is for neuron = 'ce-lif', not 'cuba'"),
        (["neuron=cuba", "threshold_decay=0.1"], "recipe: threshold_decay is for neuron = 'ce-lif' or 'ce-lif-float', not 'cuba'"),
        (["neuron=lstm", "te_rate=2"], "recipe: te_rate is for neuron = 'ce-lif' or 'ce-lif-float', not 'lstm'"),
        (["model=spike-gru", "neuron=lif", "hidden=8", "te_rate=2"], "recipe: te_rate is for neuron = 'ce-lif'"),
        (["step_epochs=2"], "recipe: step_epochs is for schedule = 'step', not 'one-cycle', and its default is 10"),
        (["schedule=constant", "step_factor=0.5"], "recipe: step_factor is for schedule = 'step', not 'constant'"),
        (["schedule=step", "warmup=0.3"], "recipe: warmup is for schedule = 'one-cycle', or a half_width_start, not 'step'"),
        (["length=200"], "recipe: length is for adding and copy, and task is 'digits'"),
        (["neuron=cuba", "te_std=0.3"], "recipe: te_std is for neuron = 'ce-lif' or 'ce-lif-float', not 'cuba'"),
        (["neuron=ce-lif-float", "ends=inward"], "recipe: ends is for neuron = 'ce-lif' or 'cuba'"),
        (["dropout_mask=step"], "recipe: dropout_mask is for a dropout"),
        (["dropout=1"], "dropout: Input should be less than 1"),
        (["weight_decay_on=weights"], "recipe: weight_decay_on is for a weight_decay"),
        (["average=0.9", "keep_provable=1"], "recipe: average would be kept in place of"),
        (["half_width=0"], "half_width: Input should be greater than 0"),
    ],
)  # fmt: skip
def test_keys_that_do_not_fit_are_refused(settings, words):
    with pytest.raises(InputError, match=f"^--set: {words}"):
        PLAIN.replace(settings)


def test_a_warmup_is_of_a_surrogate_that_widens_too():
    for settings in (["warmup=0.3"], ["schedule=constant", "warmup=0.3", "half_width=0.5", "half_width_start=0.2"]):
        recipe = PLAIN.replace(settings)
        assert recipe.warmup == 0.3 and Recipe.from_json(recipe.to_json()) == recipe


def test_no_scales_are_none():
    assert PLAIN.replace(["scales=64,64,64"]).replace(["scales="]) == PLAIN
    with pytest.raises(InputError, match="recipe: scales has 2"):
        make(task="digits", model="spike-rnn", neuron="ce-lif", hidden=(8,), depth=2, scales=(64, 64))
    assert make(task="digits", model="spike-rnn", neuron="ce-lif", hidden=(8,), depth=1, scales=(64, 64, 128)).scales


def test_a_te_exp_that_no_register_holds_is_refused(task):
    with pytest.raises(RecordError, match="CELIF te_exp = 99"):
        built(task, "te_exp=99")


def test_every_default_is_what_was_trained_before(task):
    """So recipes that were stored before these keys mean what they meant."""
    assert np.array_equal([PLAIN.te_mean, PLAIN.te_std, PLAIN.half_width], [0.01, 0.01, 0.2])
    assert (PLAIN.ends, PLAIN.scales, PLAIN.dropout, PLAIN.average, PLAIN.label_smoothing) == ("stop", (), 0, 0, 0)
