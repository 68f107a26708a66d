"""The proof of ``module(x)``: what stands around the blocks, what is folded between them, and what is refused."""

import collections
import dataclasses
import threading
import types
import warnings

import numpy as np
import pytest
import real_modules as real
import torch
import user_modules as users
from slayer_nets import slayer

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.export.capture.capture import capture
from spikeproof.sim.verify.verify import verify


def same(a, b):
    """Whether two answers are the same, entry by entry."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "__dataclass_fields__"):
        return same(vars(a), vars(b))
    return bool(np.all(a == b))


def proven(module, x):
    verdict = verify(module, x, backends=("engine",))
    assert verdict.whole, str(verdict)
    assert verdict.comparisons[0].silent == (), str(verdict)
    return verdict


@pytest.mark.parametrize("name", users.TAILS)
def test_what_stands_behind_the_network_is_replayed_and_named(name):
    make, words = users.TAILS[name]
    module, x = make(), users.x_of()
    if name == "blocks in a list":
        module.hidden = (module.a, module.b)

    verdict = proven(module, x)

    assert verdict.host.before == ()
    if words is not None:
        assert [one.words for one in verdict.host.after] == words
    told = str(verdict).splitlines()[1]
    assert told.startswith("on the host") and all(str(one) in told for one in verdict.host.after)


@pytest.mark.parametrize("name", users.TAILS)
def test_a_changed_spike_shows_in_the_answer(name):
    if name in ("classes", "spike function", "blocks in a list"):
        pytest.skip("what it returns rounds, or it is the same as another")
    module, x = users.TAILS[name][0](), users.x_of()
    found = capture(module, x)
    seen = found.watch(x)
    assert same(found.replay(x, seen.outputs), seen.answer)

    changed = [output.clone() for output in seen.outputs]
    last = changed[-1]
    last[2, 1] = 1 - last[2, 1]

    assert not same(found.replay(x, changed), seen.answer)


@pytest.mark.parametrize("name", users.MIDDLES)
def test_what_moves_elements_between_blocks_folds_into_synapses(name):
    verdict = proven(users.MIDDLES[name](), users.x_of())

    assert verdict.host.before == () and verdict.host.after == ()
    assert len(verdict.net.layers) == 2


@pytest.mark.parametrize("name", users.IMAGES)
def test_images_are_moved_and_flattened(name):
    proven(users.IMAGES[name](), users.x_of(name))


@pytest.mark.parametrize("name", users.LOOPS)
def test_a_loop_over_time_is_the_network_that_runs_at_once(name):
    module, x = users.LOOPS[name](), users.x_of()

    verdict = proven(module, x)

    assert [layer.num_neurons for layer in verdict.net.layers] == [16, 8] and verdict.net.steps == users.STEPS


@pytest.mark.parametrize("name", users.FRONTS)
def test_what_stands_in_front_of_the_network_runs_on_the_host(name):
    make, words = users.FRONTS[name]
    x = np.random.default_rng(0).random((5, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = proven(make(), x)

    assert verdict.host.before
    if words is not None:
        assert [one.words for one in verdict.host.before] == words
    assert "before the network: " in str(verdict)


@pytest.mark.parametrize("name", users.REFUSED)
def test_what_cannot_be_a_network_is_refused_by_operation_and_place(name):
    make, words = users.REFUSED[name]

    with pytest.raises((UnsupportedError, InputError), match=words):
        verify(make(), users.x_of(), backends=("engine",))


@pytest.mark.lava
@pytest.mark.parametrize("name", ["linear head", "synapse and neuron", "residual at the end"])
def test_lavas_spikes_give_the_modules_own_answer(name):
    module, x = users.TAILS[name][0](), users.x_of()

    verdict = verify(module, x, lava_samples=3)

    assert verdict.whole, str(verdict)
    assert [(end.backend, end.samples) for end in verdict.ends] == [("engine", 5), ("lava", 3)]
    with torch.no_grad():
        own = module(torch.as_tensor(x))
    scores = verdict.answers["lava"].scores
    if name == "linear head":
        assert np.array_equal(scores, own.numpy()[verdict.answers["lava"].samples])
        assert np.array_equal(verdict.answers["engine"].predictions, own.argmax(-1).numpy())


def test_a_module_whose_answer_changes_by_itself_is_not_exact():
    module = users.chain(lambda self, x: self.b(self.a(x)).mean(-1) + next(self.count), count=iter(range(100)))

    verdict = verify(module, users.x_of(), backends=("engine",))

    assert verdict.comparisons[0].exact and not verdict.exact and not verdict.whole
    assert "module(x) is NOT the same with the spikes of engine: its output[0, 0] is " in str(verdict)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda y: {1, 2}, "is a set. Return tensors"),
        (lambda y: np.array([y, 1], dtype=object), "is an array of objects. Return tensors"),
    ],
)
def test_what_cannot_be_compared_is_said(other, words):
    def forward(self, x):
        y = self.b(self.a(x)).sum(-1)
        return y, other(y)

    verdict = verify(users.chain(forward), users.x_of(), backends=("engine",))

    assert not verdict.exact and f"\nmodule(x) cannot be compared: its output[1] {words}" in str(verdict)
    assert verdict.as_dict()["module"][0]["comparable"] is False


def test_random_numbers_in_front_are_noted_and_those_behind_are_the_same_in_every_run():
    module = users.graded(lambda self, x: self.c(self.b(self.a(x + 0.1 * torch.rand(users.CHANNELS, 1)))))
    x = np.random.default_rng(0).random((5, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = proven(module, x)

    assert any("draws random numbers" in note for note in verdict.notes) and "note: " in str(verdict)


def test_a_front_end_that_looks_at_the_whole_batch_is_proven_batch_by_batch(monkeypatch):
    module = users.graded(lambda self, x: self.c(self.b(self.a(x - x.mean(0)))))
    x = np.random.default_rng(0).random((5, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = verify(module, x, backends=("engine",))

    assert verdict.whole and any("lets samples see each other" in note for note in verdict.notes)
    monkeypatch.setattr("spikeproof.sim.verify.pairing._CHUNK_BYTES", 1)
    assert verify(module, x, backends=("engine",)).whole


@pytest.mark.parametrize("kind", ["convolution", "transformer"])
def test_a_front_end_may_round_otherwise_for_another_batch(kind, monkeypatch):
    """A convolution of another number of samples, and attention on its fast path, differ in their last bits."""
    torch.manual_seed(0)
    if kind == "convolution":
        front = torch.nn.Conv1d(users.CHANNELS, users.CHANNELS, 5, padding=2)
    else:
        front = torch.nn.TransformerEncoderLayer(users.CHANNELS, 2, 16, batch_first=True)

    def forward(self, x):
        seen = self.front(x) if kind == "convolution" else self.front(x.transpose(1, 2)).transpose(1, 2)
        return self.c(self.b(self.a(torch.tanh(seen))))

    monkeypatch.setattr("spikeproof.sim.verify.pairing._CHUNK_BYTES", 1)
    x = np.random.default_rng(0).random((6, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = proven(users.graded(forward, front=front), x)

    assert verdict.notes == ()


def test_a_block_that_nothing_uses_is_noted():
    module = users.three(lambda self, x: (self.b(self.a(x)), self.c(x[:, :1].repeat(1, 8, 1)))[0])

    verdict = proven(module, users.x_of())

    assert len(verdict.net.layers) == 2 and any(
        "'c' is called at user_modules.py" in note or "'c' is called at" in note for note in verdict.notes
    )


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")  # SLAYER's own use of it
@pytest.mark.parametrize("kind", real.REAL, ids=lambda kind: kind.__name__)
def test_modules_as_they_are_in_public_repositories_are_proven_unchanged(kind):
    module, x = real.made(kind)

    verdict = verify(module, x, backends=("engine",))

    assert verdict.whole, str(verdict)
    assert verdict.comparisons[0].spikes_fired > 20


@pytest.mark.lava
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("kind", [real.NMNIST, real.PilotNetSDNN, real.Recurrent], ids=lambda kind: kind.__name__)
def test_modules_as_they_are_in_public_repositories_are_proven_on_lava(kind):
    module, x = real.made(kind)

    verdict = verify(module, x)

    assert verdict.whole and len(verdict.ends) == 2, str(verdict)


def kept_answer(self, x):
    self.out[: len(x)].copy_(self.b(self.a(x)).mean(-1) + next(self.count))
    return self.out


def kept_list(self, x):
    self.log.append(float(self.b(self.a(x)).sum()) + next(self.count))
    return self.log


def test_an_answer_that_the_module_keeps_is_not_compared_with_itself():
    for forward, held in ((kept_answer, {"out": torch.zeros(5, 8)}), (kept_list, {"log": []})):
        module = users.chain(forward, count=iter(range(1000)), **held)
        assert not verify(module, users.x_of(), backends=("engine",)).whole
    module = users.chain(lambda self, x: self.out.copy_(self.b(self.a(x)).mean(-1)[:1]))
    module.register_buffer("out", torch.zeros(1, 8))

    verdict = proven(module, users.x_of())

    with torch.no_grad():
        own = verify_free(module)(torch.as_tensor(users.x_of()))
    assert torch.equal(verdict.traces[0].answer, own) and own.any()


def verify_free(module):
    import copy

    return copy.deepcopy(module)


def test_a_remembered_answer_is_refused():
    def forward(self, x):
        key = x.numpy().tobytes()
        if key not in self.cache or len(x) < 3:
            self.cache[key] = self.b(self.a(x)).mean(-1)
        return self.cache[key]

    with pytest.raises(UnsupportedError, match="calls other blocks than for the sample"):
        verify(users.chain(forward, cache={}), users.x_of(), backends=("engine",))


@pytest.mark.parametrize("answer", [None, (), torch.ones(3), "done", 3.0], ids=str)
def test_an_answer_that_shows_nothing_of_the_blocks_is_refused(answer):
    module = users.chain(lambda self, x: (self.b(self.a(x)), answer)[1])

    with pytest.raises(UnsupportedError, match="does not depend on its blocks"):
        verify(module, users.x_of(), backends=("engine",))


def test_a_keyword_that_a_block_does_not_take_is_the_modules_error():
    module = users.chain(lambda self, x: self.b(self.a(spike=x)))

    with pytest.raises(InputError, match="TypeError: .*unexpected keyword argument 'spike'"):
        verify(module, users.x_of(), backends=("engine",))
    proven(users.chain(lambda self, x: self.b(x=self.a(x=x))), users.x_of())


HOSTS = {
    "a script": (lambda self, x: self.head(self.b(self.a(x)).mean(-1)), "code outside torch, which is not followed"),
    "rounded": (lambda self, x: (self.b(self.a(x)).mean(-1) * 9).to(torch.int32), "to int32"),
    "an ANN beside it": (lambda self, x: (self.b(self.a(x)), self.fc(x.mean(-1)).exp()), "Linear 6 → 2"),
    "moved twice": (lambda self, x: ((h := self.a(x).flip(1)), self.b(h)), "flip"),
    "written into a view": (lambda self, x: written_view(self, x) * 3, "multiply"),
    "in inference mode": (lambda self, x: set_in_inference(self, x), "write into a tensor"),
    "of another thread": (lambda self, x: elsewhere(self.b(self.a(x))), "code outside torch, which is not followed"),
}


def written_view(self, x):
    out = torch.zeros(len(x), 8, x.shape[-1])
    out[:, :].copy_(self.b(self.a(x)))
    return out


def set_in_inference(self, x):
    with torch.inference_mode():
        y = self.b(self.a(x))
        y[:, 0] = 5
        return y


def elsewhere(y):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: y.mean(-1) * 2).result()


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_that_the_host_does_goes_unnamed(name):
    forward, words = HOSTS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        head = torch.jit.trace(torch.nn.Linear(8, 3), torch.zeros(2, 8))
    module = users.chain(forward, head=head, fc=torch.nn.Linear(users.CHANNELS, 2))

    verdict = proven(module, users.x_of())

    assert words in [one.words for one in verdict.host.after], str(verdict)


def test_state_that_forward_rebinds_is_as_it_was_in_every_run():
    def forward(self, x):
        rates = []
        for y in self.b(self.a(x)).unbind(-1):
            self.memory = 0.9 * self.memory + y.sum(0)
            rates.append(self.memory)
        return torch.stack(rates)

    module = users.chain(forward)
    module.register_buffer("memory", torch.zeros(8))
    before = module.memory

    proven(module, users.x_of())

    assert module.memory is before and not before.any()


class Listed(list):
    """A list of the user's own kind."""


