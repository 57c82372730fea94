"""Two views of one hand: association, triangulation, and one view where only one sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from realhands_ros.arrays import FloatArray
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.keypoints.detection import HandDetection

# Two views of one hand: whether they belong together, and where it is.
#
# For any calibrated pair of pinhole cameras (K, R, t each); a rectified one is a special case.


# How far a pair's keypoints may lie off each other's epipolar lines (median): this share of the
# hand's size, or this many pixels if that is more.
_EPIPOLAR_SHARE = 0.12
_EPIPOLAR_PX = 2.5
# Root mean square distance of the keypoints from their mean, metres: a child's fist has 0.025, a
# large open hand 0.08, and noise adds to it.
_LEAST_SPREAD_M, _LARGEST_SPREAD_M = 0.018, 0.12
# The same relative to the detector's own 3D guess, which for some poses is much too small. Pairs
# of two different hands mostly lie outside of one or the other.
_LEAST_SCALE, _LARGEST_SCALE = 0.55, 3.0
_MOST = 0.8
_ITERATIONS = 3
_NEAREST_M = 1e-3
# A pixel that far from any image is a number that overflowed, not a place.
_FARTHEST_PX = 1e6
# Relative determinant of the normal equations for a thousandth of a pixel of disparity.
_PARALLEL = 1e-12


class Triangulation(NamedTuple):
    """
    Points from two views, in the rig's frame.

    ``points`` (N, 3) metres, NaN where a keypoint is unknown in either view, lies behind a camera,
    or the rays are parallel; ``residuals_px`` (2, N): distance of each view's keypoint from the
    projected point; ``in_front`` (N,): whether it lies before both cameras.
    """

    points: FloatArray
    residuals_px: FloatArray
    in_front: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pairing:
    """
    How well two detections, one a view, go together as one hand.

    ``epipolar_px``: median distance from the epipolar lines, relative to ``allowed_px``;
    ``front_share``: share of the keypoints before both cameras; ``spread_m``: see ``spread``;
    ``scale``: that relative to the detector's own guess.
    """

    triangulation: Triangulation
    epipolar_px: float
    allowed_px: float
    front_share: float
    spread_m: float
    scale: float

    @property
    def is_aligned(self) -> bool:
        """Return whether the keypoints lie on each other's epipolar lines."""
        return self.epipolar_px <= self.allowed_px

    @property
    def is_one_hand(self) -> bool:
        """Return whether the two may be one hand."""
        return (
            self.is_aligned
            and self.front_share >= _MOST
            and _LEAST_SCALE <= self.scale <= _LARGEST_SCALE
            and _LEAST_SPREAD_M <= self.spread_m <= _LARGEST_SPREAD_M
        )

    @property
    def is_swapped(self) -> bool:
        """Return whether the two would be one hand if left and right were exchanged."""
        return self.is_aligned and self.front_share <= 1.0 - _MOST

    @property
    def cost(self) -> float:
        """Return how badly they go together: 0 for perfectly, 1 for just so."""
        return self.epipolar_px / self.allowed_px + abs(math.log(max(self.scale, 1e-6)))


def pair(cameras: Sequence[PinholeCamera], left: HandDetection, right: HandDetection) -> Pairing:
    """Judge a detection of the left view and one of the right."""
    distances = epipolar_distances(cameras, left.keypoints_px, right.keypoints_px)
    triangulation = triangulate(cameras, (left.keypoints_px, right.keypoints_px))
    spread_m = spread(triangulation.points)
    world = 0.5 * (spread(left.world) + spread(right.world))
    size = min(left.size_px, right.size_px)
    return Pairing(
        triangulation=triangulation,
        epipolar_px=float(np.median(distances)),
        allowed_px=max(_EPIPOLAR_PX, _EPIPOLAR_SHARE * size),
        front_share=float(triangulation.in_front.mean()),
        spread_m=spread_m,
        scale=spread_m / max(world, 1e-6),
    )


