"""Where a hand works before a stereo rig: places that both cameras see and an arm can come to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.synthesis.forearm import FOREARM_LENGTH_M
from realhands_ros.synthesis.motion import arm_placement, forearm_direction

FloatArray = NDArray[np.float64]

# Depth of the middle of the hand before a camera whose focal length is 0.4 image widths, metres;
# longer lenses are used from farther away.
DEPTH_RANGE_M = (0.30, 0.62)
_WIDE_FOCAL = 0.4
_STRATA = 7

_WRIST_TO_CENTRE_M = 0.08
# How far the middle of the hand stays inside the images' edges, and two hands from the middle.
_MARGIN_M = 0.08
_APART_M = 0.09

# An arm's upper end must stay out of view: there is no body at it.
_UPPER_ARM_M = 0.28
_SHOULDER_RADIUS_M = 0.06
_MAX_TRIES = 200


def body_origin(rig: StereoRig) -> FloatArray:
    """Return the origin of the body's frame, between the cameras, (3,) in the rig's frame."""
    return np.asarray((rig.left.centre + rig.right.centre) / 2)


class WorkingVolume:
    """
    Draws wrist positions for one hand, in the body's frame of motion.py.

    A hand that ``has_company`` of the other one keeps to its own side.
    """

    def __init__(self, rig: StereoRig, handedness: Handedness, *, has_company: bool) -> None:
        self._rig = rig
        self._handedness = handedness
        self._has_company = has_company
        self._depths: list[float] = []

    def sample_wrist(self, rng: np.random.Generator) -> FloatArray:
        """Return a wrist (3,) in metres whose hand both cameras see, but not the shoulder."""
        depth = self._next_depth(rng)
        for _ in range(_MAX_TRIES):
            centre = self._sample_centre(rng, depth)
            wrist = centre - _WRIST_TO_CENTRE_M * forearm_direction(centre)
            if self._hides_shoulder(wrist):
                break
        return np.asarray(wrist)

    def _next_depth(self, rng: np.random.Generator) -> float:
        """Return a depth; any few in a row are spread over the range, evenly in disparity."""
        if not self._depths:
            shares = (rng.permutation(_STRATA) + rng.uniform(size=_STRATA)) / _STRATA
            near, far = DEPTH_RANGE_M
            camera = self._rig.left
            long_lens = max(1.0, camera.intrinsics[0, 0] / (_WIDE_FOCAL * camera.width))
            self._depths = list(long_lens / (shares / near + (1.0 - shares) / far))
        return self._depths.pop()

    def _sample_centre(self, rng: np.random.Generator, depth: float) -> FloatArray:
        camera = self._rig.left
        corners = np.array([[0, 0, 1], [camera.width - 1, camera.height - 1, 1]])
        (left, top, _), (right, bottom, _) = corners @ np.linalg.inv(camera.intrinsics).T * depth
        # The right camera's view is the left one's, moved by the baseline.
        low, high = left + self._rig.baseline + _MARGIN_M, right - _MARGIN_M
        middle = body_origin(self._rig)[0]
        if self._has_company and self._handedness == 'right':
            low = max(low, middle + _APART_M)
        elif self._has_company:
            high = min(high, middle - _APART_M)
        y_reach = max((bottom - top) / 2 - _MARGIN_M, 0.0)
        x = rng.uniform(low, high) if low < high else (low + high) / 2
        y = (top + bottom) / 2 + rng.uniform(-1, 1) * y_reach
        in_body = np.array([x, y, depth]) - body_origin(self._rig)
        return in_body if self._handedness == 'right' else mirror_points(in_body)

    def _hides_shoulder(self, wrist: FloatArray) -> bool:
        arm = arm_placement(wrist, np.zeros(3))
        shoulder = wrist + FOREARM_LENGTH_M * arm.to_elbow + _UPPER_ARM_M * arm.to_shoulder
        if self._handedness == 'left':
            shoulder = mirror_points(shoulder)
        in_rig = shoulder + body_origin(self._rig)
        return not any(_sees(camera, in_rig, _SHOULDER_RADIUS_M) for camera in self._rig.views)


def _sees(camera: PinholeCamera, point: FloatArray, radius: float) -> bool:
    """Return whether any of a ball about a point (3,) of the rig's frame is in the image."""
    depth = camera.to_camera(point)[2]
    if depth <= radius:
        return False
    pixel = camera.project(point)
    reach = radius / depth * camera.intrinsics[0, 0]
    end = np.array([camera.width, camera.height]) + reach
    return bool((pixel > -reach).all() and (pixel < end).all())
