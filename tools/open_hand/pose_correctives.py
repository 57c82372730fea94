"""
Pose correctives: what linear blend skinning gets wrong at a bent joint.

For each joint alone the hand is bent over a grid of rotations in three steps better than linear
blending: each vertex turns rigidly about the joint by its own share of the rotation, so that the
knuckle keeps its girth (as with dual quaternions: Kavan et al., 2008); skin of the two sides that
would meet in the fold is held on its side of the plane that halves the bend; and the volume that
is pressed out of the fold swells the skin around it. The correctives are the regularised
least-squares fit of this on MANO's pose features, the elements of R - I, in the rest pose before
skinning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    JOINT_PARENTS,
    NUM_JOINTS,
    TIP_VERTEX_IDS,
)
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG
from realhands_ros.hand.skeleton import HandSkeleton
from tools.open_hand.source import FloatArray, IntArray, RiggedHand

# Bends per axis of the grid (flexion, abduction, twist), and how far it reaches beyond the limits.
_GRID = (13, 3, 3)
_BEYOND_LIMITS_DEG = 8.0

# A joint's correctives fade out between these distances from it, metres.
_FULL_RADIUS, _END_RADIUS = 0.018, 0.030

# Skin that lay a distance s before the halving plane stays at least this part of it away.
_CONTACT_SPACING = 0.12
_PLANE_TOLERANCE = 0.001

# The swelling around a fold: its extent, and the most it may be, metres.
_SWELLING_RADIUS = 0.012
_MAX_SWELLING = 0.0018
_SIDEWAYS_SWELLING = 0.2

# Ridge on the correctives; features are of order one and residuals of millimetres.
_RIDGE = 0.02


@dataclass(frozen=True)
class _Site:
    """
    One joint and the skin around it.

    child_share (V,) says how much of the joint's rotation each vertex takes, support (V,) in
    [0, 1] where the correctives may act; parent_axis and child_axis are unit vectors along the
    bones.
    """

    centre: FloatArray
    frame: FloatArray
    child_share: FloatArray
    support: FloatArray
    parent_axis: FloatArray
    child_axis: FloatArray


def pose_correctives(hand: RiggedHand) -> FloatArray:
    """Return posedirs (V, 3, 135): metres per element of R - I of joints 1..15, row-major."""
    tips = hand.vertices[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]]
    skeleton = HandSkeleton(hand.joints, tips)
    fits = []
    for joint in range(1, NUM_JOINTS):
        site = _site(hand, skeleton, joint)
        rotations = _grid_rotations(JOINT_NAMES[joint], site.frame)
        fits.append(_fit(hand, site, rotations))
    return np.concatenate(fits, axis=2)


def _bent(hand: RiggedHand, site: _Site, rotation: FloatArray) -> FloatArray:
    """Return the vertices (V, 3) with one joint turned: rigid shares, contact, swelling."""
    turned = _turned_by_share(hand, site, rotation)
    held = _held_apart(hand, site, rotation, turned)
    swollen = _swollen(hand, site, rotation, held)
    return np.asarray(_held_apart(hand, site, rotation, swollen))


def _site(hand: RiggedHand, skeleton: HandSkeleton, joint: int) -> _Site:
    chain = [joint]
    for later in range(joint + 1, NUM_JOINTS):
        if JOINT_PARENTS[later] in chain:
            chain.append(later)
    centre = hand.joints[joint]
    frame = skeleton.frames[joint - 1]
    parent_bone = centre - hand.joints[JOINT_PARENTS[joint]]
    share = hand.skin_weights[:, chain].sum(axis=1)
    distance = np.linalg.norm(hand.vertices - centre, axis=1)
    fade = np.clip((_END_RADIUS - distance) / (_END_RADIUS - _FULL_RADIUS), 0.0, 1.0)
    # Neighbouring fingers lie within reach of an MCP joint and have nothing to do with it.
    own = share + hand.skin_weights[:, JOINT_PARENTS[joint]]
    return _Site(
        centre, frame, share, fade * np.clip(2.0 * own - 1.0, 0.0, 1.0),
        parent_bone / np.linalg.norm(parent_bone), frame[:, 2],
    )  # fmt: skip


def _grid_rotations(name: str, frame: FloatArray) -> FloatArray:
    """Return the joint's rotations (N, 3, 3) on a grid of its angles, in the model's axes."""
    limits = JOINT_LIMITS_DEG[name]
    axes = [
        np.linspace(low - _BEYOND_LIMITS_DEG, high + _BEYOND_LIMITS_DEG, count)
        for (low, high), count in zip(limits[:3], _GRID, strict=True)
    ]
    angles = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)
    local = Rotation.from_euler('XYZ', angles, degrees=True).as_matrix()
    return np.asarray(frame @ local @ frame.T)


def _turned_by_share(hand: RiggedHand, site: _Site, rotation: FloatArray) -> FloatArray:
    """Turn each vertex about the joint by its share of the rotation."""
    whole = Rotation.from_matrix(rotation).as_rotvec()
    turns = Rotation.from_rotvec(site.child_share[:, None] * whole)
    return np.asarray(site.centre + turns.apply(hand.vertices - site.centre))


def _held_apart(
    hand: RiggedHand, site: _Site, rotation: FloatArray, vertices: FloatArray
) -> FloatArray:
    """Push skin that crossed the plane halving the bend back to its own side."""
    rest_normal = _unit(site.parent_axis + site.child_axis)
    normal = _unit(site.parent_axis + rotation @ site.child_axis)
    rest_height = (hand.vertices - site.centre) @ rest_normal
    height = (vertices - site.centre) @ normal
    side = np.where(site.child_share >= 0.5, 1.0, -1.0)
    spacing = _CONTACT_SPACING * np.maximum(side * rest_height, 0.0)
    # Skin that lies beyond the plane at rest (webs, neighbouring fingers) is left alone.
    is_own = side * rest_height > -_PLANE_TOLERANCE
    crossing = np.where(is_own, np.maximum(spacing - side * height, 0.0), 0.0)
    return np.asarray(vertices + (site.support * crossing * side)[:, None] * normal)


def _swollen(
    hand: RiggedHand, site: _Site, rotation: FloatArray, vertices: FloatArray
) -> FloatArray:
    """Move the skin around the fold outwards until the hand has its volume back."""
    lost = _volume(hand.vertices, hand.faces) - _volume(vertices, hand.faces)
    normals, areas = _vertex_normals(vertices, hand.faces)
    # The fold opens towards where the child bone went.
    inwards = rotation @ site.child_axis - site.parent_axis
    towards_fold = (vertices - site.centre) @ _unit(inwards + 1e-9) / _SWELLING_RADIUS
    distance = np.linalg.norm(vertices - site.centre, axis=1)
    extent = np.exp(-((distance / _SWELLING_RADIUS) ** 4)) * site.support
    extent *= np.clip(0.5 + towards_fold, 0.0, 1.0)
    height = float(np.clip(lost / (extent @ areas), 0.0, _MAX_SWELLING))
    # Sideways there is the next finger.
    hinge = Rotation.from_matrix(rotation).as_rotvec()
    hinge = hinge / max(float(np.linalg.norm(hinge)), 1e-9)
    directions = normals - (1.0 - _SIDEWAYS_SWELLING) * (normals @ hinge)[:, None] * hinge
    return np.asarray(vertices + (height * extent)[:, None] * directions)


def _fit(hand: RiggedHand, site: _Site, rotations: FloatArray) -> FloatArray:
    """Return the correctives (V, 3, 9) of one joint."""
    features = (rotations - np.eye(3)).reshape(len(rotations), 9)
    correctives = np.zeros((len(hand.vertices), 3, 9))
    supported = np.flatnonzero(site.support)
    targets = np.stack([_bent(hand, site, rotation)[supported] for rotation in rotations])
    for row, vertex in enumerate(supported):
        share = site.child_share[vertex]
        blends = (1.0 - share) * np.eye(3) + share * rotations
        arm = hand.vertices[vertex] - site.centre
        residuals = targets[:, row] - site.centre - blends @ arm
        # Unknown P (3, 9) with blend @ (P @ feature) = residual for every rotation.
        system = np.einsum('nab,nf->nabf', blends, features).reshape(-1, 27)
        gram = system.T @ system + _RIDGE * len(rotations) * np.eye(27)
        solution = np.linalg.solve(gram, system.T @ residuals.ravel())
        correctives[vertex] = site.support[vertex] * solution.reshape(3, 9)
    return correctives


def _volume(vertices: FloatArray, faces: IntArray) -> float:
    """Return the signed volume; the open wrist adds the same to every pose."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return float(np.einsum('fc,fc->', a, np.cross(b, c)) / 6.0)


def _vertex_normals(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return unit normals (V, 3) and each vertex's third of the area around it (V,)."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums, areas = np.zeros_like(vertices), np.zeros(len(vertices))
    for k in range(3):
        np.add.at(sums, faces[:, k], face_normals)
        np.add.at(areas, faces[:, k], np.linalg.norm(face_normals, axis=1) / 6.0)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True), areas


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))
