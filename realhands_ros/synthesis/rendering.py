"""The interface of the two renderers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realhands_ros.synthesis.scene import Scene


@dataclass(frozen=True, eq=False)
class RenderedView:
    """
    One camera's view of a scene, linear light, before the camera's own effects.

    ``background`` (H, W, 3) radiance behind the hands, of no meaning where they hide it however
    they move in the exposure; ``foreground`` (H, W, 4) radiance of hands
    and objects times coverage, and coverage; ``labels`` (H, W) uint8 and ``depth`` (H, W) float32
    metres (inf for nothing) of what the centre of each pixel sees.
    """

    background: NDArray[np.float32]
    foreground: NDArray[np.float32]
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]


class Renderer(Protocol):
    """Draws scenes."""

    def render(self, scene: Scene) -> tuple[RenderedView, RenderedView]:
        """Return the left and the right view."""
        ...
