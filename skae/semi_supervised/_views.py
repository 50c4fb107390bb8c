"""Slightly other views of pictures: what a class does not change with.

B is the number of pictures.
"""

import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

SHIFT = 1.0  # pixels, of pictures of 28: others by their size
SIDE = 28
ROTATION, SCALING, SHEAR = 0.15, 0.07, 0.1  # radians; shares


class Views(NamedTuple):
    """Pictures turned, shifted, scaled and sheared a little, each by draws of its own.

    It is applied as a corruption is.
    """

    shape: tuple  # (C, H, W)

    def apply(self, x, space, generator):
        """Return pictures (B, C H W) as they are seen from nearby."""
        c, h, w = self.shape

        def drawn(most):
            u = torch.rand(len(x), generator=generator, dtype=x.dtype, device=x.device)
            return most * (2 * u - 1)

        angle, scale, shear = drawn(ROTATION), 1 + drawn(SCALING), drawn(SHEAR)
        across, down = (drawn(2 * SHIFT / SIDE) for _ in range(2))  # sides are 2 long
        cos, sin = scale * angle.cos(), scale * angle.sin()
        if h == 1:  # a signal is only shifted and stretched
            cos, sin, shear, down = scale, 0 * sin, 0 * shear, 0 * down
        rows = [cos, shear - sin, across], [sin, cos, down]
        grid = torch.stack([torch.stack(row, 1) for row in rows], 1)
        grid = F.affine_grid(grid, [len(x), c, h, w], align_corners=False)
        pictures = x.reshape(-1, c, h, w)
        seen = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return seen.reshape(len(x), math.prod(self.shape))