def epipolar_distances(
    cameras: Sequence[PinholeCamera], left_px: ArrayLike, right_px: ArrayLike
) -> FloatArray:
    """
    Return by how many pixels (N,) both keypoints must move to see one point (Sampson distance).

    Hartley and Zisserman, "Multiple View Geometry", 2nd edition, eq. 11.9.
    """
    F = fundamental_matrix(*cameras)
    left, right = (np.asarray(pixels, dtype=np.float64) for pixels in (left_px, right_px))
    lines_right = left @ F[:, :2].T + F[:, 2]
    slopes_right, slopes_left = lines_right[:, :2], right @ F[:2, :2] + F[2, :2]
    error = (right * slopes_right).sum(axis=1) + lines_right[:, 2]
    gradient = (slopes_right**2 + slopes_left**2).sum(axis=1)
    distances: FloatArray = np.abs(error) / np.sqrt(np.maximum(gradient, 1e-18))
    return distances


def fundamental_matrix(left: PinholeCamera, right: PinholeCamera) -> FloatArray:
    """Return F (3, 3) with ``x_right^T F x_left = 0`` for homogeneous pixels of one point."""
    rotation = right.rotation @ left.rotation.T
    x, y, z = right.translation - rotation @ left.translation
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix: FloatArray = right.inverse_intrinsics.T @ cross @ rotation @ left.inverse_intrinsics
    return matrix


def triangulate(
    cameras: Sequence[PinholeCamera],
    keypoints_px: Sequence[ArrayLike],
    scores: Sequence[ArrayLike] | None = None,
) -> Triangulation:
    """
    Return the points (N, 3) that two views' keypoints (N, 2) are images of.

    Linear least squares on the pixel residuals (the DLT, its rows divided by the depths of the
    round before), a keypoint's rows weighted by its score (N,). A keypoint with NaN or infinity in
    a view, or in its score, is unknown. Raises nothing for what a detector may say.
    """
    pixels = np.array(keypoints_px, dtype=np.float64).swapaxes(1, 2)
    known = (np.abs(pixels) < _FARTHEST_PX).all(axis=(0, 1))
    weights = np.ones((2, len(known))) if scores is None else np.array(scores, dtype=np.float64)
    known &= np.isfinite(weights).all(axis=0)
    # What is unknown must not stop the others: NaN would spread, and singular systems raise.
    pixels = np.where(known, pixels, 0.0)
    weights = np.clip(np.where(known, weights, 1.0), 1e-3, 1.0)
    projections = np.stack([camera.projection for camera in cameras])
    by_view = _normal_equations(_rows(projections, pixels), weights)
    depths = np.ones_like(weights)
    for _ in range(_ITERATIONS):
        systems = (by_view / depths[:, None, None] ** 2).sum(axis=0).transpose(2, 0, 1)
        normal, right = systems[..., :3], systems[..., 3:]
        trace = normal[:, 0, 0] + normal[:, 1, 1] + normal[:, 2, 2]
        # Parallel rays meet nowhere.
        known &= np.linalg.det(normal) > _PARALLEL * trace**3
        normal[~known] = np.eye(3)
        points = np.linalg.solve(normal, right)[..., 0]
        homogeneous = projections[..., :3] @ points.T + projections[..., 3:]
        depths = _safe_depth(homogeneous[:, 2])
    in_front = known & (homogeneous[:, 2] > 0.0).all(axis=0)
    residuals = np.hypot(*(homogeneous[:, :2] / depths[:, None] - pixels).swapaxes(0, 1))
    points[~in_front] = np.nan
    return Triangulation(points, np.where(known, residuals, np.nan), in_front)


def depth_noise(cameras: Sequence[PinholeCamera], points: FloatArray) -> float:
    """Return about how much (metres) a pixel of disparity moves points (N, 3) in depth."""
    left, right = cameras
    known = np.where(np.isfinite(points), points, 0.0)
    distance = float(np.linalg.norm(known.mean(axis=0) - left.centre))
    baseline = float(np.linalg.norm(right.centre - left.centre))
    return distance**2 / float(left.intrinsics[0, 0] * baseline)


