"""The hands of a rendered frame as HandMesh, exact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from realhands_ros.data.hands import HandMesh, HandView, MeshFlag, MeshStage
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.synthesis.film_rendering import SeenHand


def truth_mesh(
    seen: SeenHand, rig: StereoRig, topology_keys: Mapping[Handedness, str], seed: int
) -> HandMesh:
    """
    Return the truth about one hand.

    A view's keypoints are exact wherever they lie; their score is 1 where the camera sees them and
    0 where something hides them or the image ends before. A hand that leaves and comes back keeps
    its id.
    """
    hand = seen.truth
    return HandMesh(
        id=_track_id(seed, hand.handedness),
        handedness=hand.handedness,
        vertices_cam=hand.vertices,
        keypoints_cam=hand.keypoints,
        pose_aa=hand.pose_aa,
        shape=hand.shape,
        translation=hand.translation,
        topology_key=topology_keys[hand.handedness],
        wrist_covariance=np.zeros((6, 6)),
        stage=MeshStage.GROUND_TRUTH,
        flags=_flags(seen, rig),
        views=tuple(
            HandView(camera.project(hand.keypoints), visible.astype(np.float32))
            for camera, visible in zip(rig.views, seen.keypoints_visible, strict=True)
        ),
    )


def _flags(seen: SeenHand, rig: StereoRig) -> MeshFlag:
    flags = MeshFlag.STEREO if seen.mask_areas.all() else MeshFlag.NONE
    for camera in rig.views:
        if camera.to_camera(seen.truth.vertices)[:, 2].min() <= 0:
            return flags | MeshFlag.TRUNCATED
        pixels = camera.project(seen.truth.vertices)
        edge = np.array([camera.width, camera.height]) - 0.5
        if (pixels < -0.5).any() or (pixels > edge).any():
            return flags | MeshFlag.TRUNCATED
    return flags


def _track_id(seed: int, handedness: Handedness) -> str:
    rng = np.random.default_rng([seed, 0 if handedness == 'right' else 1])
    return rng.bytes(8).hex()
