"""
Square crops around a hand, and the axes in which a crop shows it.

A camera sees a hand that is off its axis from the side and stretched. A crop undoes the stretch:
its affine is, to first order, the image of a virtual camera that looks straight at the crop's
centre. What the crop shows is then the hand in the axes of that virtual camera, and these, not
the real camera's, are the axes in which a network can tell a hand's rotation from its looks.

An affine (2, 3) takes image pixels to crop pixels, as OpenCV's warpAffine has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.errors import ImageError

Image = NDArray[np.uint8]

# A crop around keypoints that (nearly) coincide is still this many image pixels wide.
_SMALLEST_SIDE_PX = 8.0


@dataclass(frozen=True, eq=False)
class CropView:
    """
    The virtual camera of a crop.

    ``rotation`` (3, 3) takes vectors from the camera's axes to the crop's: z along the ray through
    the crop's centre, x and y along its rows and columns. ``focal_px`` is the focal length in crop
    pixels: a length l at the distance d across that ray measures ``focal_px l / d`` pixels.
    """

    rotation: FloatArray
    focal_px: float
    size: int

    @property
    def half_angle(self) -> float:
        """Return the tangent of half the angle that the crop spans."""
        return self.size / (2 * self.focal_px)


def crop_affine(
    keypoints_px: ArrayLike,
    size: int,
    margin: float,
    intrinsics: ArrayLike | None = None,
    *,
    turn: float = 0.0,
    shift: ArrayLike = (0.0, 0.0),
    up: ArrayLike | None = None,
) -> FloatArray:
    """
    Return the affine (2, 3) of a square crop of ``size`` pixels around keypoints (N, 2).

    The crop's side is ``margin`` times the larger side of the keypoints' box; keypoints that are
    NaN are left out. ``intrinsics`` (3, 3) of the camera remove the stretch of an off-axis view;
    without them the crop is a plain square of the image. ``up`` (2, 2): two points of the image;
    the content is rotated so that the second lies above the first. ``turn`` (radians) rotates it
    further, ``shift`` (2,) moves it, in units of the crop's side. Raises ImageError when no
    keypoint is known.
    """
    points = np.asarray(keypoints_px, dtype=np.float64)
    finite = np.isfinite(points)
    if not finite.all():
        points = points[finite.all(axis=1)]
    if len(points) == 0:
        message = 'no keypoint is known, so there is nothing to crop around: skip this view'
        raise ImageError(message)
    centre = 0.5 * (points.min(0) + points.max(0))
    linear = np.eye(2) if intrinsics is None else _unstretching(np.asarray(intrinsics), centre)
    if up is not None:
        turn += _turn_upright(linear, np.asarray(up, dtype=np.float64))
    linear = in_plane_rotation(turn)[:2, :2] @ linear
    placed = points @ linear.T
    low, high = placed.min(0), placed.max(0)
    smallest = _SMALLEST_SIDE_PX * math.sqrt(abs(area_scale(linear)))
    side = margin * max(float((high - low).max()), smallest)
    scale = size / side
    middle = scale * 0.5 * (low + high)
    offset = (size - 1) / 2 + size * np.asarray(shift, dtype=np.float64) - middle
    return np.concatenate([scale * linear, offset[:, None]], axis=1)


def crop_view(crop_intrinsics: ArrayLike, size: int) -> CropView:
    """
    Return the virtual camera of a crop whose intrinsics are (3, 3): the affine times K.

    For an affine that does not undo the stretch completely, the nearest camera is taken (polar
    decomposition). The affine must not mirror.
    """
    matrix = np.asarray(crop_intrinsics, dtype=np.float64)
    centre = np.array([(size - 1) / 2, (size - 1) / 2, 1.0])
    ray = np.linalg.solve(matrix, centre)
    ray *= np.sign(ray[2]) / np.linalg.norm(ray)
    towards = rotation_towards(ray)
    # How pixels move when the point at distance 1 on the ray moves across it.
    across = ((matrix[:2] - centre[:2, None] * matrix[2]) / (matrix[2] @ ray)) @ towards[:2].T
    rotation = in_plane_rotation(turn_of(across)) @ towards
    return CropView(rotation, math.sqrt(abs(area_scale(across))), size)


def rotation_towards(ray: ArrayLike) -> FloatArray:
    """Return the smallest rotation (3, 3) that turns the unit vector ``ray`` (3,) into z."""
    x, y, z = np.asarray(ray, dtype=np.float64).tolist()
    shared = 1.0 / (1.0 + z)
    return np.array([
        [1 - x * x * shared, -x * y * shared, -x],
        [-x * y * shared, 1 - y * y * shared, -y],
        [x, y, z],
    ])  # fmt: skip


def turn_of(affine: ArrayLike) -> float:
    """Return the angle of the rotation nearest to an affine (2, 3) or a matrix (2, 2), radians."""
    (a, b, *_), (c, d, *_) = np.asarray(affine, dtype=np.float64).tolist()
    return math.atan2(c - b, a + d)


def area_scale(affine: ArrayLike) -> float:
    """Return how many times larger areas become by an affine (2, 3) or (2, 2); < 0: mirrored."""
    (a, b, *_), (c, d, *_) = np.asarray(affine, dtype=np.float64).tolist()
    return float(a * d - b * c)


def in_plane_rotation(angle: float) -> FloatArray:
    """Return the rotation (3, 3) about z by an angle in radians, as ``turn_of`` counts it."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def apply_affine(affine: ArrayLike, points_px: ArrayLike) -> FloatArray:
    """Map pixels (..., 2) by an affine (2, 3)."""
    matrix = np.asarray(affine, dtype=np.float64)
    mapped: FloatArray = np.asarray(points_px, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return mapped


def mirrored_affine(affine: ArrayLike, size: int) -> FloatArray:
    """Return the affine (2, 3) whose crop of ``size`` pixels mirrors that of ``affine``."""
    mirrored = np.array(affine, dtype=np.float64)
    mirrored[0] *= -1.0
    mirrored[0, 2] += size - 1
    return mirrored


def crop_image(image: Image, affine: ArrayLike, size: int) -> Image:
    """
    Cut a crop (size, size[, C]) out of an image (H, W[, C]); black where it leaves the image.

    Where the crop is smaller than what it shows, the image is averaged first, so that fine
    patterns do not turn into coarse ones.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    reduction = 1.0 / math.sqrt(max(abs(area_scale(matrix)), 1e-12))
    halvings = max(0, math.floor(math.log2(max(reduction, 1e-12)) + 0.25))
    for _ in range(halvings):
        image = np.asarray(cv2.pyrDown(image), dtype=np.uint8)
        # pyrDown keeps every second pixel, so pixel u of the smaller image is 2 u of the larger.
        matrix = np.column_stack([2.0 * matrix[:, :2], matrix[:, 2]])
    cropped = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(cropped, dtype=np.uint8)


def _turn_upright(linear: FloatArray, up: FloatArray) -> float:
    """Return the rotation that lets the second point of ``up`` (2, 2) lie above the first."""
    x, y = (linear @ (up[1] - up[0])).tolist()
    # Points that coincide or are unknown (NaN) have no direction.
    return -0.5 * math.pi - math.atan2(y, x) if math.hypot(x, y) > _SMALLEST_SIDE_PX / 8 else 0.0


def _unstretching(intrinsics: FloatArray, centre: FloatArray) -> FloatArray:
    """Return d(pixels of a camera turned towards ``centre``) / d(pixels), (2, 2)."""
    inverse = np.linalg.inv(intrinsics)
    ray = inverse[:, :2] @ centre + inverse[:, 2]
    length = math.sqrt(ray @ ray)
    focal = math.sqrt(abs(area_scale(intrinsics[:2])))
    jacobian: FloatArray = focal * (rotation_towards(ray / length) @ inverse)[:2, :2] / length
    return jacobian
