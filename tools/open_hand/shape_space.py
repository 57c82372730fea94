"""The ten shape directions, and joints that follow them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    NUM_JOINTS,
    NUM_VERTICES,
    TIP_VERTEX_IDS,
)
from realhands_ros.hand.skeleton import HandSkeleton
from tools.open_hand.rest_pose import bone_line, finger_membership
from tools.open_hand.source import FloatArray, RiggedHand

# The ten shape directions: how adult hands differ.
#
# Each direction is first drawn as an anatomical change: a smooth field carries the palm and the
# knuckles, and every phalanx is strained along its bone and around it, blended by the skin
# weights, so that the joints move along. One unit is about one standard deviation between adults.
# Then the directions are orthogonalised over the vertices in their order: each says only what the
# ones before it leave open, and keeps its length in what is left.

Field = Callable[[FloatArray], FloatArray]

FOUR_FINGERS = ('index', 'middle', 'ring', 'little')

# Taper: fingers grow by half a unit at the base while their tips shrink by one.
_TAPER_AT_BASE, _TAPER_AT_TIP = 0.5, -1.0


@dataclass(frozen=True)
class ShapeSpace:
    """Displacements, metres per unit: vertices (V, 3, 10) and joints (16, 3, 10)."""

    vertices: FloatArray
    joints: FloatArray


def build_shape_space(hand: RiggedHand) -> ShapeSpace:
    """Return the shape space of the template ``hand``, in the order of SHAPE_DIRECTIONS."""
    changes = [draw(hand) for draw in SHAPE_DIRECTIONS.values()]
    stacked = np.stack([np.vstack(change).ravel() for change in changes], axis=1)
    num_vertex_values = hand.vertices.size
    # Gram-Schmidt over the vertices; the joints follow with the same combinations.
    _, triangle = np.linalg.qr(stacked[:num_vertex_values])
    keep_length = np.linalg.inv(triangle) * np.diag(triangle)
    independent = (stacked @ keep_length).reshape(-1, 3, len(changes))
    count = len(hand.vertices)
    return ShapeSpace(independent[:count], independent[count:])


def _change(
    hand: RiggedHand, palm: Field, strains: dict[str, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """
    Return the displacements of vertices (V, 3) and joints (16, 3).

    ``palm`` displaces the wrist's part of the skin and the fingers' first joints; ``strains`` are
    (3, 3) matrices by joint name, how each phalanx stretches about its joint; none if not named.
    """
    joints = np.zeros((NUM_JOINTS, 3))
    joints[0] = palm(hand.joints[:1])[0]
    vertices = hand.skin_weights[:, :1] * palm(hand.vertices)
    for joint, name in enumerate(JOINT_NAMES[1:], start=1):
        if name.endswith('1'):
            joints[joint] = palm(hand.joints[joint : joint + 1])[0]
        else:
            parent_strain = strains.get(JOINT_NAMES[joint - 1], np.zeros((3, 3)))
            bone = hand.joints[joint] - hand.joints[joint - 1]
            joints[joint] = joints[joint - 1] + parent_strain @ bone
        arms = hand.vertices - hand.joints[joint]
        moved = joints[joint] + arms @ strains.get(name, np.zeros((3, 3))).T
        vertices = vertices + hand.skin_weights[:, joint : joint + 1] * moved
    return vertices, joints


def _bone_axes(hand: RiggedHand) -> dict[str, FloatArray]:
    tips = hand.vertices[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]]
    frames = HandSkeleton(hand.joints, tips).frames
    return dict(zip(JOINT_NAMES[1:], frames[:, :, 2], strict=True))


def _still(points: FloatArray) -> FloatArray:
    return np.zeros_like(points)


def _size(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
    def grow(points: FloatArray) -> FloatArray:
        return np.asarray(0.06 * (points - hand.joints[0]))

    return _change(hand, grow, {name: 0.06 * np.eye(3) for name in JOINT_NAMES[1:]})


def _longer(fingers: dict[str, float]) -> Callable[[RiggedHand], tuple[FloatArray, FloatArray]]:
    """Return the direction that stretches fingers along their bones by the given parts."""

    def draw(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
        strains = {
            name: fingers[name[:-1]] * np.outer(axis, axis)
            for name, axis in _bone_axes(hand).items()
            if name[:-1] in fingers
        }
        return _change(hand, _still, strains)

    return draw


def _palm_width(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
    def widen(points: FloatArray) -> FloatArray:
        return np.asarray((points - hand.joints[0]) * [0.0, 0.0, 0.065])

    # Fingers on a broad hand are broader too, about half as much.
    sideways = np.diag([0.0, 0.0, 0.032])
    return _change(hand, widen, {name: sideways for name in JOINT_NAMES[1:13]})


def _thickness(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
    def thicken(points: FloatArray) -> FloatArray:
        return np.asarray((points - hand.joints[0]) * [0.0, 0.06, 0.0])

    strains = {
        name: 0.06 * (np.eye(3) - np.outer(axis, axis)) for name, axis in _bone_axes(hand).items()
    }
    return _change(hand, thicken, strains)


def _taper(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
    displacement = np.zeros_like(hand.vertices)
    for finger in FINGER_NAMES:
        line = bone_line(hand, finger)
        feet, along = line.feet(hand.vertices)
        growth = np.interp(along, [0.0, line.distances[-1]], [_TAPER_AT_BASE, _TAPER_AT_TIP])
        growth *= 0.06 * finger_membership(hand, finger)
        displacement += growth[:, None] * (hand.vertices - feet)
    return displacement, np.zeros((NUM_JOINTS, 3))


def _palm_wedge(hand: RiggedHand) -> tuple[FloatArray, FloatArray]:
    wrist, knuckle = hand.joints[0], hand.joints[JOINT_NAMES.index('middle1')]

    def spread(points: FloatArray) -> FloatArray:
        way = np.clip((points[:, 0] - wrist[0]) / (knuckle[0] - wrist[0]), -0.3, 1.2)
        widening = 0.045 * (2.0 * way - 1.0)
        displacement = np.zeros_like(points)
        displacement[:, 2] = widening * (points[:, 2] - wrist[2])
        return displacement

    return _change(hand, spread, {})


# In the order of the shape parameters (docs/hand_shape.md describes them).
SHAPE_DIRECTIONS: dict[str, Callable[[RiggedHand], tuple[FloatArray, FloatArray]]] = {
    'size': _size,
    'finger length': _longer({finger: 0.045 for finger in FOUR_FINGERS}),
    'palm width': _palm_width,
    'thickness': _thickness,
    'thumb length': _longer({'thumb': 0.05}),
    'finger taper': _taper,
    'index length': _longer({'index': 0.035}),
    'middle length': _longer({'middle': 0.035}),
    'little length': _longer({'little': 0.045}),
    'palm wedge': _palm_wedge,
}


# The joint regressor: joints as sparse means of the vertices around them, in every shape.

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
