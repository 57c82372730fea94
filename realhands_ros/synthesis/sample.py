"""One stereo sample: two pictures and the truth about the hand in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import (
    FINGER_NAMES,
    JOINT_NAMES,
    JOINT_PARENTS,
    KEYPOINTS_FROM_JOINTS_AND_TIPS,
    NUM_JOINTS,
    NUM_KEYPOINTS,
)
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.rasterizer import NO_FACE, rasterize
from realhands_ros.synthesis.camera_effects import develop
from realhands_ros.synthesis.config import ViewMix
from realhands_ros.synthesis.rendering import Renderer
from realhands_ros.synthesis.scene import HandTruth, Label, Scene

# A keypoint is seen where the surface at its pixel moves with its bones by at least this weight.
_OWN_WEIGHT = 0.5
_BARE_WRIST = (Label.HAND, Label.ARM)


@dataclass(frozen=True, eq=False)
class StereoSample:
    """
    A stereo pair with truth; the first axis of two is (left, right).

    ``images`` (2, H, W, 3) uint8 RGB; ``labels`` (2, H, W) uint8, values of Label; ``depth``
    (2, H, W) float32 metres, inf for nothing; ``keypoints_px`` (2, 21, 2); ``keypoints_visible``
    (2, 21) bool: in the image and not hidden by anything; ``hand`` in the rig's frame.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]
    keypoints_px: NDArray[np.float64]
    keypoints_visible: NDArray[np.bool_]
    hand: HandTruth
    rig: StereoRig
    view_mix: ViewMix

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Return the pixels that show the hand, up to the wrist and not hidden, (2, H, W)."""
        return np.asarray(self.labels == Label.HAND)


def make_sample(scene: Scene, renderer: Renderer) -> StereoSample:
    """Render a scene and develop its pictures."""
    views = renderer.render(scene)
    labels = np.stack([view.labels for view in views])
    cameras = scene.rig.views
    return StereoSample(
        images=np.stack(develop(views, scene.effects)),
        labels=labels,
        depth=np.stack([view.depth for view in views]),
        keypoints_px=np.stack([camera.project(scene.hand.keypoints) for camera in cameras]),
        keypoints_visible=np.stack(
            [
                visible_keypoints(scene.hand, camera, view)
                for camera, view in zip(cameras, labels, strict=True)
            ]
        ),
        hand=scene.hand,
        rig=scene.rig,
        view_mix=scene.view_mix,
    )


def visible_keypoints(
    hand: HandTruth, camera: PinholeCamera, labels: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """
    Return which keypoints a camera sees, (21,).

    A keypoint lies inside the flesh, so the question is what covers it: it is seen when a pixel
    at its place, or next to it, shows skin of the same part of the hand. ``labels`` (H, W) is
    what the camera sees of the whole scene.
    """
    drawn = rasterize(camera.to_camera(hand.vertices), hand.faces, camera, num_threads=1)
    x, y = np.round(camera.project(hand.keypoints)).astype(np.int64).T
    in_image = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    in_front = camera.to_camera(hand.keypoints)[:, 2] > 0
    # The pixel and its neighbours, (21, 9); at the border some are there twice.
    rows = np.clip(y[:, None] + _WINDOW_Y, 0, camera.height - 1)
    columns = np.clip(x[:, None] + _WINDOW_X, 0, camera.width - 1)
    face = drawn.face_id[rows, columns]
    shown = (face != NO_FACE) & _ALLOWED[np.arange(NUM_KEYPOINTS)[:, None], labels[rows, columns]]
    weights = hand.skin_weights[hand.faces[face]].mean(2)
    own = (weights * _IS_OWN_JOINT[:, None]).sum(2)
    return np.asarray(in_image & in_front & (shown & (own > _OWN_WEIGHT)).any(1))


def _own_joints(keypoint: int) -> list[int]:
    """Return the joints that move the skin over a keypoint."""
    source = KEYPOINTS_FROM_JOINTS_AND_TIPS[keypoint]
    if source >= NUM_JOINTS:
        return [JOINT_NAMES.index(f'{FINGER_NAMES[source - NUM_JOINTS]}3')]
    return [joint for joint in (source, JOINT_PARENTS[source]) if joint >= 0]


_WINDOW_Y, _WINDOW_X = (offset.ravel() - 1 for offset in np.indices((3, 3)))
# Whether a label (column) may be what is seen of a keypoint (row).
_ALLOWED = np.zeros((NUM_KEYPOINTS, len(Label)), dtype=bool)
_ALLOWED[:, Label.HAND] = True
_ALLOWED[0, list(_BARE_WRIST)] = True
_IS_OWN_JOINT = np.zeros((NUM_KEYPOINTS, NUM_JOINTS), dtype=bool)
for _keypoint in range(NUM_KEYPOINTS):
    _IS_OWN_JOINT[_keypoint, _own_joints(_keypoint)] = True
