"""Hands of known form before known rigs, and detectors that see them perfectly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from realhands_ros.data.frames import StereoFrame
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.keypoints.detection import HandDetection, ViewImage

FloatArray = NDArray[np.float64]


def _skeleton() -> HandSkeleton:
    return HandSkeleton.from_model(load_hand_model_data(default_model_folder(), 'right'))


SKELETON = _skeleton()
RECTIFIED = StereoRig.rectified(
    fx=265.0, fy=265.0, cx=335.5, cy=187.5, width=672, height=376, baseline=0.12
)
# Two different cameras that converge, one of them turned about its axis as well.
CONVERGING = StereoRig(
    PinholeCamera(np.array([[300.0, 0, 320], [0, 310, 235], [0, 0, 1]]), 640, 480),
    PinholeCamera(
        np.array([[420.0, 0, 400], [0, 415, 300], [0, 0, 1]]),
        800,
        600,
        axis_angle_to_matrix([0.05, -0.35, 0.2]),
        np.array([-0.16, 0.03, 0.02]),
    ),
)
RIGS = {'rectified': RECTIFIED, 'converging': CONVERGING}


@pytest.fixture
def rectified() -> StereoRig:
    return RECTIFIED


@pytest.fixture
def hand_at():
    return _hand_at


@pytest.fixture
def detection():
    return _detection


@pytest.fixture
def frame_of():
    return _frame_of


@pytest.fixture
def scripted():
    return ScriptedDetector


@pytest.fixture(params=RIGS, ids=list(RIGS))
def rig(request) -> StereoRig:
    return RIGS[request.param]


def _hand_at(
    wrist: Sequence[float],
    handedness: str = 'right',
    gesture: str = 'rest',
    turn_aa: Sequence[float] = (0.0, 0.0, 1.2),
) -> FloatArray:
    """Return the keypoints (21, 3) of a hand with its wrist at a place of the rig's frame."""
    pose = SKELETON.pose_from_angles(gesture_angles(gesture))
    keypoints = SKELETON.posed_keypoints(pose)[0]
    # Flat and seen from its back, fingers up.
    towards_camera = axis_angle_to_matrix([-np.pi / 2, 0.0, 0.0])
    keypoints = (keypoints - keypoints[0]) @ towards_camera.T
    if handedness == 'left':
        keypoints = mirror_points(keypoints)
        turn_aa = (turn_aa[0], -turn_aa[1], -turn_aa[2])
    return keypoints @ axis_angle_to_matrix(turn_aa).T + np.asarray(wrist)


def _detection(
    keypoints: FloatArray,
    camera: PinholeCamera,
    handedness: str = 'right',
    *,
    noise_px: float = 0.0,
    seed: int = 0,
    sure: float = 0.95,
) -> HandDetection:
    """Return what a perfect detector (but for noise) makes of a hand."""
    noise = noise_px * np.random.default_rng(seed).normal(size=(21, 2))
    world = keypoints @ camera.rotation.T
    return HandDetection(
        keypoints_px=camera.project(keypoints) + noise,
        world=world - world.mean(axis=0),
        presence=0.9,
        right=sure if handedness == 'right' else 1.0 - sure,
    )


def _frame_of(rig: StereoRig, stamp_ns: int = 0, views: int = 2) -> StereoFrame:
    """Return a frame with a picture that is not uniform and shows no hand."""
    cameras = rig.views[:views]
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 255, (c.height, c.width, 3), dtype=np.uint8) for c in cameras)
    return StereoFrame(stamp_ns, 'left_optical', images, cameras)


@dataclass
class ScriptedDetector:
    """Says in each call what its view's script says; repeats the last line for ever."""

    script: list[list[HandDetection]]
    expected: list[list[FloatArray]] = field(default_factory=list)
    searches: list[bool] = field(default_factory=list)
    searched_ahead: list[ViewImage] = field(default_factory=list)

    def detect(
        self, image: ViewImage, expected: Sequence[FloatArray], *, search: bool
    ) -> list[HandDetection]:
        line = self.script[min(len(self.expected), len(self.script) - 1)]
        self.expected.append(list(expected))
        self.searches.append(search)
        return list(line)

    def look_ahead(self, image: ViewImage) -> None:
        self.searched_ahead.append(image)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass
