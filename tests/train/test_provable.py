"""Training that keeps a network provable: what is kept fits, rows with room are left alone, and runs end proven."""

import numpy as np
import pytest
import torch

from spikeproof.contract import room
from spikeproof.contract.errors import InputError
from spikeproof.export.slayer import record
from spikeproof.sim.bounds import bounds
from spikeproof.train.provable import Keeper
from spikeproof.train.runs.fit import fit
from spikeproof.train.runs.models import Classifier
from spikeproof.train.runs.recipe import find

STEPS = 40


def heavy(factor=40.0, **more):
    """Return a network whose registers can leave their range."""
    torch.manual_seed(0)
    module = Classifier(6, (12, 10), 4, STEPS, threshold_decay=0.0, te_exp=6, **more)
    with torch.no_grad():
        module.encoding.weight.fill_(2.0)
        for block in module.blocks:
            block.synapse.weight.mul_(factor)
    return module


def widest(module):
    return max(bound.used for bound in bounds(record(module.blocks, steps=STEPS)).found)


@pytest.mark.parametrize("part", [1.0, 0.1])
def test_what_is_settled_is_proven(part):
    module = heavy()
    assert widest(module) > 1
    Keeper(module.blocks, STEPS, part).settle()
    assert 0.3 * part < widest(module) < part


def test_rows_with_room_are_left_alone():
    module = heavy(factor=1.0)
    with torch.no_grad():
        module.blocks[1].synapse.weight[3] = 1.0
    before = [block.synapse.weight.detach().clone() for block in module.blocks]
    *_, second, first = np.sort(room.used_by(record(module.blocks, steps=STEPS), 1))
    keeper = Keeper(module.blocks, STEPS, (first + second) / 2)
    assert not keeper.look()
    keeper.settle()
    cut = [
        (block.synapse.weight != old).any(1).nonzero().flatten().tolist()
        for block, old in zip(module.blocks, before, strict=True)
    ]
    assert cut[1] == [3]
    row, was = module.blocks[1].synapse.weight[3], before[1][3]
    assert torch.allclose(row / was, (row / was)[0].expand_as(row)) and row[0] > 0  # by one factor, not clipped


def test_a_step_keeps_to_the_room_of_the_epoch():
    module = heavy()
    keeper = Keeper(module.blocks, STEPS)
    keeper.settle()
    keeper.look()
    with torch.no_grad():
        for block in module.blocks:
            block.synapse.weight.mul_(1.3)
    far = widest(module)
    keeper.cut_rows()
    assert widest(module) < far and 1 < far


def test_what_cannot_be_kept_is_said():
    """The threshold itself is a register, and it takes its part of the range whatever the weights."""
    with pytest.raises(InputError, match="takes more than this part of its range even with weights near 0"):
        Keeper(heavy().blocks, STEPS, 0.0001).settle()


def test_a_run_ends_as_provable_as_it_was_asked_for(tmp_path):
    recipe = find("digits-plain").replace(["epochs=2", "hidden=24,16", "keep_provable=0.004", "validation=0.1"])
    run = fit(recipe, tmp_path / "kept")
    found = bounds(run.net())
    assert found.proven and max(bound.used for bound in found.found if bound.register != "sum") < 0.004
    free = fit(recipe.replace(["keep_provable=0"]), tmp_path / "free")
    assert max(bound.used for bound in bounds(free.net()).found) > 0.004
    assert np.isfinite(run.result()["test_score"])


def test_what_is_not_exported_cannot_be_kept_provable():
    with pytest.raises(InputError, match="keep_provable is for neuron = 'ce-lif' or 'cuba', which are"):
        find("digits").replace(["neuron=lif", "cpg=0", "keep_provable=1"])
