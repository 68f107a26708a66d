"""Random views of images: what they show, that a run trains on them, and who may ask for them."""

import numpy as np
import pytest
import torch

from spikeproof.contract.errors import InputError
from spikeproof.train.runs.build import build
from spikeproof.train.runs.loop.trainee import Trainee
from spikeproof.train.runs.recipe import find, make
from spikeproof.train.tasks.images import Images


def _viewed(x, images, seed=0, **how):
    views = {"translate": 0.0, "rotate": 0.0, "scale": 0.0} | how
    return images.views(x, **views, generator=torch.Generator().manual_seed(seed))


def test_views_of_images_move_turn_and_resize_what_the_steps_show():
    height, width = 7, 9
    order = np.random.default_rng(3).permutation(height * width)
    images = Images(height, width, order)
    image = torch.zeros(1, 1, height, width)
    image[..., 3, 6] = 1  # two pixels to the right of the middle
    x = image.flatten(2)[..., order].expand(400, 1, -1)

    def seen(**how):
        found = torch.empty_like(x)
        found[..., order] = _viewed(x, images, **how)
        return found.view(-1, height, width)

    assert torch.allclose(seen(), image[0].expand(400, -1, -1), atol=1e-5)

    rows, columns = torch.meshgrid(torch.arange(7.0) - 3, torch.arange(9.0) - 4, indexing="ij")

    def centres(views):
        mass = views.sum((1, 2))
        return torch.stack([(views * columns).sum((1, 2)) / mass, (views * rows).sum((1, 2)) / mass], 1)

    moved = centres(seen(translate=1.5)) - torch.tensor([2.0, 0.0])
    assert (moved.abs() <= 1.5 + 1e-4).all() and (moved.abs().amax(0) > 1.4).all() and moved.mean(0).abs().max() < 0.2

    turned = centres(seen(rotate=30.0))
    angles = torch.atan2(turned[:, 1], turned[:, 0]).rad2deg()
    assert angles.abs().max() < 34 and angles.min() < -24 and angles.max() > 24  # bilinear: about a degree or two
    assert (turned.norm(dim=1) - 2).abs().max() < 0.25

    grown = centres(seen(scale=0.25))
    assert 1.4 < grown[:, 0].min() < 1.75 and 2.25 < grown[:, 0].max() < 2.6 and grown[:, 1].abs().max() < 1e-4


def test_a_run_trains_on_views_and_is_judged_on_the_images_themselves():
    recipe = find("digits-plain").replace(["augment_translate=1", "augment_rotate=10", "augment_scale=0.1"])
    task, heard = recipe.load_task(), []
    trainee = Trainee(recipe, build(recipe, task), task)
    trainee.log = lambda *_, **__: None
    trainee.module.register_forward_hook(lambda module, inputs, output: heard.append(inputs[0]))
    x, y = torch.as_tensor(task.train.x[:8]), torch.as_tensor(task.train.y[:8])

    trainee.training_step((x, y), 0)
    trainee.validation_step((x, y), 0)
    trainee.training_step((x, y), 0)

    assert torch.equal(heard[1], x)
    assert torch.equal(heard[0], heard[2]) and not torch.equal(heard[0], x)  # a resumed step draws what it drew
    assert heard[0].shape == x.shape and heard[0].min() >= 0 and heard[0].max() <= 1


@pytest.mark.parametrize("key", ["augment_translate", "augment_rotate", "augment_scale"])
def test_views_are_for_images_read_pixel_by_pixel(key):
    with pytest.raises(InputError, match=rf"{key} is for images read pixel by pixel, and task is 'adding'"):
        make(task="adding", hidden=(4,), **{key: 0.5})
