"""
Mirror images: x negated in 3D, left and right exchanged in the image.

A left hand seen by a camera is, mirrored, a right hand seen by the mirrored camera. Everything
here is its own inverse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.camera import PinholeCamera

# Nodes that have no tensors start sooner without torch.
if TYPE_CHECKING:
    import torch

ArrayOrTensor = TypeVar('ArrayOrTensor', NDArray[Any], 'torch.Tensor')

# Signs of the components of a point, and of a rotation vector, which is an axial vector.
POINT_SIGNS = (-1.0, 1.0, 1.0)
AXIS_ANGLE_SIGNS = (1.0, -1.0, -1.0)


def mirror_points(points: ArrayOrTensor) -> ArrayOrTensor:
    """Mirror points or vectors (..., 3), numpy or torch: x changes sign."""
    mirrored: ArrayOrTensor = points * _like(points, POINT_SIGNS)
    return mirrored


def mirror_axis_angle(axis_angle: ArrayOrTensor) -> ArrayOrTensor:
    """Mirror rotation vectors, one (..., 3) or k in a row (..., 3 k): (x, y, z) to (x, -y, -z)."""
    signs = AXIS_ANGLE_SIGNS * (axis_angle.shape[-1] // 3)
    mirrored: ArrayOrTensor = axis_angle * _like(axis_angle, signs)
    return mirrored


def mirror_pixels(pixels: ArrayOrTensor, width: int) -> ArrayOrTensor:
    """Mirror pixel coordinates (..., 2) in an image ``width`` pixels wide: u becomes W - 1 - u."""
    shift = _like(pixels, (width - 1.0, 0.0))
    mirrored: ArrayOrTensor = pixels * _like(pixels, (-1.0, 1.0)) + shift
    return mirrored


def mirror_camera(camera: PinholeCamera) -> PinholeCamera:
    """
    Return the camera that sees mirrored points where ``camera``'s mirrored image shows them.

    The rig's frame is mirrored with it, so a mirrored stereo rig stays one.
    """
    intrinsics = camera.intrinsics.copy()
    # Those of a crop that undoes the stretch of an off-axis view have both of these.
    intrinsics[0, 1], intrinsics[1, 0] = -intrinsics[0, 1], -intrinsics[1, 0]
    intrinsics[0, 2] = camera.width - 1 - intrinsics[0, 2]
    mirror = np.diag(POINT_SIGNS)
    return replace(
        camera,
        intrinsics=intrinsics,
        rotation=mirror @ camera.rotation @ mirror,
        translation=mirror @ camera.translation,
    )


def _like(array: ArrayOrTensor, values: tuple[float, ...]) -> ArrayOrTensor:
    if isinstance(array, np.ndarray):
        return np.array(values, array.dtype)
    return array.new_tensor(values)
