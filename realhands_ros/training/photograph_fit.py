"""
The hand model laid on what MediaPipe reads in one photograph.

Levenberg-Marquardt over pose, shape and translation minimises

    sum_k rho(|pi(M_k X) - p_k| / (s2 b)) + sum_k rho(|N_k X - S w_k| / s3) + priors + joint limits

X the model's keypoints, M_k and N_k the rows of MediaPipe's marks in the image and in space
(keypoints/keypoint_marks.py), pi the camera, p_k the keypoints read, b the side of their box, w_k
the world landmarks, S the similarity that lays them on the marks best, anew in every step; rho
grows like the square and then like the distance (Huber). The size of the hand rests on the shape
prior: one photograph does not show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_POSE, NUM_SHAPE, Handedness
from realhands_ros.geometry.alignment import align_points
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import rotation_towards
from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel, FastHandOutput
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, NUM_FINGER_JOINTS, HandSkeleton
from realhands_ros.keypoints.detection import box_size
from realhands_ros.keypoints.keypoint_marks import marks_matrix, world_marks_matrix
from realhands_ros.keypoints.two_view import lay_on_keypoints
from realhands_ros.refinement.parameter_terms import (
    FINGERS,
    NUM_PARAMETERS,
    ROOT,
    SHAPE,
    TRANSLATION,
    ParameterTerms,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PhotographFitConfig:
    """
    Spreads of what is measured and believed.

    ``pixels``: of the keypoints, share of the hand's box; ``world_m``: of the world landmarks,
    metres; ``shape``; ``fingers``: of finger angles about the mean hand's, radians; ``limits``:
    how far joints go beyond their limits, radians. ``teacher``: of the angles about a network's,
    radians, where there is one. Errors beyond ``huber`` spreads grow linearly.
    """

    pixels: float = 0.015
    world_m: float = 0.01
    shape: float = 0.8
    fingers: float = 0.5
    limits: float = 0.05
    teacher: float = 0.25
    huber: float = 1.5
    iterations: int = 30


@dataclass(frozen=True, eq=False)
class PhotographFit:
    """
    A hand of either side in the camera's frame.

    ``pose_aa`` (48,), ``shape`` (10,), ``translation`` (3,), ``keypoints`` (21, 3) and
    ``vertices`` (778, 3). ``misfit_2d``: mean distance of marks and readings, share of the hand's
    box; ``misfit_world``: mean distance from the aligned world landmarks, metres;
    ``beyond_limits``: by how much the worst joint exceeds its limits, radians.
    """

    pose_aa: FloatArray
    shape: FloatArray
    translation: FloatArray
    keypoints: FloatArray
    vertices: FloatArray
    misfit_2d: float
    misfit_world: float
    beyond_limits: float


class _Observed(NamedTuple):
    """A right hand's readings and its camera."""

    keypoints_px: FloatArray
    world: FloatArray
    camera: PinholeCamera
    size_px: float


# Wrist, thumb base and knuckles, which move little against each other.
_PALM = [0, 1, 5, 9, 13, 17]
_WRIST = 0
_FIRST_DAMPING, _LARGEST_DAMPING = 1e-2, 1e7
_LEAST_GAIN = 1e-4
# Flexion of each finger joint in the second start.
_FIST_DEG = 65.0
# A fit with misfits below these is not tried again: share of the box, metres.
_GOOD_2D, _GOOD_WORLD_M = 0.02, 0.01


