"""
Joint, keypoint and vertex numbering of the MANO layout.

Inside the model there are MANO's 16 joints (wrist, index, middle, little, ring, thumb, each base
to tip). Everywhere else there are 21 keypoints in MediaPipe's order (wrist, thumb, index, middle,
ring, little, each base to tip).
"""

from __future__ import annotations

from typing import Literal

Handedness = Literal['left', 'right']

NUM_VERTICES = 778
NUM_FACES = 1538
NUM_JOINTS = 16
NUM_KEYPOINTS = 21
NUM_SHAPE = 10
NUM_POSE = 3 * NUM_JOINTS

FINGER_NAMES = ('thumb', 'index', 'middle', 'ring', 'little')

JOINT_NAMES = (
    'wrist',
    'index1', 'index2', 'index3',
    'middle1', 'middle2', 'middle3',
    'little1', 'little2', 'little3',
    'ring1', 'ring2', 'ring3',
    'thumb1', 'thumb2', 'thumb3',
)  # fmt: skip

JOINT_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)

TIP_VERTEX_IDS = {'thumb': 744, 'index': 320, 'middle': 443, 'ring': 554, 'little': 671}

KEYPOINT_NAMES = (
    'wrist',
    'thumb_cmc', 'thumb_mcp', 'thumb_ip', 'thumb_tip',
    'index_mcp', 'index_pip', 'index_dip', 'index_tip',
    'middle_mcp', 'middle_pip', 'middle_dip', 'middle_tip',
    'ring_mcp', 'ring_pip', 'ring_dip', 'ring_tip',
    'little_mcp', 'little_pip', 'little_dip', 'little_tip',
)  # fmt: skip

KEYPOINT_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)

# Row k says which of [16 joints, then the 5 tips in FINGER_NAMES order] is keypoint k.
KEYPOINTS_FROM_JOINTS_AND_TIPS = (
    0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20,
)  # fmt: skip
