"""
For rwr_system (github.com/srl-ethz/rwr_system, ROS 2): topics /ingress/mano and /ingress/wrist.

Its retargeter takes 21 keypoints in MediaPipe's order as a Float32MultiArray of 21 x 3, metres, in
any frame: it moves them into the frame of the palm itself. The wrist's pose, a PoseStamped, is
that of wrist.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh


def ingress_mano(mesh: HandMesh) -> NDArray[np.float32]:
    """Return the keypoints (21, 3) float32, C order, metres, in the left optical frame."""
    return np.ascontiguousarray(mesh.keypoints_cam, dtype=np.float32)
