"""
For GeoRT (Meta, "Geometric Retargeting", 2025): what its mocap classes return from ``get()``.

The 21 keypoints in MediaPipe's order, metres, in a frame of the palm: the wrist is the origin, z
points to the base of the middle finger, y about from the base of the ring finger to that of the
index finger, and x completes a right-handed frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh

FloatArray = NDArray[np.float64]

_WRIST, _INDEX, _MIDDLE = 0, 5, 9
_RING = 13


def canonical_keypoints(mesh: HandMesh) -> FloatArray:
    """Return the keypoints (21, 3) in metres in GeoRT's frame of the palm."""
    keypoints = np.asarray(mesh.keypoints_cam, dtype=np.float64)
    z = _unit(keypoints[_MIDDLE] - keypoints[_WRIST])
    x = _unit(np.cross(keypoints[_INDEX] - keypoints[_RING], z))
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    canonical: FloatArray = (keypoints - keypoints[_WRIST]) @ axes
    return canonical


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))
