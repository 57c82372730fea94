"""
Where a regressed hand is in space: from the network's own cameras, or from the keypoints.

The network's camera (scale, centre) of a crop stands for a position: the reference keypoint is
seen at ``centre``, and its distance is the focal length of the crop's virtual camera over the
scale. The positions that two views give are averaged as in eq. 7. Keypoints measure more: both
views' rays to 21 points of a hand of known form, by weighted least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from realhands_ros.handnet.view_input import ViewInput

FloatArray = NDArray[np.float64]

_ITERATIONS = 3
# Keypoints this far off, relative to the median residual, begin to lose their weight (Huber).
_HUBER = 1.5
_NEAREST_M = 0.05
# Below this sum of weights the keypoints do not fix a position.
_LEAST_WEIGHT = 2.0


@dataclass(frozen=True, eq=False)
class CropCamera:
    """The network's camera for one crop: ``scale`` in 1/m and ``centre`` (2,), see WeakCamera."""

    scale: float
    centre: FloatArray

    @classmethod
    def from_position(cls, view: ViewInput, position_rig: FloatArray) -> CropCamera:
        """Return the camera that shows the reference point at ``position_rig`` (3,)."""
        distance = float(np.linalg.norm(view.camera.to_camera(position_rig)))
        pixel = view.crop_camera.project(position_rig)
        return cls(1 / (view.view.half_angle * distance), (2 * pixel + 1) / view.view.size - 1)

    def position(self, view: ViewInput) -> FloatArray:
        """Return the reference point (3,) in the rig's frame, metres."""
        distance = 1 / (view.view.half_angle * self.scale)
        pixel = ((self.centre + 1) * view.view.size - 1) / 2
        inverse = view.crop_camera.inverse_intrinsics
        ray = inverse[:, :2] @ pixel + inverse[:, 2]
        point_cam = distance * ray / np.linalg.norm(ray)
        position: FloatArray = view.camera.rotation.T @ (point_cam - view.camera.translation)
        return position


def regressed_camera(view: ViewInput, scale: float, centre_ndc: FloatArray) -> CropCamera:
    """Return the network's camera for the unmirrored crop."""
    size = view.crop_camera.width
    return CropCamera(scale, (2 * view.centre_px(centre_ndc) + 1) / size - 1)


def place_by_cameras(views: Sequence[ViewInput], cameras: Sequence[CropCamera]) -> FloatArray:
    """
    Return the reference point (3,) in the rig's frame from one or two regressed cameras.

    Of two, the left one is taken into the right view (xi of eq. 7) and averaged with that view's
    own.
    """
    if len(views) == 1:
        return cameras[0].position(views[0])
    (left, right), (camera_left, camera_right) = views, cameras
    moved = CropCamera.from_position(right, camera_left.position(left))
    mean = CropCamera(
        0.5 * (moved.scale + camera_right.scale), 0.5 * (moved.centre + camera_right.centre)
    )
    return mean.position(right)


def place_by_keypoints(
    views: Sequence[ViewInput], points: FloatArray, start: FloatArray
) -> FloatArray:
    """
    Return the translation (3,) that lays ``points`` (21, 3) on the detected keypoints.

    All in the rig's frame, metres. ``start`` (3,) is a first guess, which is also the answer when
    too few keypoints are known, or when they put the hand behind a camera: that is where rays
    meet that do not belong together, as of exchanged views. From one view the depth rests on the
    size of the hand.
    """
    weights = np.concatenate([view.weights for view in views])
    if weights.sum() < _LEAST_WEIGHT:
        return start
    known = weights > 0
    rows = np.concatenate([_rows(view, points) for view in views])
    across, along = rows[:, :2], rows[:, 2]
    translation = start
    for _ in range(_ITERATIONS):
        move = np.append(translation, 1.0)
        depth = np.maximum(along @ move, _NEAREST_M)
        residual = np.hypot(*(across @ move).T) / depth
        typical = max(median(residual[known].tolist()), 1e-6)
        robust = weights / np.maximum(1.0, residual / (_HUBER * typical)) / depth**2
        weighted = across[..., :3] * robust[:, None, None]
        normal_equations = weighted.reshape(-1, 3).T @ across.reshape(-1, 4)
        translation = np.linalg.solve(normal_equations[:, :3], -normal_equations[:, 3])
    is_seen = (along @ np.append(translation, 1.0)).min() > _NEAREST_M
    return translation if is_seen else start


def _rows(view: ViewInput, points: FloatArray) -> FloatArray:
    """
    Return the rows (21, 3, 4) of a view's keypoints: each a linear function of (T, 1).

    The third is the depth of the point X + T. A keypoint whose ray meets the plane z = 1 of the
    camera at (x, y) says that the others, ``(R (X + T) + t)_xy - (x, y) (..)_z``, are zero;
    divided by the depth, they are a distance on that plane.
    """
    rows = np.empty((len(points), 3, 4))
    rows[..., :3] = view.camera.rotation
    rows[..., 3] = view.camera.to_camera(points)
    rows[:, :2] -= _rays(view)[..., None] * rows[:, 2:]
    return rows


def _rays(view: ViewInput) -> FloatArray:
    """Return where the keypoints' rays meet the plane z = 1 of the camera, (21, 2)."""
    known = (view.weights > 0)[:, None]
    pixels = np.where(known, view.keypoints_px, 0.0)
    inverse = view.camera.inverse_intrinsics
    homogeneous = pixels @ inverse[:, :2].T + inverse[:, 2]
    rays: FloatArray = homogeneous[:, :2] / homogeneous[:, 2:]
    return rays