@dataclasses.dataclass
class Answered:
    memory: torch.Tensor
    lock: object = None


@dataclasses.dataclass
class Output(collections.OrderedDict):
    """A dataclass that is a dictionary as well, which stays empty."""

    memory: torch.Tensor = None


@dataclasses.dataclass(slots=True)
class Slotted:
    memory: torch.Tensor


CONTAINERS = {
    "as it is": lambda memory: memory,
    "tuple": lambda memory: (memory,),
    "list of an own kind": lambda memory: Listed([memory]),
    "ordered dictionary": lambda memory: collections.OrderedDict(memory=memory),
    "read-only dictionary": lambda memory: types.MappingProxyType({"memory": memory}),
    "dataclass": Answered,
    "dataclass and dictionary": Output,
    "dataclass with slots": Slotted,
    "dictionary in a dictionary": lambda memory: {"meta": collections.OrderedDict(memory=memory)},
    "beside what cannot be copied": lambda memory: collections.OrderedDict(memory=memory, lock=threading.Lock()),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_state_that_forward_writes_into_shows_whatever_holds_the_answer(name):
    """What a first run returned is compared, and no later run may write into it."""

    def forward(self, x):
        if self.memory.shape[0] != len(x):
            self.memory = torch.zeros(len(x), 8)
        self.memory.mul_(0.5).add_(self.b(self.a(x)).sum(-1) + 1)
        return CONTAINERS[name](self.memory)

    module = users.chain(forward)
    module.memory = torch.zeros(0, 8)

    verdict = verify(module, users.x_of(), backends=("engine",))

    assert not verdict.exact and "NOT the same with the spikes of engine" in str(verdict)


def test_only_the_second_block_may_loop_over_time():
    def first(self, x):
        return self.b(torch.cat([self.a(step) for step in x.split(1, -1)], -1))

    def second(self, x):
        h = self.a(x)
        return torch.cat([self.b(h[..., t : t + 1]) for t in range(h.shape[-1])], -1)

    for forward, whole in ((first, "b"), (second, "a")):
        module = users.loop(forward)
        getattr(module, whole).neuron.persistent_state = False
        proven(module, users.x_of())


@pytest.mark.parametrize("cast", [torch.half, torch.bfloat16, torch.int16])
def test_graded_spikes_are_not_taken_for_themselves_in_a_narrower_type(cast):
    torch.manual_seed(0)
    sdnn = slayer.block.sigma_delta
    first = sdnn.Dense(dict(real.SIGMA_DELTA), users.CHANNELS, 8, weight_scale=4)
    last = sdnn.Dense(dict(real.SIGMA_DELTA), 8, 4, weight_scale=4)
    module = users.lively(users.Model(lambda self, x: self.b(self.a(x).to(cast).float()), a=first, b=last))
    x = np.round(np.random.default_rng(0).random((3, users.CHANNELS, 9)) * 64) / 64

    with pytest.raises(UnsupportedError, match="stands between 'a' and 'b'"):
        verify(module, x, backends=("engine",))
    proven(users.chain(lambda self, x: self.b(self.a(x).to(cast).float())), users.x_of())


def test_another_network_in_another_thread_is_none_of_the_modules():
    import threading

    other, stop = users.chain(lambda self, x: self.b(self.a(x))), threading.Event()

    def run():
        while not stop.is_set():
            other(torch.as_tensor(users.x_of()))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(3):
            proven(users.TAILS["linear head"][0](), users.x_of())
    finally:
        stop.set()
        thread.join()


ODD = {
    "bfloat16": lambda self, x: self.b(self.a(x)).mean(-1).bfloat16(),
    "sparse": lambda self, x: self.b(self.a(x)).to_sparse(),
    "complex": lambda self, x: torch.fft.fft(self.b(self.a(x))),
    "reentrant checkpoint": lambda self, x: torch.utils.checkpoint.checkpoint(
        lambda y: self.b(self.a(y)), x, use_reentrant=True
    ),
}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # of the checkpoint
@pytest.mark.parametrize("name", ODD)
def test_answers_of_any_kind_are_compared(name):
    proven(users.chain(ODD[name]), users.x_of())


def test_answers_that_cannot_be_compared_are_said():
    def circle(self, x):
        found = {"y": self.b(self.a(x))}
        found["self"] = found
        return found

    with pytest.raises(UnsupportedError, match="contains itself"):
        verify(users.chain(circle), users.x_of(), backends=("engine",))
    keyed = users.chain(lambda self, x: {(y := self.b(self.a(x))): y})
    assert "has keys of another kind" in str(verify(keyed, users.x_of(), backends=("engine",)))


@pytest.mark.parametrize(
    "subject", [None, 3, [], torch.nn.Linear, len], ids=["None", "number", "list", "class", "function"]
)
def test_what_is_no_module_is_refused(subject):
    with pytest.raises(InputError, match="no torch module"):
        verify(subject, users.x_of(), backends=("engine",))


def test_parameters_without_values_are_refused():
    module = users.chain(lambda self, x: self.fc(self.b(self.a(x)).mean(-1)), fc=torch.nn.LazyLinear(3))

    with pytest.raises(InputError, match="fc.weight has no values yet. Run the module once before"):
        verify(module, users.x_of(), backends=("engine",))


def test_samples_that_are_made_more_or_fewer_are_refused():
    module = users.chain(lambda self, x: self.b(self.a(x.reshape(1, users.CHANNELS, -1))))

    with pytest.raises(UnsupportedError, match="receives a tensor of shape .* where the module was given 2 samples"):
        verify(module, users.x_of(), backends=("engine",))


def test_dropout_of_a_module_in_training_mode_is_that_of_evaluation():
    module = users.chain(lambda self, x: self.b(self.a(x)))
    module.a = users.dense(users.CHANNELS, 16, params={"dropout": slayer.neuron.Dropout(p=0.5)})
    users.lively(module).train()

    proven(module, users.x_of())

    assert all(part.training for part in module.modules())


def test_recurrent_blocks_are_refused_by_their_reason_where_they_cannot_be_reset_or_looped():
    def looped(self, x):
        return torch.cat([self.r(step) for step in x.split(1, -1)], -1)

    recurrent = slayer.block.cuba.Recurrent(dict(users.CUBA), users.CHANNELS, 6, weight_scale=3)
    with pytest.raises(UnsupportedError, match="feed nothing back from call to call. Call it once with all steps"):
        verify(users.lively(users.Model(looped, r=recurrent)), users.x_of(), backends=("engine",))
    hidden = [recurrent]
    module = users.Model(lambda self, x: hidden[0](x))
    with pytest.raises(
        UnsupportedError, match=r"test_whole.py:\d+: a Recurrent that keeps its state is called, and no"
    ):
        verify(module, users.x_of(), backends=("engine",))


def test_the_answer_is_that_of_the_backends_spikes_and_not_of_the_modules_own(tmp_path):
    """A file with another weight fires otherwise, and the module's head answers otherwise with its spikes."""

    from spikeproof.contract.synapses.dense import Dense
    from spikeproof.export import netx
    from spikeproof.export.slayer import record

    module, x = users.TAILS["linear head"][0](), users.x_of()
    net = record(module, sample=x)
    last = net.layers[1]
    weight = -last.synapse.weight
    changed = dataclasses.replace(last, synapse=Dense(weight=weight.clip(-256, 254)))
    netx.write(dataclasses.replace(net, layers=(net.layers[0], changed)), tmp_path / "net.net")

    verdict = verify(module, x, file=tmp_path / "net.net", backends=("engine",))

    (end,) = verdict.ends
    assert not verdict.exact and not end.equal and "its output[" in end.difference.words and end.difference.comparable
    assert not np.array_equal(verdict.answers["engine"].scores, verdict.answers["torch"].scores)


MIXED = {
    "softmax over samples": lambda y: y.softmax(0),
    "norm over samples": lambda y: (y - y.mean(0)) / (y.std(0) + 1e-3),
    "rank": lambda y: y.argsort(0),
    "mean of all, beside rows": lambda y: {"rows": y, "mean": y.mean()},
}
APART = {
    "rows": lambda y: y,
    "rows, transposed": lambda y: y.T,
    "softmax over classes": lambda y: (y.softmax(1), y.argmax(1)),
    "a matrix product, which rounds": lambda y: y @ torch.linspace(-1, 1, y.shape[1] ** 2).reshape(-1, y.shape[1]),
    "no single sample": lambda y: y.squeeze(0) if len(y) > 1 else y[1:2].reshape(1, -1, 1),
}


@pytest.mark.parametrize("name", [*MIXED, *APART])
def test_an_answer_that_depends_on_other_samples_says_so(name):
    tail = {**MIXED, **APART}[name]
    verdict = proven(users.chain(lambda self, x: tail(self.b(self.a(x)).sum(-1))), users.x_of())
    assert [("samples beside it" in note) for note in verdict.notes] == [True] * (name in MIXED)


def test_random_numbers_behind_the_network_are_told():
    module = users.chain(lambda self, x: self.b(self.a(x)).mean(-1) + torch.randn(8))
    (note,) = proven(module, users.x_of()).notes
    assert note.startswith("what the module returns is another in other runs: forward draws random numbers")


class Copied(slayer.block.cuba.Dense):
    """A block with lava-dl's own forward pass, written out as users do who change a line of it."""

    def forward(self, x):
        x = self.neuron(self.synapse(x))
        if self.delay_shift is True:
            x = slayer.block.base.step_delay(self, x)
        return x if self.delay is None else self.delay(x)


@pytest.mark.lava
def test_slayers_own_delays_in_a_users_forward_pass_are_followed():
    torch.manual_seed(0)
    params = {"threshold": 0.4, "current_decay": 0.4, "voltage_decay": 0.1}
    blocks = [Copied(params, *sizes, weight_scale=8, delay=True) for sizes in ((users.CHANNELS, 8), (8, 4))]
    module, x = torch.nn.Sequential(*blocks), users.x_of()
    module(torch.from_numpy(x))  # SLAYER draws delays in the first pass
    blocks[0].delay.delay.data[:] = torch.tensor([0.0, 1.3, 2.0, 5.7, 0.0, 0.0, 3.0, 1.0])

    verdict = verify(module, x)

    assert verdict.exact and verdict.whole and all(not each.silent for each in verdict.comparisons), str(verdict)
    assert sorted({edge.delay for edge in capture(module, x).layers[1].edges}) == [1, 2, 3, 4, 6]


def test_numbers_that_are_read_between_blocks_are_told():
    """The branch that no sample takes is not compared."""

    def forward(self, x):
        spikes = self.a(x)
        return self.b(spikes * 0 if spikes.sum().item() == 7 else spikes)

    (note,) = proven(users.chain(forward), users.x_of()).notes
    assert note.startswith("forward reads numbers that spikes make at test_whole.py:")


@pytest.mark.parametrize(
    ("name", "enough"),
    {
        "nonzero": lambda h: len(h.nonzero()) < 9999,
        "where": lambda h: len(torch.where(h > 0)[0]) < 9999,
        "index": lambda h: h[h > 0].numel() < 9999,
    }.items(),
)
@pytest.mark.parametrize("of_spikes", [False, True])
def test_shapes_that_values_decide_are_told_where_blocks_stand_behind_them(name, enough, of_spikes):
    def forward(self, x):
        spikes = self.a(x)
        return self.b(spikes if enough(spikes if of_spikes else x) else spikes * 0)

    (note,) = proven(users.chain(forward), users.x_of()).notes
    assert note.startswith(f"the shape of what {name} makes at test_whole.py:")
    assert not proven(users.chain(lambda self, x: (h := self.b(self.a(x)), enough(h))[0]), users.x_of()).notes
