"""
Which upright square of an image the landmark model looks at, after MediaPipe's own scheme.

The square is turned so that the line from the wrist to the middle finger points up, and is larger
than what is known of the hand: 2.6 palms, moved by half a palm towards the fingers, around a palm
(Zhang et al., "MediaPipe Hands: On-device real-time hand tracking", 2020); twice the box of the
palm's keypoints, moved by a tenth, around keypoints of the last frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.keypoints.mediapipe_graphs import LANDMARK_INPUT_SIZE
from realhands_ros.keypoints.palm_decoding import Palm

FloatArray = NDArray[np.float64]

_PALM_SCALE, _PALM_SHIFT = 2.6, 0.5
_KEYPOINTS_SCALE, _KEYPOINTS_SHIFT = 2.0, 0.1
# Wrist and base of the middle finger among the palm model's keypoints.
_PALM_WRIST, _PALM_MIDDLE = 0, 2
# Without the tips the box stays calm while the fingers bend.
_STEADY_KEYPOINTS = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])
_PICTURE_CENTRE = LANDMARK_INPUT_SIZE / 2
_WRIST, _INDEX_MCP, _MIDDLE_MCP, _RING_MCP = 0, 5, 9, 13


@dataclass(frozen=True, eq=False)
class Region:
    """
    A turned square of an image: ``centre`` (2,) and ``side`` in pixels, ``angle`` in radians.

    The square's upward direction is (sin angle, -cos angle) in the image.
    """

    centre: FloatArray
    side: float
    angle: float

    @property
    def affine(self) -> FloatArray:
        """Return the affine (2, 3) from image pixels to those of the landmark model's picture."""
        scale, (x, y) = LANDMARK_INPUT_SIZE / self.side, self.centre
        cosine, sine = scale * math.cos(self.angle), scale * math.sin(self.angle)
        # MediaPipe lays the picture's corner on the square's, not the centres of their pixels.
        return np.array([
            [cosine, sine, _PICTURE_CENTRE - cosine * x - sine * y],
            [-sine, cosine, _PICTURE_CENTRE + sine * x - cosine * y],
        ])  # fmt: skip

    def to_image(self, points: ArrayLike) -> FloatArray:
        """Take pixels (N, 2) of the landmark model's picture to the image."""
        from_centre = self.side / LANDMARK_INPUT_SIZE * (np.asarray(points) - _PICTURE_CENTRE)
        pixels: FloatArray = from_centre @ _upright(self.angle) + self.centre
        return pixels

    def turned_to_image(self, vectors: ArrayLike) -> FloatArray:
        """Take vectors (N, 3) from the axes of the picture to those of the image."""
        turned = np.array(vectors, dtype=np.float64)
        turned[:, :2] = turned[:, :2] @ _upright(self.angle)
        return turned


def region_of_palm(palm: Palm) -> Region:
    """Return the region of the hand whose palm is given in image pixels."""
    angle = _upward_angle(palm.keypoints[_PALM_MIDDLE] - palm.keypoints[_PALM_WRIST])
    size = palm.box[1] - palm.box[0]
    return _enlarged(palm.box.mean(axis=0), size, angle, _PALM_SCALE, _PALM_SHIFT)


def region_of_keypoints(keypoints_px: ArrayLike) -> Region:
    """Return the region of a hand whose keypoints (21, 2) are (about) known; all finite."""
    keypoints = np.asarray(keypoints_px, dtype=np.float64)
    outer = 0.5 * (keypoints[_INDEX_MCP] + keypoints[_RING_MCP])
    knuckles = 0.5 * (outer + keypoints[_MIDDLE_MCP])
    angle = _upward_angle(knuckles - keypoints[_WRIST])
    upright = _upright(angle)
    steady = keypoints[_STEADY_KEYPOINTS] @ upright.T
    low, high = steady.min(axis=0), steady.max(axis=0)
    centre = upright.T @ (0.5 * (low + high))
    return _enlarged(centre, high - low, angle, _KEYPOINTS_SCALE, _KEYPOINTS_SHIFT)


def _enlarged(
    centre: FloatArray, size: FloatArray, angle: float, scale: float, shift: float
) -> Region:
    towards_fingers = np.array([math.sin(angle), -math.cos(angle)])
    moved = centre + shift * float(size[1]) * towards_fingers
    return Region(moved, max(scale * float(size.max()), 1.0), angle)


def _upward_angle(direction: FloatArray) -> float:
    return math.atan2(direction[0], -direction[1])


def _upright(angle: float) -> FloatArray:
    """Return the rotation (2, 2) of a square at ``angle`` to an upright one."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])
