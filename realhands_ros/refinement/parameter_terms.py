"""
The energy terms that look at the parameters alone: shape prior, joint limits, nearness to others.

All are quadratic or piecewise quadratic in the vector (61,) of pose, shape and translation, so
that one class serves gradient descent and Gauss-Newton. Beyond the paper, which relies on the
silhouette.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_POSE, NUM_SHAPE
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import HandSkeleton

FloatArray = NDArray[np.float64]

ROOT = slice(0, 3)
FINGERS = slice(3, NUM_POSE)
SHAPE = slice(NUM_POSE, NUM_POSE + NUM_SHAPE)
TRANSLATION = slice(NUM_POSE + NUM_SHAPE, NUM_POSE + NUM_SHAPE + 3)
NUM_PARAMETERS = TRANSLATION.stop
_FIRST_FINGER = FINGERS.start

# The limits are those of flexion, abduction and twist, one turn after the other; here they are
# laid on the components of one rotation vector, which differ from those by some degrees when a
# joint is bent.
_LIMIT_MARGIN_DEG = 8.0


class ParameterTerms:
    """
    Quadratic terms and the limits of the finger joints.

    ``weights`` and ``centres`` (T, 61) make ``sum_tk weight_tk (x_k - centre_tk)^2``: priors, and
    nearness to earlier parameters. ``joint_limits`` is the weight of ``sum excess^2`` over the
    finger joints' rotations in their own axes, rad^2: how far flexion, abduction or twist is
    beyond the limits of hand/pose_limits.py, widened by some degrees.
    """

    def __init__(
        self,
        skeleton: HandSkeleton,
        joint_limits: float,
        weights: FloatArray,
        centres: FloatArray,
    ) -> None:
        """Take the joints' axes from ``skeleton``."""
        degrees = np.array(
            [(limit.flexion, limit.abduction, limit.twist) for limit in JOINT_LIMITS_DEG.values()]
        )
        self._quadratic = _Quadratic(weights, centres)
        self._limits = _Limits(
            joint_limits,
            np.ascontiguousarray(skeleton.frames, dtype=np.float64),
            np.deg2rad(degrees[..., 0] - _LIMIT_MARGIN_DEG),
            np.deg2rad(degrees[..., 1] + _LIMIT_MARGIN_DEG),
        )

    def value(self, x: FloatArray) -> float:
        """Return the terms at ``x`` (61,)."""
        return float(_value(x, self._quadratic, self._limits))

    def derivatives(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return the terms at ``x`` (61,), their gradient (61,) and Hessian (61, 61)."""
        value, gradient, hessian = _derivatives(x, self._quadratic, self._limits)
        return value, gradient, hessian


class _Quadratic(NamedTuple):
    """What ``sum_tk weight_tk (x_k - centre_tk)^2`` consists of, (T, 61) each."""

    weights: FloatArray
    centres: FloatArray


class _Limits(NamedTuple):
    """Weight, axes (15, 3, 3) of the finger joints, one a column, and bounds (15, 3), radians."""

    weight: float
    axes: FloatArray
    lower: FloatArray
    upper: FloatArray


@numba.njit(nogil=True, cache=True)
def _value(x, quadratic, limits):  # type: ignore[no-untyped-def]
    value = 0.0
    for t in range(quadratic.weights.shape[0]):
        for k in range(len(x)):
            value += quadratic.weights[t, k] * (x[k] - quadratic.centres[t, k]) ** 2
    for joint in range(limits.axes.shape[0]):
        for axis in range(3):
            value += limits.weight * _excess(x, limits, joint, axis) ** 2
    return value


@numba.njit(nogil=True, cache=True)
def _derivatives(x, quadratic, limits):  # type: ignore[no-untyped-def]
    gradient, hessian = np.zeros(len(x)), np.zeros((len(x), len(x)))
    for t in range(quadratic.weights.shape[0]):
        for k in range(len(x)):
            twice = 2.0 * quadratic.weights[t, k]
            gradient[k] += twice * (x[k] - quadratic.centres[t, k])
            hessian[k, k] += twice
    for joint in range(limits.axes.shape[0]):
        first = _FIRST_FINGER + 3 * joint
        for axis in range(3):
            excess = _excess(x, limits, joint, axis)
            if excess == 0.0:
                continue
            direction = limits.axes[joint, :, axis]
            for c in range(3):
                along = 2.0 * limits.weight * direction[c]
                gradient[first + c] += along * excess
                for d in range(3):
                    hessian[first + c, first + d] += along * direction[d]
    return _value(x, quadratic, limits), gradient, hessian


@numba.njit(nogil=True, cache=True, inline='always')
def _excess(x, limits, joint, axis):  # type: ignore[no-untyped-def]
    """Return how far a finger joint's rotation about one of its axes is beyond its limits."""
    angle = 0.0
    for c in range(3):
        angle += limits.axes[joint, c, axis] * x[_FIRST_FINGER + 3 * joint + c]
    return angle - min(max(angle, limits.lower[joint, axis]), limits.upper[joint, axis])
