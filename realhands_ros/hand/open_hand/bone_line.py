"""A finger's bones as a curve with frames, the axis that the finger is built and shaped around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realhands_ros.hand.open_hand.source import FloatArray, RiggedHand
from realhands_ros.hand.topology import FINGER_NAMES, JOINT_NAMES

# Where the nails look, from which rings of vertices start. The mesh must not depend on the axes of
# hand/skeleton.py, which may be tuned without making every texture atlas void.
_DORSAL = {finger: np.array([0.0, 1.0, 0.0]) for finger in FINGER_NAMES}
_DORSAL['thumb'] = np.array([0.55, 0.2, 0.8])

# Blend of the frame from one bone to the next, metres to either side of the joint.
_TURN_LENGTH = 0.008


@dataclass(frozen=True)
class BoneLine:
    """
    A polyline along a finger's bones.

    points (4, 3): the finger's joints from the base, then the foremost place of the tip; dorsal
    (3,): about where the nail looks. Places on the line are distances from its first point in
    metres.
    """

    points: FloatArray
    dorsal: FloatArray

    @property
    def distances(self) -> FloatArray:
        """Return the distance of each point along the line, (4,)."""
        lengths = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(lengths)])

    def point(self, distance: float) -> FloatArray:
        """Return the point (3,) at a distance along the line."""
        return np.array([np.interp(distance, self.distances, self.points[:, k]) for k in range(3)])

    def frame(self, distance: float) -> FloatArray:
        """Return (3, 3) rows side, dorsal, axis; they turn smoothly from bone to bone."""
        bones = np.diff(self.points, axis=0)
        axis = self._blended(bones / np.linalg.norm(bones, axis=1, keepdims=True), distance)
        dorsal = self.dorsal - (self.dorsal @ axis) * axis
        dorsal = dorsal / np.linalg.norm(dorsal)
        return np.stack([np.cross(dorsal, axis), dorsal, axis])

    def feet(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the nearest points (P, 3) on the line and their distances (P,) along it."""
        best = np.full(len(points), np.inf)
        feet, along = np.zeros_like(points), np.zeros(len(points))
        for start, head, end in zip(
            self.distances[:-1], self.points[:-1], self.points[1:], strict=True
        ):
            length = float(np.linalg.norm(end - head))
            axis = (end - head) / length
            reach = np.clip((points - head) @ axis, 0.0, length)
            foot = head + reach[:, None] * axis
            distance = np.linalg.norm(points - foot, axis=1)
            nearer = distance < best
            best[nearer], feet[nearer] = distance[nearer], foot[nearer]
            along[nearer] = start + reach[nearer]
        return feet, along

    def _blended(self, directions: FloatArray, distance: float) -> FloatArray:
        mixed = directions[0]
        for joint_distance, following in zip(self.distances[1:-1], directions[1:], strict=True):
            share = np.clip(0.5 + 0.5 * (distance - joint_distance) / _TURN_LENGTH, 0.0, 1.0)
            mixed = (1.0 - share) * mixed + share * following
        return np.asarray(mixed / np.linalg.norm(mixed))


def bone_line(hand: RiggedHand, finger: str) -> BoneLine:
    """Return a finger's bone line; its last bone is drawn out to the surface of the tip."""
    first = JOINT_NAMES.index(f'{finger}1')
    last_joint = hand.joints[first + 2]
    axis = hand.tip_joints[FINGER_NAMES.index(finger)] - last_joint
    axis = axis / np.linalg.norm(axis)
    on_last_bone = hand.skin_weights[:, first + 2] > 0.5
    reach = ((hand.vertices[on_last_bone] - last_joint) @ axis).max()
    points = np.vstack([hand.joints[first : first + 3], last_joint + reach * axis])
    return BoneLine(points, _DORSAL[finger])


def finger_membership(hand: RiggedHand, finger: str) -> FloatArray:
    """Return how much of each vertex (V,) moves with a finger: the sum of its joints' weights."""
    first = JOINT_NAMES.index(f'{finger}1')
    return np.asarray(hand.skin_weights[:, first : first + 3].sum(axis=1))
