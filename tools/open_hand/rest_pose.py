"""The flat rest pose of the model in adult size, and the fingers' bones as curves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import FINGER_NAMES, JOINT_NAMES, NUM_JOINTS
from tools.open_hand.source import FloatArray, RiggedHand

# A finger's bones as a curve with frames, the axis that the finger is built and shaped around.

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


# From the source's relaxed hand to the flat rest pose of the model, in adult size.
#
# Steps: end the forearm in a straight rim, stretch each finger out flat with the source's own
# skinning, fill out its slender fingers and wrist, scale to the average adult hand, and move the
# wrist to where MANO has it.

# Where MANO's right hand has its wrist, metres.
WRIST_POSITION = np.array([0.0957, 0.0064, 0.0062])

# Scale of the source along x, y, z (length, thickness, breadth) that gives the average adult hand
# (docs/hand_shape.md).
ADULT_SCALE = np.array([0.98, 1.01, 1.03])

# The source's fingers are slender for an adult average. Their girth grows by this part, and by
# some more at the PIP and DIP joints, where fingers are widest.
_FULLER = {'thumb': 0.04, 'index': 0.09, 'middle': 0.08, 'ring': 0.09, 'little': 0.09}
_FULLER_AT_JOINTS = (0.035, 0.02)
_JOINT_BULGE = 0.006
# The filling sets in from here to here along the first phalanx (parts of its length).
_FULLER_FROM, _FULLER_TO = 0.2, 0.7

# The source's wrist is slender as well: it grows by this part, from here to here before the wrist
# joint (metres along x), where the palm's heel is.
_FULLER_WRIST = 0.115
_WRIST_FROM, _WRIST_TO = -0.034, -0.004

# The forearm ends here, measured from the wrist joint along x, metres.
FOREARM_LENGTH = 0.018


def flat_adult_hand(source: RiggedHand) -> RiggedHand:
    """Return the source hand open at the wrist, flat, in average size and in MANO's place."""
    flat = _flattened(_with_open_forearm(source))
    return _placed(_with_fuller_wrist(_with_fuller_fingers(flat)))


def _with_open_forearm(hand: RiggedHand) -> RiggedHand:
    """Remove the cap that closes the forearm and bring its slanted rim into one plane of x."""
    wrist_x = hand.joints[0, 0]
    corners = hand.vertices[hand.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces_back = normals[:, 0] > 0.7 * np.linalg.norm(normals, axis=1)
    is_cap = faces_back & (corners[:, :, 0].min(axis=1) > wrist_x + 0.005)
    rim = np.unique(hand.faces[is_cap])
    vertices = hand.vertices.copy()
    vertices[rim, 0] = wrist_x + FOREARM_LENGTH
    return replace(hand, vertices=vertices, faces=hand.faces[~is_cap])


def _flattened(hand: RiggedHand) -> RiggedHand:
    """Turn every phalanx of the four fingers into the x-z plane, each finger one straight line."""
    transforms = np.tile(np.eye(4), (NUM_JOINTS, 1, 1))
    joints, tip_joints = hand.joints.copy(), hand.tip_joints.copy()
    for number, finger in enumerate(FINGER_NAMES):
        if finger == 'thumb':
            continue
        first = JOINT_NAMES.index(f'{finger}1')
        relaxed = np.vstack([hand.joints[first : first + 3], hand.tip_joints[number]])
        flat = _straightened(relaxed)
        for bone in range(3):
            transforms[first + bone] = _bone_transform(relaxed, flat, bone)
        joints[first : first + 3], tip_joints[number] = flat[:3], flat[3]
    blended = np.einsum('vj,jab->vab', hand.skin_weights, transforms)
    vertices = np.einsum('vab,vb->va', blended[:, :3, :3], hand.vertices) + blended[:, :3, 3]
    return replace(hand, vertices=vertices, joints=joints, tip_joints=tip_joints)


def _straightened(chain: FloatArray) -> FloatArray:
    """Lay a chain of points (4, 3) along its own direction in the x-z plane, lengths kept."""
    direction = (chain[3] - chain[0]) * [1.0, 0.0, 1.0]
    direction = direction / np.linalg.norm(direction)
    lengths = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    distances = np.concatenate([[0.0], np.cumsum(lengths)])
    return np.asarray(chain[0] + distances[:, None] * direction)


def _bone_transform(old: FloatArray, new: FloatArray, bone: int) -> FloatArray:
    """Return the smallest rigid motion (4, 4) that takes one bone of a chain to its new place."""
    old_axis, new_axis = old[bone + 1] - old[bone], new[bone + 1] - new[bone]
    turn = np.cross(old_axis, new_axis)
    sine, cosine = np.linalg.norm(turn), old_axis @ new_axis
    rotation = Rotation.from_rotvec(turn / sine * np.arctan2(sine, cosine)).as_matrix()
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = new[bone] - rotation @ old[bone]
    return transform


def _with_fuller_fingers(hand: RiggedHand) -> RiggedHand:
    """Push the fingers' surface away from their bone lines."""
    vertices = hand.vertices.copy()
    for finger in FINGER_NAMES:
        line = bone_line(hand, finger)
        _, pip, dip, _ = line.distances
        feet, along = line.feet(hand.vertices)
        growth = np.full(len(vertices), _FULLER[finger])
        for joint, bulge in zip((pip, dip), _FULLER_AT_JOINTS, strict=True):
            growth += bulge * np.exp(-(((along - joint) / _JOINT_BULGE) ** 2))
        growth *= _smooth_step(along / pip, _FULLER_FROM, _FULLER_TO)
        growth *= finger_membership(hand, finger)
        vertices += growth[:, None] * (hand.vertices - feet)
    return replace(hand, vertices=vertices)


def _with_fuller_wrist(hand: RiggedHand) -> RiggedHand:
    """Push the skin around the wrist joint away from the forearm's axis."""
    before_wrist = hand.vertices[:, 0] - hand.joints[0, 0]
    growth = _FULLER_WRIST * _smooth_step(before_wrist, _WRIST_FROM, _WRIST_TO)
    axis = hand.vertices[before_wrist > 0.0].mean(axis=0)
    arms = (hand.vertices - axis) * [0.0, 1.0, 1.0]
    return replace(hand, vertices=hand.vertices + growth[:, None] * arms)


def _smooth_step(values: FloatArray, low: float, high: float) -> FloatArray:
    rise = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(rise**2 * (3.0 - 2.0 * rise))


def _placed(hand: RiggedHand) -> RiggedHand:
    def place(points: FloatArray) -> FloatArray:
        return np.asarray((points - hand.joints[0]) * ADULT_SCALE + WRIST_POSITION)

    return replace(
        hand,
        vertices=place(hand.vertices),
        joints=place(hand.joints),
        tip_joints=place(hand.tip_joints),
    )
