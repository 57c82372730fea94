"""
Fit of the hand model to 21 points in space: pose, shape and translation by Levenberg-Marquardt.

Minimises ``sum_k |X_k - P_k|^2 / s^2`` with joint limits and weak priors on shape and fingers,
from the mean hand laid on the points by a rigid alignment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.alignment import align_points
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.hand.topology import NUM_POSE, NUM_SHAPE
from realhands_ros.refinement.hand_estimate import HandParameters
from realhands_ros.refinement.parameter_terms import (
    FINGERS,
    NUM_PARAMETERS,
    SHAPE,
    ParameterTerms,
)

FloatArray = NDArray[np.float64]

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
