"""The truth about hands: in space, in the images, or both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import crop_image
from realhands_ros.geometry.rasterizer import projected_mask

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TrueHand:
    """
    A hand as it is, in the rig's frame, metres.

    ``keypoints`` (21, 3); ``vertices`` (778, 3), None where the truth has no mesh of this layout;
    ``root_aa`` (3,): axis-angle of the wrist, None where it is unknown.
    """

    handedness: Handedness
    keypoints: FloatArray
    vertices: FloatArray | None = None
    root_aa: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class AnnotatedView:
    """
    What was marked in one image.

    ``keypoints_px`` (21, 2), NaN where not marked; ``mask`` (H, W), the hand's visible pixels, or
    None.
    """

    keypoints_px: FloatArray
    mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class TrackedTruth:
    """
    A true hand of a frame.

    ``hand``: the hand in space, None where it is only known in the images; ``annotations``: what
    was marked in each image, empty where that follows from ``hand``; ``visible`` (V, 21) bool:
    which keypoints each view sees, empty if unknown.
    """

    id: str
    handedness: Handedness
    hand: TrueHand | None = None
    annotations: tuple[AnnotatedView, ...] = ()
    visible: Mask | None = None

    @property
    def visible_share(self) -> float:
        """Return the share of keypoints seen in the view that sees the fewest; 1 if unknown."""
        if self.visible is None or not self.visible.size:
            return 1.0
        return float(self.visible.mean(axis=1).min())

    def keypoints_px(self, view: int, camera: PinholeCamera) -> FloatArray:
        """Return the true pixels (21, 2) in a view, NaN where they are not known."""
        if self.annotations:
            return self.annotations[view].keypoints_px
        assert self.hand is not None
        return camera.project(self.hand.keypoints)

    def crop_mask(
        self,
        view: int,
        camera: PinholeCamera,
        affine: FloatArray,
        size: tuple[int, int],
        faces: NDArray[np.int64],
    ) -> Mask | None:
        """
        Return the true mask in a crop of ``size`` (height, width), None if there is none.

        Without a marked one it is the projection of the true mesh, whatever hides it.
        """
        mask = self.annotations[view].mask if self.annotations else None
        if mask is not None:
            full = mask.astype(np.uint8) * np.uint8(255)
            return np.asarray(crop_image(full, affine, size[0]) > 127)
        if self.hand is None or self.hand.vertices is None:
            return None
        return projected_mask(self.hand.vertices, faces, camera.cropped(affine, size[1], size[0]))
