"""Inverse kinematics: the hand model fitted to detected keypoints, without the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh, HandObservation
from realhands_ros.data.topology import NUM_POSE, NUM_SHAPE, Handedness
from realhands_ros.evaluation.baselines.simple import (
    triangulated_keypoints,
    world_landmarks_in_rig,
)
from realhands_ros.evaluation.methods import Reconstruction
from realhands_ros.geometry.alignment import align_points
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import mirror_axis_angle, mirror_points
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.handnet.placement import place_by_keypoints
from realhands_ros.handnet.view_input import view_input
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.levenberg_marquardt import LevenbergMarquardtConfig
from realhands_ros.refinement.parameter_terms import (
    FINGERS,
    NUM_PARAMETERS,
    SHAPE,
    ParameterTerms,
)
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage

# Fit of the hand model to 21 points in space: pose, shape and translation by Levenberg-Marquardt.
#
# Minimises ``sum_k |X_k - P_k|^2 / s^2`` with joint limits and weak priors on shape and fingers,
# from the mean hand laid on the points by a rigid alignment.


# Spread of the points, and of shape coefficients and finger angles (radians) about their means.
_POINT_SPREAD_M = 0.005
_SHAPE_SPREAD = 1.0
_FINGER_SPREAD = 1.0
_JOINT_LIMIT_WEIGHT = 50.0
_ITERATIONS = 30
_FIRST_DAMPING = 1e-3
_LARGEST_DAMPING = 1e6
_LEAST_GAIN = 1e-5


class PointFit:
    """Fits right hands of one model to points."""

    def __init__(self, data: HandModelData) -> None:
        """Take a right hand model."""
        self._model = FastHandModel(data, dtype=np.float64)
        mean = np.zeros(NUM_PARAMETERS)
        mean[FINGERS] = data.hands_mean
        weights = np.zeros(NUM_PARAMETERS)
        weights[SHAPE], weights[FINGERS] = _SHAPE_SPREAD**-2, _FINGER_SPREAD**-2
        self._mean = mean
        self._terms = ParameterTerms(
            HandSkeleton.from_model(data), _JOINT_LIMIT_WEIGHT, weights[None], mean[None]
        )

    def __call__(self, points: FloatArray) -> HandParameters:
        """Return the parameters whose keypoints lie on ``points`` (21, 3), a right hand's."""
        vector = self._start(points)
        value, gradient, hessian = self._evaluate(vector, points)
        damping = _FIRST_DAMPING
        for _ in range(_ITERATIONS):
            damped = hessian + np.diag(damping * hessian.diagonal() + 1e-9)
            trial = vector - np.linalg.solve(damped, gradient)
            evaluated = self._evaluate(trial, points)
            if evaluated[0] >= value:
                damping *= 10.0
                if damping > _LARGEST_DAMPING:
                    break
                continue
            gain = value - evaluated[0]
            vector, (value, gradient, hessian) = trial, evaluated
            damping /= 10.0
            if gain < _LEAST_GAIN * value:
                break
        return HandParameters(vector[:NUM_POSE], vector[SHAPE], vector[-3:])

    def _start(self, points: FloatArray) -> FloatArray:
        mean = self._model.forward(self._mean[:NUM_POSE], np.zeros(NUM_SHAPE)).keypoints
        turn = align_points(mean, points, with_scale=False).rotation
        vector = self._mean.copy()
        vector[:3] = matrix_to_axis_angle(turn)
        turned = self._model.forward(vector[:NUM_POSE], np.zeros(NUM_SHAPE)).keypoints
        vector[-3:] = points.mean(axis=0) - turned.mean(axis=0)
        return vector

    def _evaluate(
        self, vector: FloatArray, points: FloatArray
    ) -> tuple[float, FloatArray, FloatArray]:
        """Return the value, its gradient (61,) and Gauss-Newton's Hessian (61, 61)."""
        posed = self._model.forward(vector[:NUM_POSE], vector[SHAPE], vector[-3:])
        rows = self._model.jacobian(posed).keypoints.reshape(-1, NUM_PARAMETERS)
        error = (posed.keypoints - points).ravel()
        weight = _POINT_SPREAD_M**-2
        value, gradient, hessian = self._terms.derivatives(vector)
        gradient += 2.0 * weight * error @ rows
        hessian += 2.0 * weight * rows.T @ rows
        return value + weight * float(error @ error), gradient, hessian


# Two steps. The model is fitted to points in space: the triangulated keypoints of two views, or
# MediaPipe's world landmarks of one, placed where its 2D keypoints say. Then the refinement's
# Levenberg-Marquardt, with its keypoint term and priors but no silhouette, fits all 2D keypoints.

_KEYPOINTS_ONLY = RefinementConfig(
    energy=replace(EnergyConfig.for_exact_keypoints(), silhouette=0.0),
    levenberg_marquardt=LevenbergMarquardtConfig(
        keypoint_iterations=20, iterations=0, offset_iterations=0
    ),
)
# Initial distance of a single view's hand, metres before the camera.
_ARM_LENGTH_M = 0.4


class InverseKinematics:
    """A Method: the model fitted to MediaPipe's keypoints."""

    def __init__(self, models: dict[Handedness, HandModelData]) -> None:
        """Prepare for both hands of a model."""
        self._models = {
            side: FastHandModel(data, dtype=np.float64) for side, data in models.items()
        }
        self._fit = PointFit(models['right'])
        self._refine = RefinementStage(models['right'], _KEYPOINTS_ONLY)

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the fitted hand, None without triangulated keypoints and world landmarks."""
        points = triangulated_keypoints(observation, cameras)
        if points is None:
            points = world_landmarks_in_rig(observation, cameras)
        if points is None:
            return None
        mesh = self._posed(observation, points)
        if len(observation.views) == 1:
            mesh = _translated(mesh, observation, cameras[0])
        return Reconstruction.from_mesh(self._refine(mesh, cameras))

    def _posed(self, observation: HandObservation, points: FloatArray) -> HandMesh:
        """Return the hand fitted to points (21, 3) of the rig's frame."""
        is_left = observation.handedness == 'left'
        found = self._fit(mirror_points(points) if is_left else points)
        pose, translation = found.pose_aa, found.translation
        if is_left:
            pose, translation = mirror_axis_angle(pose), mirror_points(translation)
        posed = self._models[observation.handedness].forward(pose, found.shape, translation)
        return HandMesh(
            id=observation.id,
            handedness=observation.handedness,
            vertices_cam=posed.vertices,
            keypoints_cam=posed.keypoints,
            pose_aa=pose,
            shape=found.shape,
            translation=translation,
            topology_key='',
            views=observation.views,
        )


def _translated(mesh: HandMesh, observation: HandObservation, camera: PinholeCamera) -> HandMesh:
    """Return the hand translated so that it projects onto one view's keypoints."""
    view = observation.views[0]
    assert view.crop is not None
    seen = view_input(view, None, camera, observation.handedness, view.crop.shape[0])
    middle = mesh.keypoints_cam.mean(axis=0)
    in_front = camera.rotation.T @ (np.array([0.0, 0.0, _ARM_LENGTH_M]) - camera.translation)
    shift = place_by_keypoints([seen], mesh.keypoints_cam, in_front - middle)
    return replace(
        mesh,
        vertices_cam=mesh.vertices_cam + shift,
        keypoints_cam=mesh.keypoints_cam + shift,
        translation=mesh.translation + shift,
    )
