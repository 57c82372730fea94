"""The texture of one hand at one moment; mirrors msg/HandTexture.msg."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.topology import Handedness

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HandTexture:
    """
    What is known of one hand's skin after a frame.

    ``id``, ``handedness`` and ``topology_key`` are those of the mesh that went in last.
    ``colours`` (T, T, 3) uint8 RGB, the first row being the top of the atlas (v = 1): what was
    seen, zeros where nothing was. ``coverage_map`` (T, T) uint8: 0 where the skin was never seen
    or the atlas is unused, else 1..255 for how sure the colour is. ``coverage`` is the share of
    the used texels that have been seen, in [0, 1]. ``shading`` (2, 9, 3) tells how bright each
    camera showed the skin (shading.py): the atlas holds the skin's own colour, free of it.
    ``updated`` tells whether the last frame contributed; ``note`` says why not.
    """

    id: str
    handedness: Handedness
    topology_key: str
    colours: Image
    coverage_map: Image
    coverage: float
    shading: NDArray[np.float64]
    updated: bool
    note: str
    fill: Callable[[Image, Image], Image] = field(repr=False)

    @cached_property
    def atlas(self) -> Image:
        """
        Return the atlas for display, (T, T, 3) uint8 RGB: unseen skin filled in, gutters too.

        It is computed when it is first asked for (some milliseconds), so ask at the rate at which
        it is shown, not for every frame.
        """
        return self.fill(self.colours, self.coverage_map)
