"""
What one soft silhouette is: image size, softness, and the constants that follow from them.

The definition (Liu et al., "Soft Rasterizer", ICCV 2019, silhouette part): a triangle j covers
pixel p by ``D_j = sigmoid(s d^2 / sigma)``, with d the distance from p to the triangle's boundary
and s = +1 inside, -1 outside; the silhouette is ``S = 1 - prod_j (1 - D_j)`` over all triangles,
whichever side they show. Distances are in NDC, where the image's shorter side runs from -1 to 1.
Outside a triangle ``D_j`` is cut off to 0 where it falls below 1e-4, that is at ``d^2 = 9.21
sigma``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from realhands_ros.errors import ConfigError

# Implementations, see soft_silhouette.SoftSilhouette.
Renderer = Literal['auto', 'cpu', 'torch', 'pytorch3d', 'reference']

# Coverage below which a triangle does not count outside of itself, and the exponent it means.
MIN_COVERAGE = 1e-4
CUTOFF = math.log(1.0 / MIN_COVERAGE - 1.0)

# Triangles with less than this (twice the area, NDC) are seen edge-on and cover nothing.
MIN_DOUBLE_AREA_NDC = 1e-8


@dataclass(frozen=True)
class SilhouetteSettings:
    """
    Size and softness of a silhouette image.

    ``height`` and ``width`` are pixels. ``sigma`` is the softness in NDC squared: 1e-4 blurs over
    3.4 pixels at 224 and pulls from further away, 1e-5 over 1.1 pixels and fits a hard mask
    without making the hand thinner (a mask rendered at 1e-4 and cut at one half is larger than the
    hard one, IoU .956; at 1e-5 .987). Raises ConfigError for values that make no image.
    """

    height: int
    width: int
    sigma: float = 1e-4

    def __post_init__(self) -> None:
        """Check the values."""
        if self.height <= 0 or self.width <= 0:
            message = f'silhouette size is {self.width}x{self.height}; both must be positive'
            raise ConfigError(message)
        if not (math.isfinite(self.sigma) and self.sigma > 0.0):
            message = f'sigma is {self.sigma}; it must be positive, 1e-6 to 1e-3 make sense'
            raise ConfigError(message)

    @property
    def sharpness_px(self) -> float:
        """Return 1 / sigma per squared pixel: the exponent of D is ``d_px ** 2`` times this."""
        return (2.0 / min(self.height, self.width)) ** 2 / self.sigma

    @property
    def blur_radius_px(self) -> float:
        """Return the distance in pixels at which a triangle is cut off."""
        return math.sqrt(CUTOFF / self.sharpness_px)

    @property
    def min_double_area_px(self) -> float:
        """Return twice the area, in squared pixels, up to which a triangle covers nothing."""
        return MIN_DOUBLE_AREA_NDC * (min(self.height, self.width) / 2.0) ** 2