class PhotographFitter:
    """Lays hands of one model on readings."""

    def __init__(self, data: HandModelData, config: PhotographFitConfig | None = None) -> None:
        """Take a right hand model."""
        self.config = config or PhotographFitConfig()
        self._model = FastHandModel(data, dtype=np.float64)
        self._skeleton = HandSkeleton.from_model(data)
        self._marks = _with_own_wrist(marks_matrix('mediapipe'))
        self._world_marks = _with_own_wrist(world_marks_matrix())
        self._mean = np.zeros(NUM_PARAMETERS)
        self._mean[FINGERS] = data.hands_mean
        bent = np.zeros((NUM_FINGER_JOINTS, 3))
        bent[:, 0] = np.deg2rad(_FIST_DEG)
        bent[[name.startswith('thumb') for name in FINGER_JOINT_NAMES]] *= 0.3
        self._fist = np.concatenate([np.zeros(3), self._skeleton.pose_from_angles(bent)])

    def __call__(
        self,
        keypoints_px: FloatArray,
        world: FloatArray,
        camera: PinholeCamera,
        handedness: Handedness,
        teacher: tuple[FloatArray, FloatArray] | None = None,
    ) -> PhotographFit | None:
        """
        Return the hand laid on keypoints (21, 2) and world landmarks (21, 3); None if it fails.

        ``teacher``: pose (48,) in the camera's frame and shape (10,) of a network, which the fit
        begins with and stays near.
        """
        is_left = handedness == 'left'
        if is_left:
            keypoints_px = mirror_pixels(keypoints_px, camera.width)
            world, camera = mirror_points(world), mirror_camera(camera)
            if teacher is not None:
                teacher = (mirror_axis_angle(teacher[0]), teacher[1])
        seen = _Observed(
            keypoints_px, _in_camera_axes(world, keypoints_px, camera), camera,
            box_size(keypoints_px),
        )  # fmt: skip
        starts = [self._start(seen, teacher)]
        if teacher is None:
            starts.append(self._start(seen, (self._fist, np.zeros(NUM_SHAPE))))
        terms = self._terms(teacher)
        best: PhotographFit | None = None
        for start in starts:
            # The second one is for hands that the first one does not reach.
            if best is not None and _is_good(best):
                continue
            fit = self._result(self._minimise(start, seen, terms), seen, is_left)
            if best is None or _misfit(fit) < _misfit(best):
                best = fit
        return best

    def _terms(self, teacher: tuple[FloatArray, FloatArray] | None) -> ParameterTerms:
        config = self.config
        weights, centres = np.zeros((2, NUM_PARAMETERS)), np.stack([self._mean, self._mean])
        weights[0, SHAPE], weights[0, FINGERS] = config.shape**-2, config.fingers**-2
        if teacher is not None:
            centres[1, :NUM_POSE], centres[1, SHAPE] = teacher
            weights[1, FINGERS] = weights[1, ROOT] = config.teacher**-2
        return ParameterTerms(self._skeleton, config.limits**-2, weights, centres)

    def _start(self, seen: _Observed, start: tuple[FloatArray, FloatArray] | None) -> FloatArray:
        """Return the parameters of ``start``, or of the mean hand, laid on what is seen."""
        vector = self._mean.copy()
        if start is not None:
            vector[:NUM_POSE], vector[SHAPE] = start
        if not vector[ROOT].any():
            palm = (self._marks @ self._pose(vector).keypoints)[_PALM]
            turn = align_points(palm, seen.world[_PALM]).rotation
            vector[ROOT] = matrix_to_axis_angle(turn)
        marks = self._marks @ self._pose(vector).keypoints
        placed = lay_on_keypoints(marks, seen.keypoints_px, seen.camera)
        if placed is None:
            placed = marks + _as_large_as_seen(marks, seen)
        vector[TRANSLATION] += (placed - marks)[0]
        return vector

    def _pose(self, vector: FloatArray) -> FastHandOutput:
        return self._model.forward(vector[:NUM_POSE], vector[SHAPE], vector[TRANSLATION])

    def _minimise(self, vector: FloatArray, seen: _Observed, terms: ParameterTerms) -> FloatArray:
        value, gradient, hessian = self._evaluate(vector, seen, terms)
        damping = _FIRST_DAMPING
        for _ in range(self.config.iterations):
            damped = hessian + np.diag(damping * hessian.diagonal() + 1e-9)
            trial = vector - np.linalg.solve(damped, gradient)
            evaluated = self._evaluate(trial, seen, terms)
            if not evaluated[0] < value:
                damping *= 8.0
                if damping > _LARGEST_DAMPING:
                    break
                continue
            gain = value - evaluated[0]
            vector, (value, gradient, hessian) = trial, evaluated
            damping /= 8.0
            if gain < _LEAST_GAIN * value:
                break
        return vector

    def _evaluate(
        self, vector: FloatArray, seen: _Observed, terms: ParameterTerms
    ) -> tuple[float, FloatArray, FloatArray]:
        """Return the energy, its gradient (61,) and Gauss-Newton's Hessian (61, 61)."""
        posed = self._pose(vector)
        value, gradient, hessian = terms.derivatives(vector)
        marks = self._marks @ posed.keypoints
        if seen.camera.to_camera(marks)[:, 2].min() < 0.02:
            return float('inf'), gradient, hessian
        jacobian = self._model.jacobian(posed).keypoints.reshape(len(marks), -1)
        rows = (self._marks @ jacobian).reshape(len(marks), 3, NUM_PARAMETERS)
        errors_px, slopes = _projected(marks, seen)
        image_rows = np.einsum('kij,kjp->kip', slopes, rows)
        world_marks = self._world_marks @ posed.keypoints
        world_rows = (self._world_marks @ jacobian).reshape(rows.shape)
        target = align_points(seen.world, world_marks).apply(seen.world)
        config = self.config
        for errors, derivatives, spread in (
            (errors_px, image_rows, config.pixels * seen.size_px),
            (world_marks - target, world_rows, config.world_m),
        ):
            cost, weights = _huber(np.linalg.norm(errors, axis=1) / spread, config.huber)
            weights = np.repeat(weights / spread**2, errors.shape[1])
            flat = derivatives.reshape(-1, NUM_PARAMETERS)
            value += cost
            gradient = gradient + 2.0 * (weights * errors.ravel()) @ flat
            hessian = hessian + 2.0 * (flat * weights[:, None]).T @ flat
        return float(value), gradient, hessian

    def _result(self, vector: FloatArray, seen: _Observed, is_left: bool) -> PhotographFit:
        posed = self._pose(vector)
        marks = self._marks @ posed.keypoints
        errors_px, _ = _projected(marks, seen)
        world_marks = self._world_marks @ posed.keypoints
        target = align_points(seen.world, world_marks).apply(seen.world)
        angles = self._skeleton.angles_from_pose(vector[FINGERS])
        pose, translation = vector[:NUM_POSE], vector[TRANSLATION]
        keypoints, vertices = posed.keypoints, posed.vertices
        if is_left:
            pose, translation = mirror_axis_angle(pose), mirror_points(translation)
            keypoints, vertices = mirror_points(keypoints), mirror_points(vertices)
        return PhotographFit(
            pose_aa=pose,
            shape=vector[SHAPE],
            translation=translation,
            keypoints=keypoints,
            vertices=vertices,
            misfit_2d=float(np.linalg.norm(errors_px, axis=1).mean()) / seen.size_px,
            misfit_world=float(np.linalg.norm(world_marks - target, axis=1).mean()),
            beyond_limits=float(np.abs(angles - clamp_angles(angles)).max()),
        )


