"""
For dex-retargeting (github.com/dexsuite/dex-retargeting): keypoints in its operator frame.

Its optimisers take 21 keypoints in metres, the wrist at the origin, in MediaPipe's order. They are
rotated in two steps, as its example detector does: into a frame read off the wrist and the bases
of index and middle finger, and from there into the operator's axes, which differ for the left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.topology import Handedness

FloatArray = NDArray[np.float64]

_WRIST, _INDEX, _MIDDLE = 0, 5, 9

_OPERATOR_AXES: dict[Handedness, FloatArray] = {
    'right': np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    'left': np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


def operator_keypoints(mesh: HandMesh) -> FloatArray:
    """Return the keypoints (21, 3) in metres, the wrist at the origin, in the operator frame."""
    keypoints = np.asarray(mesh.keypoints_cam, dtype=np.float64)
    keypoints = keypoints - keypoints[_WRIST]
    operator: FloatArray = keypoints @ palm_frame(keypoints) @ _OPERATOR_AXES[mesh.handedness]
    return operator


def palm_frame(keypoints: FloatArray) -> FloatArray:
    """
    Return the rotation (3, 3) whose columns are the palm's axes in the keypoints' (21, 3) frame.

    x from the base of the middle finger to the wrist; y normal to the plane of wrist, index and
    middle finger; z towards the index finger.
    """
    triangle = keypoints[[_WRIST, _INDEX, _MIDDLE]]
    *_, axes = np.linalg.svd(triangle - triangle.mean(axis=0))
    normal = axes[2]
    backwards = triangle[0] - triangle[2]
    x = backwards - (backwards @ normal) * normal
    x /= np.linalg.norm(x)
    z = np.cross(x, normal)
    if z @ (triangle[1] - triangle[2]) < 0:
        normal, z = -normal, -z
    return np.stack([x, normal, z], axis=1)
