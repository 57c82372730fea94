"""The joint regressor: joints as sparse means of the vertices around them, in every shape."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from realhands_ros.hand.open_hand.shape_space import ShapeSpace
from realhands_ros.hand.open_hand.source import FloatArray, RiggedHand
from realhands_ros.hand.topology import NUM_JOINTS, NUM_VERTICES

# Each joint is a mean of at most this many of the vertices nearest to it.
_NEAREST = 48

# Weight of "all the same" against hitting the joint: spreads a joint over whole rings, so that no
# single vertex (and no per-vertex offset of the refinement) carries it.
_EVENNESS = 5e-4

# Shapes enter at this many units, their plausible extreme.
_EXTREME = 3.0


def joint_regressor(hand: RiggedHand, space: ShapeSpace) -> FloatArray:
    """
    Return J_regressor (16, 778): non-negative, rows sum to 1.

    Fits the joints of the template and their displacement under each shape direction by
    non-negative least squares.
    """
    regressor = np.zeros((NUM_JOINTS, NUM_VERTICES))
    for joint in range(NUM_JOINTS):
        distance = np.linalg.norm(hand.vertices - hand.joints[joint], axis=1)
        near = np.argsort(distance, kind='stable')[:_NEAREST]
        # Relative to the joint every wanted mean is small, which keeps the problem well scaled.
        places = (hand.vertices[near] - hand.joints[joint]).T
        shifts = space.vertices[near] - space.joints[joint]
        shifts = _EXTREME * shifts.transpose(1, 2, 0).reshape(-1, _NEAREST)
        sums_to_one = np.ones((1, _NEAREST))
        evenness = _EVENNESS * (np.eye(_NEAREST) - 1.0 / _NEAREST)
        system = np.vstack([places, shifts, sums_to_one, evenness])
        wanted = np.zeros(len(system))
        wanted[len(places) + len(shifts)] = 1.0
        weights, _ = nnls(system, wanted, maxiter=30 * _NEAREST)
        regressor[joint, near] = weights / weights.sum()
    return regressor
