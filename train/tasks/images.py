"""Samples that are images read pixel by pixel, and random views of them to train on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

PIXELWISE = frozenset({"digits", "s-mnist", "ps-mnist"})
"""Tasks whose samples are images in one channel, a pixel a step."""


MNIST_SIDE = 28
"""Pixels along a side of an image of S-MNIST or PS-MNIST."""


class Images(NamedTuple):
    """How the steps of a sample lie in an image."""

    height: int
    width: int
    order: npt.NDArray[np.int64]
    """The pixel that each step shows, counted row by row, shape (height * width,)."""

    def of(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the image that a sample of shape (steps,) shows, (height, width)."""
        values = np.asarray(x)
        image = np.empty_like(values)
        image[self.order] = values
        return image.reshape(self.height, self.width)

    def views(
        self, x: torch.Tensor, *, translate: float, rotate: float, scale: float, generator: torch.Generator
    ) -> torch.Tensor:
        """Return every image moved, turned and resized at random, each of the three drawn evenly for each image.

        Parameters
        ----------
        x : Tensor
            Samples, shape (samples, 1, height * width).
        translate : float
            Most pixels that an image moves, along each axis.
        rotate : float
            Most degrees that it turns, either way.
        scale : float
            Largest part by which it grows or shrinks.
        generator : Generator
            Of the draws, on the CPU.

        Returns
        -------
        Tensor
            Of the same shape: bilinear between the pixels, and 0 outside the image.
        """
        order = torch.as_tensor(self.order, device=x.device)
        images = torch.empty_like(x)
        images[..., order] = x
        drawn = 2 * torch.rand((4, len(x)), generator=generator) - 1
        angle, zoom = drawn[0] * np.deg2rad(rotate), 1 + drawn[1] * scale
        # An image's own axes go from -1 to 1, so one pixel is 2 / width; turning is in pixels, hence the sides' ratio.
        cos, sin, ratio = angle.cos() / zoom, angle.sin() / zoom, self.height / self.width
        along = torch.stack([cos, -sin * ratio, 2 * translate / self.width * drawn[2]], 1)
        down = torch.stack([sin / ratio, cos, 2 * translate / self.height * drawn[3]], 1)
        at = torch.nn.functional.affine_grid(
            torch.stack([along, down], 1).to(x), [len(x), 1, self.height, self.width], align_corners=False
        )
        seen = torch.nn.functional.grid_sample(images.view(len(x), 1, self.height, self.width), at, align_corners=False)
        return seen.flatten(2)[..., order].clamp(0, 1)
