"""What a detector finds in one image, and what a detector is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.geometry.camera import Lens

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HandDetection:
    """
    One hand in one image.

    ``keypoints_px`` (21, 2): pixels of the pinhole camera; ``world`` (21, 3): the detector's own
    3D guess, metres, in the axes of the camera, relative to any point; ``presence``: confidence in
    [0, 1] that it is a hand; ``right``: probability that it is a right one.
    """

    keypoints_px: FloatArray
    world: FloatArray
    presence: float
    right: float

    @cached_property
    def size_px(self) -> float:
        """Return the longer side of the keypoints' box."""
        return box_size(self.keypoints_px)


@dataclass(frozen=True, eq=False)
class ViewImage:
    """One camera's image, (H, W, 3) BGR, (H, W, 4) BGRA or (H, W) grey uint8, and its lens."""

    pixels: Image
    lens: Lens | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]


class ViewDetector(Protocol):
    """Finds hands in the images of one camera, one after another."""

    def detect(
        self, image: ViewImage, expected: Sequence[FloatArray], *, search: bool
    ) -> list[HandDetection]:
        """
        Return the hands in an image, in any order.

        ``expected``: keypoints (21, 2), in pixels of the pinhole camera, about where hands known
        from earlier are now; ``search``: look for others too. A detector may ignore both.
        """
        ...

    def look_ahead(self, image: ViewImage) -> None:
        """
        Search the image that ``detect`` had last for others, for the next call of it.

        What takes long is so done after the known hands are out. A detector may ignore it.
        """
        ...

    def reset(self) -> None:
        """Forget earlier images."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def box_size(keypoints_px: FloatArray) -> float:
    """Return the longer side of the box of keypoints (N, 2), in pixels, at least one."""
    return max(float((keypoints_px.max(axis=0) - keypoints_px.min(axis=0)).max()), 1.0)
