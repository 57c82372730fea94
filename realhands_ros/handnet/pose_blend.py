"""
The fusion of two views' poses (eq. 6) on arrays, as the running system does it.

Poses are axis-angle vectors in the rig's frame; stereo.py has the same on tensors, for training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_JOINTS
from realhands_ros.geometry.rotations import (
    axis_angle_to_quaternion,
    conjugate_quaternions,
    multiply_quaternions,
    quaternion_to_axis_angle,
)

FloatArray = NDArray[np.float64]

PoseBlend = Literal['linear', 'rotation']


def right_weights(stereo_logits: FloatArray) -> FloatArray:
    """Return the right view's weights (48,) of both views' logits (2, 2, 48): see Prediction."""
    logits = stereo_logits[0, 0] + stereo_logits[1, 1]
    # The logistic function, in a form that no logit overflows.
    weights: FloatArray = np.exp(-np.logaddexp(0.0, -logits))
    return weights


def blend_linear(left: FloatArray, right: FloatArray, right_weight: FloatArray) -> FloatArray:
    """Blend poses (48,) as eq. 6 has it: ``w p_right + (1 - w) p_left``."""
    pose: FloatArray = right_weight * right + (1 - right_weight) * left
    return pose


def blend_rotations(left: FloatArray, right: FloatArray, right_weight: FloatArray) -> FloatArray:
    """
    Blend poses (48,) on SO(3): from the left rotation a share of the way to the right one.

    A joint's three weights count as one, their mean.
    """
    share = right_weight.reshape(NUM_JOINTS, 3).mean(axis=1, keepdims=True)
    both = np.concatenate([left, right]).reshape(2, NUM_JOINTS, 3)
    to_left, to_right = axis_angle_to_quaternion(both)
    between = multiply_quaternions(conjugate_quaternions(to_left), to_right)
    way = axis_angle_to_quaternion(share * quaternion_to_axis_angle(between))
    return quaternion_to_axis_angle(multiply_quaternions(to_left, way)).ravel()


POSE_BLENDS: dict[PoseBlend, Callable[[FloatArray, FloatArray, FloatArray], FloatArray]] = {
    'linear': blend_linear,
    'rotation': blend_rotations,
}