def _rows(projections: FloatArray, pixels: FloatArray) -> FloatArray:
    """
    Return the rows (2, 2, 4, N), a view's two, of ``P_xy x - (x, y) P_z x = 0``.

    ``projections`` (2, 3, 4), ``pixels`` (2, 2, N); x are homogeneous points.
    """
    return projections[:, :2, :, None] - pixels[:, :, None] * projections[:, 2:, :, None]


def _normal_equations(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """
    Return each view's normal equations (2, 3, 4, N): those of its rows (2, 2, 4, N), weighted.

    ``weights`` (2, N). The last column is the right-hand side.
    """
    weighted = rows * weights[:, None, None]
    systems: FloatArray = (weighted[:, :, :3, None] * rows[:, :, None]).sum(axis=1)
    systems[:, :, 3] *= -1.0
    return systems


def _safe_depth(depth: FloatArray) -> FloatArray:
    """Return depths that are nowhere zero."""
    return np.where(np.abs(depth) < _NEAREST_M, _NEAREST_M, depth)


def spread(points: FloatArray) -> float:
    """Return the root mean square distance of points from their mean; 0 without two points."""
    finite = np.isfinite(points)
    known = points if finite.all() else points[finite.all(axis=1)]
    if len(known) < 2:
        return 0.0
    away = (known - known.mean(axis=0)).ravel()
    return math.sqrt(away @ away / len(known))


# Where a hand of known form is that only one camera sees.

_NEAREST_LIFTED_M = 0.05


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
    if placed[:, 2].min() < _NEAREST_LIFTED_M:
        return None
    points: FloatArray = (placed - camera.translation) @ camera.rotation
    return points


# The hands of one instant: which detection of the left view and which of the right are one.

# More than any sum of possible costs, so that an impossible pair never displaces a possible one.
IMPOSSIBLE = 1e6


@dataclass(frozen=True, eq=False)
class Sighting:
    """
    One hand at one instant: ``views`` holds its detection in each view, None where it is not seen.

    ``pairing`` says how two detections go together; None with fewer.
    """

    views: tuple[HandDetection | None, ...]
    pairing: Pairing | None = None

    @property
    def detections(self) -> list[HandDetection]:
        """Return the detections there are, at least one."""
        return [detection for detection in self.views if detection is not None]

    @property
    def presence(self) -> float:
        """Return the confidence in [0, 1] that this is a hand: that of the surer view."""
        return max(detection.presence for detection in self.detections)

    @property
    def right(self) -> float:
        """Return the probability that it is a right hand: the views' mean."""
        return fmean(detection.right for detection in self.detections)


@dataclass(frozen=True, eq=False)
class Sightings:
    """
    All hands of one instant.

    ``look_swapped``: whether views fit together only with left and right exchanged.
    """

    hands: tuple[Sighting, ...]
    look_swapped: bool = False


def match_views(
    detections: Sequence[Sequence[HandDetection]], cameras: Sequence[PinholeCamera]
) -> Sightings:
    """
    Match the detections of each view by epipolar geometry, size and handedness.

    What has no partner in the other view is a hand of its own.
    """
    if len(cameras) == 1:
        return Sightings(tuple(Sighting((detection,)) for detection in detections[0]))
    lefts, rights = detections
    pairings = [[pair(cameras, left, right) for right in rights] for left in lefts]
    costs = np.full((len(lefts), len(rights)), IMPOSSIBLE)
    for row, column in np.ndindex(*costs.shape):
        if pairings[row][column].is_one_hand:
            sides = abs(lefts[row].right - rights[column].right)
            costs[row, column] = pairings[row][column].cost + sides
    matched = [
        (row, column)
        for row, column in zip(*linear_sum_assignment(costs), strict=True)
        if costs[row, column] < IMPOSSIBLE
    ]
    hands = [Sighting((lefts[row], rights[col]), pairings[row][col]) for row, col in matched]
    paired = ({row for row, _ in matched}, {column for _, column in matched})
    hands += [Sighting((hand, None)) for i, hand in enumerate(lefts) if i not in paired[0]]
    hands += [Sighting((None, hand)) for i, hand in enumerate(rights) if i not in paired[1]]
    swapped = any(fit.is_swapped for row in pairings for fit in row)
    return Sightings(tuple(hands), look_swapped=swapped and not matched)
