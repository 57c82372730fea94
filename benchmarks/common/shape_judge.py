"""
MediaPipe as judge of a hand model: does it see a hand, and the same joints in it.

MediaPipe has seen photographs of real hands only. A model that it recognises and in which it puts
the keypoints where the model has them is shaped like a hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import NUM_JOINTS, NUM_KEYPOINTS, NUM_SHAPE
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.drawing import SKIN_TINT, shade, view_rotation
from realhands_ros.hand.gestures import GESTURES
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import HandSkeleton

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

WIDTH, HEIGHT, FOCAL_PX = 640, 480, 600.0
DISTANCE_M = (0.4, 0.6)
TILT_DEG = 30.0
ROLL_DEG = 40.0
# Gestures whose fingers can all be seen from the front; draws mix two of them.
FRONTAL_GESTURES = ('open', 'spread', 'rest', 'wave')
SHAPE_SPREAD = 0.7
_ANGLE_NOISE_DEG = 4.0
_MIDDLE_MCP, _INDEX_MCP, _LITTLE_MCP = 9, 5, 17


@dataclass(frozen=True)
class FrontalView:
    """A rendered right hand: RGB image (480, 640, 3), keypoints (21, 2), hand length in pixels."""

    image: Image
    keypoints_px: FloatArray
    hand_length_px: float


@dataclass(frozen=True)
class ShapeVerdict:
    """
    What MediaPipe found in ``views`` views.

    ``offsets`` (found, 21, 2): its keypoints less the model's, in units of the hand's length
    (wrist to middle fingertip of the flat hand, at the hand's distance), x across the hand towards
    the thumb, y from the wrist towards the middle finger.
    """

    views: int
    offsets: FloatArray

    @property
    def found(self) -> float:
        """Return the part of the views in which a hand was found."""
        return len(self.offsets) / self.views

    @property
    def distances(self) -> FloatArray:
        """Return the keypoints' distances (found, 21) in units of the hand's length."""
        return np.asarray(np.linalg.norm(self.offsets, axis=2))


class FrontalViews:
    """Draws random frontal views of the right hand of a model folder, half palm and half back."""

    def __init__(self, folder: Path | str) -> None:
        """Load the model; ModelFileError if the folder has none."""
        self._model = HandModel.load(folder)
        self._faces = self._model.data.faces
        self._skeleton = HandSkeleton.from_model(self._model.data)
        points = self._skeleton.points
        self._hand_length_m = float(np.linalg.norm(self._skeleton.tips[2] - points[0]))

    def draw(self, rng: np.random.Generator) -> FrontalView:
        """Draw pose, shape, view, tint and background, and render."""
        vertices_cam, keypoints_cam = self._placed_hand(rng)
        camera = PinholeCamera(
            np.array([
                [FOCAL_PX, 0.0, (WIDTH - 1) / 2], [0.0, FOCAL_PX, (HEIGHT - 1) / 2], [0.0, 0.0,
                1.0]
            ]),
            WIDTH,
            HEIGHT,
        )  # fmt: skip
        tint = np.clip(np.array(SKIN_TINT) * rng.uniform(0.6, 1.05), 0, 255)
        shaded, fragments = shade(vertices_cam, self._faces, camera, tint)
        background = _mild_background(rng)
        image = np.where(fragments.mask[..., None], shaded, background)
        return FrontalView(
            cv2.GaussianBlur(image, (3, 3), 0.6).astype(np.uint8),
            camera.project(keypoints_cam),
            FOCAL_PX * self._hand_length_m / float(keypoints_cam[:, 2].mean()),
        )

    def _placed_hand(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        pose = torch.zeros((1, 3 * NUM_JOINTS))
        pose[0, 3:] = torch.tensor(self._skeleton.pose_from_angles(_frontal_angles(rng)))
        shape = torch.tensor(rng.normal(0.0, SHAPE_SPREAD, (1, NUM_SHAPE)), dtype=torch.float32)
        with torch.no_grad():
            posed = self._model(pose, shape)
        vertices = posed.vertices[0].numpy().astype(np.float64)
        keypoints = posed.keypoints[0].numpy().astype(np.float64)

        facing = view_rotation(str(rng.choice(['palm', 'back'])), 'right')
        tilt = Rotation.from_euler('xy', rng.uniform(-TILT_DEG, TILT_DEG, 2), degrees=True)
        roll = Rotation.from_euler('z', rng.uniform(-ROLL_DEG, ROLL_DEG), degrees=True)
        rotation = (roll * tilt).as_matrix() @ facing
        distance = rng.uniform(*DISTANCE_M)
        sideways = rng.uniform(-0.04, 0.04, 2)
        translation = [*sideways, distance] - rotation @ keypoints.mean(axis=0)
        return vertices @ rotation.T + translation, keypoints @ rotation.T + translation


def judge_shape(folder: Path | str, *, views: int, seed: int = 0) -> ShapeVerdict:
    """Show ``views`` random frontal views of a right hand model to MediaPipe."""
    from mediapipe.python.solutions.hands import Hands

    rng = np.random.default_rng(seed)
    source = FrontalViews(folder)
    offsets = []
    with Hands(static_image_mode=True, max_num_hands=1, min_detection_confidence=0.5) as hands:
        for _ in range(views):
            view = source.draw(rng)
            result = hands.process(view.image)
            if result.multi_hand_landmarks:
                landmarks = result.multi_hand_landmarks[0].landmark
                found = np.array([[mark.x, mark.y] for mark in landmarks])
                # MediaPipe's unit is the image's edge, ours the centre of the first pixel.
                found_px = found * [WIDTH, HEIGHT] - 0.5
                offsets.append(_in_hand_axes(found_px, view))
    return ShapeVerdict(views, np.array(offsets).reshape(-1, NUM_KEYPOINTS, 2))


def _frontal_angles(rng: np.random.Generator) -> FloatArray:
    first, second = rng.choice(FRONTAL_GESTURES, 2)
    stage = rng.uniform()
    angles = (1 - stage) * GESTURES[first] + stage * GESTURES[second]
    return clamp_angles(angles + np.deg2rad(_ANGLE_NOISE_DEG) * rng.normal(size=angles.shape))


def _mild_background(rng: np.random.Generator) -> FloatArray:
    """Return a smooth colour drift (480, 640, 3), 0..255."""
    coarse = rng.uniform(40, 220) + rng.normal(0, 22, (4, 5, 3))
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 0, 255).astype(np.float64)


def _in_hand_axes(found_px: FloatArray, view: FrontalView) -> FloatArray:
    """Return the offsets (21, 2) of found keypoints across and along the hand, in hand lengths."""
    truth = view.keypoints_px
    along = truth[_MIDDLE_MCP] - truth[0]
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    # Towards the thumb, whichever side of the hand is seen.
    across *= np.sign((truth[_INDEX_MCP] - truth[_LITTLE_MCP]) @ across)
    offsets = (found_px - truth) / view.hand_length_px
    return np.stack([offsets @ across, offsets @ along], axis=1)
