"""The proof of ``module(x)``: what stands around the blocks, what is folded between them, and what is refused."""

import numpy as np
import pytest
import real_modules as real
import torch
import user_modules as users

from spikeproof.contract.errors import InputError, UnsupportedError
from spikeproof.export.capture.capture import capture
from spikeproof.sim.verify import verify


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


def test_what_cannot_be_compared_is_said():
    module = users.chain(lambda self, x: (self.b(self.a(x)).sum(-1), {1, 2}))

    verdict = verify(module, users.x_of(), backends=("engine",))

    assert not verdict.exact and "is a set, which cannot be compared" in str(verdict)


def test_random_numbers_in_front_are_noted_and_those_behind_are_the_same_in_every_run():
    module = users.graded(lambda self, x: self.c(self.b(self.a(x + 0.1 * torch.rand(users.CHANNELS, 1)))))
    x = np.random.default_rng(0).random((5, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = proven(module, x)

    assert any("draws random numbers" in note for note in verdict.notes) and "note: " in str(verdict)


def test_a_front_end_that_looks_at_the_whole_batch_is_refused():
    module = users.graded(lambda self, x: self.c(self.b(self.a(x - x.mean(0)))))
    x = np.random.default_rng(0).random((5, users.CHANNELS, users.STEPS), dtype=np.float32)

    verdict = verify(module, x, backends=("engine",))  # all samples run at once, as they do for the user

    assert verdict.whole and any("lets samples see each other" in note for note in verdict.notes)
    with pytest.raises(UnsupportedError, match="changes from run to run, or with the samples beside it"):
        verify(module, x, backends=("engine", "reference"), lava_samples=2, registers=False) and split(module, x)


def split(module, x):
    """Verify in parts."""
    import spikeproof.sim.pairing as pairing

    before, pairing._CHUNK_BYTES = pairing._CHUNK_BYTES, 1
    try:
        return verify(module, x, backends=("engine",))
    finally:
        pairing._CHUNK_BYTES = before


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
