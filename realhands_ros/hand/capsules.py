"""
A hand of capsules: the cheap stand-in for the mesh in collision tests of many poses.

Every bone is a segment with the typical radius of the skin around it. How well it stands in for
the mesh is measured with hand/interpenetration.py (benchmarks/pose_sampler.py).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.hand.skeleton import BONE_ENDS, HandSkeleton
from realhands_ros.hand.topology import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class CapsuleHand:
    """Capsules of the 15 finger bones and of the four metacarpals of the palm."""

    def __init__(
        self, skeleton: HandSkeleton, vertices: ArrayLike, skin_weights: ArrayLike
    ) -> None:
        """Measure the radii on a rest mesh: vertices (778, 3), skin weights (778, 16)."""
        self._skeleton = skeleton
        owners = np.asarray(skin_weights).argmax(axis=1)
        bones = [(joint, BONE_ENDS[joint - 1]) for joint in range(1, NUM_JOINTS)]
        metacarpals = [(0, j) for j in range(1, NUM_JOINTS) if JOINT_NAMES[j].endswith('1')][:-1]
        self._starts, self._ends = np.array(bones + metacarpals).T
        self._radii = _radii(skeleton.points, self._starts, self._ends, vertices, owners)
        self._pairs = self._collision_pairs()
        # Overlap of the rest pose, as between fingers side by side, is the shape of the hand.
        self._rest_overlaps = np.maximum(self._overlaps(skeleton.points[None])[0], 0.0)

    def _collision_pairs(self) -> IntArray:
        """Return the pairs of capsules (P, 2) that are not neighbours in the skeleton."""
        pairs = []
        for a, b in combinations(range(len(self._starts)), 2):
            joint_a, joint_b = self._starts[a], self._starts[b]
            touching = self._ends[a] == joint_b or self._ends[b] == joint_a
            both_in_palm = all(j == 0 or JOINT_PARENTS[j] == 0 for j in (joint_a, joint_b))
            if not touching and not both_in_palm:
                pairs.append((a, b))
        return np.array(pairs)

    def overlap(self, pose_aa: ArrayLike) -> FloatArray:
        """Return the worst overlap beyond rest of finger poses (n, 45), (n,) metres, 0 if none."""
        overlaps = self._overlaps(self._skeleton.posed_points(pose_aa)) - self._rest_overlaps
        return np.asarray(np.maximum(overlaps.max(axis=1), 0.0))

    def _overlaps(self, points: FloatArray) -> FloatArray:
        """Return how far each pair of capsules overlaps, (n, P) metres, negative for a gap."""
        a, b = self._pairs.T
        distance = _segment_distance(
            points[:, self._starts[a]], points[:, self._ends[a]],
            points[:, self._starts[b]], points[:, self._ends[b]],
        )  # fmt: skip
        return np.asarray(self._radii[a] + self._radii[b] - distance)


def _radii(
    points: FloatArray, starts: IntArray, ends: IntArray, vertices: ArrayLike, owners: IntArray
) -> FloatArray:
    """Return the median distance of each bone's own skin to the bone, (bones,) metres."""
    skin = np.asarray(vertices, dtype=np.float64)
    a, b = points[starts], points[ends]
    along = ((skin[:, None] - a) * (b - a)).sum(axis=2) / ((b - a) ** 2).sum(axis=1)
    nearest = a + np.clip(along, 0.0, 1.0)[..., None] * (b - a)
    distances = np.linalg.norm(skin[:, None] - nearest, axis=2)
    # The palm's skin belongs to the nearest metacarpal; ends of bones would count their caps.
    beside = (along > 0.0) & (along < 1.0)
    radii = []
    for bone, joint in enumerate(starts):
        own = (owners == joint) & beside[:, bone]
        if joint == 0:
            own &= distances[:, starts == 0].min(axis=1) == distances[:, bone]
        radii.append(np.median(distances[own, bone]))
    return np.array(radii)


def _segment_distance(
    a0: FloatArray, a1: FloatArray, b0: FloatArray, b1: FloatArray
) -> FloatArray:
    """Distance between segments (..., 3) (Ericson, Real-Time Collision Detection, 5.1.9)."""
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    s = np.clip((uv * vw - vv * uw) / np.maximum(uu * vv - uv * uv, 1e-12), 0.0, 1.0)
    t = np.clip((uv * s + vw) / vv, 0.0, 1.0)
    s = np.clip((uv * t - uw) / uu, 0.0, 1.0)
    gap = w + s[..., None] * u - t[..., None] * v
    return np.asarray(np.linalg.norm(gap, axis=-1))
