"""
A second hand that touches the first: beside it, across it, or around it.

The second hand is turned as its arm allows, then slid along a line until the first point of one
hand meets the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.synthesis.mesh import rotation_between, unit
from realhands_ros.synthesis.placement import HandPlacement
from realhands_ros.synthesis.scene import HandTruth

FloatArray = NDArray[np.float64]

# How far flesh gives way where two hands meet.
_GIVE_M = (0.0, 0.005)
# Points of the two hands whose lines along the slide pass within this of each other collide.
_REACH_M = 0.006
_STRIDE = 2
_SIDEWAYS_M = 0.03
_MIDDLE = KEYPOINT_NAMES.index('middle_mcp')
_INDEX = KEYPOINT_NAMES.index('index_mcp')
_LITTLE = KEYPOINT_NAMES.index('little_mcp')
# Share of the second hands that turn their palm to the first: they hold it.
_HOLD_SHARE = 0.4


def turned_to_touch(
    rng: np.random.Generator, placement: HandPlacement, first: HandTruth, second: HandTruth
) -> HandPlacement:
    """
    Return the second hand's placement, turned towards the first about its own forearm.

    ``placement`` is where ``second`` was posed. What holds the first hand turns its palm to it;
    other hands turn any way.
    """
    towards = unit(_middle(first) - _middle(second))
    forearm = placement.to_elbow
    palm = _out_of_palm(second)
    if rng.random() < _HOLD_SHARE:
        # About the forearm only: that is what an arm can do; the wrist adds a little.
        flat = [unit(v - (v @ forearm) * forearm) for v in (palm, towards)]
        turn = rotation_between(flat[0], flat[1])
    else:
        turn = Rotation.from_rotvec(rng.uniform(-np.pi, np.pi) * forearm).as_matrix()
    bend = Rotation.from_rotvec(rng.normal(0, 0.35, 3)).as_matrix()
    return replace(placement, rotation=bend @ turn @ placement.rotation)


def slide_to_contact(rng: np.random.Generator, first: HandTruth, second: HandTruth) -> FloatArray:
    """Return by how much the second hand moves, (3,) metres, to touch the first."""
    # Mostly from where it is; the rest from the viewer's side or from behind.
    approach = unit(_middle(second) - _middle(first))
    if rng.random() < 0.5:
        approach = unit([0, 0, rng.choice([-1.0, 1.0])] + 0.4 * rng.standard_normal(3))
    aim = first.keypoints[rng.integers(len(first.keypoints))]
    own = second.keypoints[rng.integers(len(second.keypoints))]
    aim, own = (aim + _middle(first)) / 2, (own + _middle(second)) / 2
    sideways = _SIDEWAYS_M * rng.standard_normal(3)
    start = aim - own + sideways - (sideways @ approach) * approach
    a = first.vertices[::_STRIDE]
    b = second.vertices[::_STRIDE] + start
    along_a, along_b = a @ approach, b @ approach
    flat_a, flat_b = (p - np.outer(p @ approach, approach) for p in (a, b))
    squared = (flat_a**2).sum(1)[:, None] + (flat_b**2).sum(1) - 2 * flat_a @ flat_b.T
    meets = squared < _REACH_M**2
    if not meets.any():
        return np.asarray(start)
    needed = np.where(meets, along_a[:, None] - along_b, -np.inf).max()
    return np.asarray(start + (needed - rng.uniform(*_GIVE_M)) * approach, dtype=np.float64)


def _middle(hand: HandTruth) -> FloatArray:
    return np.asarray(0.4 * hand.keypoints[0] + 0.6 * hand.keypoints[_MIDDLE])


def _out_of_palm(hand: HandTruth) -> FloatArray:
    k = hand.keypoints
    side = -1.0 if hand.handedness == 'right' else 1.0
    return unit(np.cross(k[_LITTLE] - k[_INDEX], k[_MIDDLE] - k[0]) * side)
