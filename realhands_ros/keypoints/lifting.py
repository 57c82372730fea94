"""Where a hand of known form is that only one camera sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.geometry.camera import PinholeCamera

FloatArray = NDArray[np.float64]

_NEAREST_M = 0.05


def lay_on_keypoints(
    form: ArrayLike, keypoints_px: ArrayLike, camera: PinholeCamera
) -> FloatArray | None:
    """
    Return ``form`` (21, 3), moved to where ``camera`` sees it at ``keypoints_px`` (21, 2).

    The form is in metres in the axes of the rig, at any place; so is the result, at its place.
    Linear least squares in the translation. None when the keypoints make no sense of it: not
    finite, or the hand would be behind the camera.
    """
    axes = np.asarray(form, dtype=np.float64) @ camera.rotation.T
    pixels = np.asarray(keypoints_px, dtype=np.float64)
    if not (np.isfinite(axes).all() and np.isfinite(pixels).all()):
        return None
    inverse = camera.inverse_intrinsics[:2]
    rays = pixels @ inverse[:, :2].T + inverse[:, 2]
    # (form + T)_xy = ray (form + T)_z for each keypoint.
    matrix = np.zeros((len(rays), 2, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1.0
    matrix[:, :, 2] = -rays
    target = rays * axes[:, 2:] - axes[:, :2]
    move, *_ = np.linalg.lstsq(matrix.reshape(-1, 3), target.reshape(-1), rcond=None)
    placed = axes + move
    if placed[:, 2].min() < _NEAREST_M:
        return None
    points: FloatArray = (placed - camera.translation) @ camera.rotation
    return points
