"""
The energy terms that look at the parameters alone: shape prior, joint limits, nearness to others.

All are quadratic or piecewise quadratic in the vector (61,) of pose, shape and translation, so
that one class serves gradient descent and Gauss-Newton. Beyond the paper, which relies on the
silhouette.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.hand.topology import NUM_POSE, NUM_SHAPE

FloatArray = NDArray[np.float64]

ROOT = slice(0, 3)
FINGERS = slice(3, NUM_POSE)
SHAPE = slice(NUM_POSE, NUM_POSE + NUM_SHAPE)
TRANSLATION = slice(NUM_POSE + NUM_SHAPE, NUM_POSE + NUM_SHAPE + 3)
NUM_PARAMETERS = TRANSLATION.stop

# The limits are those of flexion, abduction and twist, one turn after the other; here they are
# laid on the components of one rotation vector, which differ from those by some degrees when a
# joint is bent.
_LIMIT_MARGIN_DEG = 8.0


class QuadraticTerm:
    """``sum_k weight_k (x_k - centre_k)^2``: a prior, or nearness to earlier parameters."""

    def __init__(self, weights: FloatArray, centre: FloatArray) -> None:
        """Take ``weights`` (61,) and ``centre`` (61,)."""
        self._weights = weights
        self._centre = centre

    def add(self, x: FloatArray, gradient: FloatArray, hessian: FloatArray) -> float:
        """Return the value at ``x`` (61,); add its derivatives to (61,) and (61, 61)."""
        difference = x - self._centre
        gradient += 2.0 * self._weights * difference
        hessian[np.diag_indices(NUM_PARAMETERS)] += 2.0 * self._weights
        return float(self._weights @ (difference * difference))


class JointLimitTerm:
    """
    ``weight * sum excess^2`` over the finger joints' rotations in their own axes, rad^2.

    The excess is how far flexion, abduction or twist is beyond the limits of hand/pose_limits.py,
    widened by some degrees.
    """

    def __init__(self, skeleton: HandSkeleton, weight: float) -> None:
        """Take the joints' axes from ``skeleton``."""
        self._weight = weight
        self._axes = skeleton.frames
        limits = np.array(
            [(limit.flexion, limit.abduction, limit.twist) for limit in JOINT_LIMITS_DEG.values()]
        )
        self._lower = np.deg2rad(limits[..., 0] - _LIMIT_MARGIN_DEG)
        self._upper = np.deg2rad(limits[..., 1] + _LIMIT_MARGIN_DEG)
        # Where in the Hessian each joint's block (3, 3) lies.
        first = np.arange(FINGERS.start, FINGERS.stop, 3)[:, None, None]
        self._rows = np.broadcast_to(first + np.arange(3)[:, None], (len(first), 3, 3))

    def add(self, x: FloatArray, gradient: FloatArray, hessian: FloatArray) -> float:
        """Return the value at ``x`` (61,); add its derivatives to (61,) and (61, 61)."""
        rotation = x[FINGERS].reshape(-1, 3, 1)
        local = (self._axes.transpose(0, 2, 1) @ rotation)[..., 0]
        excess = local - np.clip(local, self._lower, self._upper)
        gradient[FINGERS] += 2.0 * self._weight * (self._axes @ excess[..., None]).ravel()
        if excess.any():
            beyond = self._axes * (excess != 0.0)[:, None, :]
            blocks = 2.0 * self._weight * beyond @ self._axes.transpose(0, 2, 1)
            hessian[self._rows, self._rows.transpose(0, 2, 1)] += blocks
        return float(self._weight * (excess * excess).sum())
