"""Meshes of posed hands, right and left, anywhere before the camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from realhands_ros.data.hands import HandMesh
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.skeleton import HandSkeleton

MODELS = {
    side: FastHandModel(load_hand_model_data(default_model_folder(), side))
    for side in ('left', 'right')
}
SKELETON = HandSkeleton.from_model(load_hand_model_data(default_model_folder(), 'right'))


@pytest.fixture
def skeleton() -> HandSkeleton:
    return SKELETON


@pytest.fixture
def mesh_of():
    def make(
        handedness: str = 'right',
        gesture: str = 'open',
        root_aa: Sequence[float] = (0.0, 0.0, 0.0),
        translation: Sequence[float] = (0.1, -0.05, 0.5),
    ) -> HandMesh:
        """Return a hand; with a left one, everything but the place is that of a mirror image."""
        pose = np.concatenate([root_aa, SKELETON.pose_from_angles(gesture_angles(gesture))])
        if handedness == 'left':
            pose = mirror_axis_angle(pose)
        posed = MODELS[handedness].forward(pose, np.zeros(10), np.asarray(translation, float))
        return HandMesh(
            id='hand',
            handedness=handedness,
            vertices_cam=posed.vertices,
            keypoints_cam=posed.keypoints,
            pose_aa=pose,
            translation=np.asarray(translation, float),
            topology_key='',
        )

    return make
