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
        ray = np.linalg.solve(view.crop_camera.intrinsics, np.append(pixel, 1.0))
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
    if sum(view.weights.sum() for view in views) < _LEAST_WEIGHT:
        return start
    rays = [_rays(view) for view in views]
    translation = start
    for _ in range(_ITERATIONS):
        systems = [
            _equations(view, ray, points, translation)
            for view, ray in zip(views, rays, strict=True)
        ]
        matrix, target, weight = (np.concatenate(part) for part in zip(*systems, strict=True))
        residual = np.linalg.norm(matrix @ translation - target, axis=1)
        typical = max(float(np.median(residual[weight > 0])), 1e-6)
        robust = weight / np.maximum(1.0, residual / (_HUBER * typical))
        normal = np.einsum('kia,k,kib->ab', matrix, robust, matrix)
        translation = np.linalg.solve(normal, np.einsum('kia,k,ki->a', matrix, robust, target))
    return translation if _is_seen(views, points + translation) else start


def _is_seen(views: Sequence[ViewInput], keypoints: FloatArray) -> bool:
    """Return whether keypoints (21, 3) lie before all cameras."""
    depths = [view.camera.to_camera(keypoints)[:, 2] for view in views]
    return bool(np.min(depths) > _NEAREST_M)


def _rays(view: ViewInput) -> FloatArray:
    """Return where the keypoints' rays meet the plane z = 1 of the camera, (21, 2)."""
    inverse = np.linalg.inv(view.camera.intrinsics)
    known = (view.weights > 0)[:, None]
    pixels = np.where(known, view.keypoints_px, 0.0)
    homogeneous = pixels @ inverse[:, :2].T + inverse[:, 2]
    rays: FloatArray = homogeneous[:, :2] / homogeneous[:, 2:]
    return rays


def _equations(
    view: ViewInput, rays: FloatArray, points: FloatArray, translation: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Return matrices (21, 2, 3), right-hand sides (21, 2) and weights (21,) of a view's keypoints.

    A keypoint at (x, y) on the plane z = 1 says that ``(R (X + T) + t)_xy - (x, y) (..)_z = 0``;
    divided by the depth, that is a distance on the plane.
    """
    rotation = view.camera.rotation
    placed = view.camera.to_camera(points)
    depth = np.maximum(placed[:, 2:] + rotation[2] @ translation, _NEAREST_M)
    matrix = (rotation[None, :2] - rays[..., None] * rotation[2]) / depth[..., None]
    return matrix, (rays * placed[:, 2:] - placed[:, :2]) / depth, view.weights
