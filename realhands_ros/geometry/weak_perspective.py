"""
Weak perspective cameras of square crops, and the metric position they stand for.

The network (paper, sec. 3.1) describes where the hand is by ``weak = (s, tx, ty)``: points
relative to a reference point of the hand (say the root joint; metres, axes of the camera) appear
at

    x = s (X + tx),    y = s (Y + ty)

in normalised crop coordinates, which run from -1 to 1 between the crop's outer edges:
``x = (2 u + 1) / W - 1`` for pixel u, so s is in 1/m and tx, ty in metres.

The reference point itself is seen at pixel p = ((s tx + 1) W - 1, (s ty + 1) W - 1) / 2. A pinhole
camera K shows it there, and things beside it at the same scale, when it stands at

    T = Z K^-1 (p, 1),    Z = 2 f / (s W),    f = sqrt(det K[:2, :2]).

That is exact for the reference point and, where pixels are square, for a plane through it that
faces the camera; parts of the hand nearer or farther are off by the perspective that the weak
camera leaves out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.errors import CalibrationError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import ArrayOrTensor

FloatArray = NDArray[np.float64]


def project_weak(points: ArrayOrTensor, weak: ArrayOrTensor) -> ArrayOrTensor:
    """
    Project points (..., N, 3) relative to the reference point by cameras ``weak`` (..., 3).

    Returns normalised crop coordinates (..., N, 2); numpy or torch, differentiable.
    """
    projected: ArrayOrTensor = weak[..., None, :1] * (points[..., :2] + weak[..., None, 1:])
    return projected


def translation_from_weak(weak: ArrayLike, camera: PinholeCamera) -> FloatArray:
    """
    Return the reference point's position (..., 3) in the crop camera's frame, metres.

    ``weak`` (..., 3) is (s, tx, ty) with s > 0; ``camera`` is that of the crop
    (``PinholeCamera.cropped``), its rotation and translation play no part. Raises CalibrationError
    when the crop is not square.
    """
    weak = np.asarray(weak, dtype=np.float64)
    scale = weak[..., :1]
    pixel = ((scale * weak[..., 1:] + 1) * _side(camera) - 1) / 2
    homogeneous = np.concatenate([pixel, np.ones_like(scale)], axis=-1)
    ray = homogeneous @ np.linalg.inv(camera.intrinsics).T
    depth = 2 * _focal_length(camera) / (scale * _side(camera))
    position: FloatArray = depth * ray
    return position


def weak_from_translation(translation: ArrayLike, camera: PinholeCamera) -> FloatArray:
    """
    Return (s, tx, ty) (..., 3) for a reference point (..., 3) in the crop camera's frame, z > 0.

    The inverse of translation_from_weak, with the same ``camera`` and error.
    """
    position = np.asarray(translation, dtype=np.float64)
    homogeneous = position @ camera.intrinsics.T
    pixel = homogeneous[..., :2] / homogeneous[..., 2:]
    scale = 2 * _focal_length(camera) / (_side(camera) * position[..., 2:])
    normalised = (2 * pixel + 1) / _side(camera) - 1
    return np.concatenate([scale, normalised / scale], axis=-1)


def _focal_length(camera: PinholeCamera) -> float:
    return float(np.sqrt(np.linalg.det(camera.intrinsics[:2, :2])))


def _side(camera: PinholeCamera) -> int:
    if camera.width != camera.height:
        message = (
            f'the crop is {camera.width}x{camera.height} pixels; '
            'a weak perspective camera needs a square one'
        )
        raise CalibrationError(message)
    return camera.width