def _with_own_wrist(marks: FloatArray) -> FloatArray:
    """
    Return marks (21, 21) whose wrist is the model's.

    Renderings, which the marks are fitted to, end in smooth forearms, and MediaPipe marks their
    wrists nearer to the fingers than those of photographs: hands laid with that mark come out too
    long, and cover the hands of photographs less well.
    """
    own = marks.copy()
    own[_WRIST] = np.eye(NUM_KEYPOINTS)[_WRIST]
    return own


def _is_good(fit: PhotographFit) -> bool:
    return fit.misfit_2d < _GOOD_2D and fit.misfit_world < _GOOD_WORLD_M


def _misfit(fit: PhotographFit) -> float:
    return fit.misfit_2d / _GOOD_2D + fit.misfit_world / _GOOD_WORLD_M


def _projected(marks: FloatArray, seen: _Observed) -> tuple[FloatArray, FloatArray]:
    """Return errors (21, 2) in pixels and the derivatives (21, 2, 3) of the pixels by points."""
    homogeneous = seen.camera.to_camera(marks) @ seen.camera.intrinsics.T
    pixels = homogeneous[:, :2] / homogeneous[:, 2:]
    matrix = seen.camera.intrinsics @ seen.camera.rotation
    slopes = (matrix[None, :2] - pixels[:, :, None] * matrix[2]) / homogeneous[:, 2:, None]
    return pixels - seen.keypoints_px, slopes


def _as_large_as_seen(marks: FloatArray, seen: _Observed) -> FloatArray:
    """Return the move (3,) that brings marks to where the camera sees a hand of this size."""
    inverse = seen.camera.inverse_intrinsics
    middle_px = seen.keypoints_px.mean(axis=0)
    across_px = np.linalg.norm(seen.keypoints_px - middle_px, axis=1).mean()
    middle = marks.mean(axis=0)
    across = np.linalg.norm((marks - middle)[:, :2], axis=1).mean()
    depth = across / max(float(across_px * inverse[0, 0]), 1e-9)
    ray = inverse @ np.array([*middle_px, 1.0])
    move: FloatArray = depth * ray / ray[2] - middle
    return move


def _huber(distances: FloatArray, bound: float) -> tuple[float, FloatArray]:
    """Return the sum of rho and the weights with which it looks quadratic."""
    is_far = distances > bound
    cost = np.where(is_far, bound * (2.0 * distances - bound), distances**2).sum()
    return float(cost), np.where(is_far, bound / np.maximum(distances, bound), 1.0)


def _in_camera_axes(
    world: FloatArray, keypoints_px: FloatArray, camera: PinholeCamera
) -> FloatArray:
    """Turn world landmarks from the axes of a camera that looks at the hand to those of this."""
    centre = 0.5 * (keypoints_px.min(axis=0) + keypoints_px.max(axis=0))
    ray = camera.inverse_intrinsics @ np.array([*centre, 1.0])
    turned: FloatArray = world @ rotation_towards(ray / np.linalg.norm(ray))
    return turned
