"""Simple baselines: the mean hand, MediaPipe's own points in 3D, skin colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandObservation
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_SHAPE, Handedness
from realhands_ros.errors import ImageError
from realhands_ros.evaluation.methods import PoseLevel, Reconstruction
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.handnet.stage import HandNetStage
from realhands_ros.handnet.view_input import view_input
from realhands_ros.keypoints.two_view import triangulate

# The mean hand, whatever the image shows: a method is of use when its aligned error is lower.


class MeanShape:
    """A Method that returns the mean hand of the observed side, without looking at the image."""

    def __init__(self, models: dict[Handedness, HandModelData]) -> None:
        """Pose both hands of a model."""
        self._hands = {side: mean_hand(data) for side, data in models.items()}

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the mean hand of the observation's side."""
        return self._hands[observation.handedness]


class ImageAlone:
    """A Method that runs the network on the crops of an observation without its keypoints."""

    def __init__(self, stage: HandNetStage) -> None:
        """Take the stage that the pipeline runs."""
        self._stage = stage

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the network's hand; None where it gives none."""
        views = tuple(
            replace(
                view,
                keypoints_px=np.full((NUM_KEYPOINTS, 2), np.nan),
                keypoint_scores=np.zeros(NUM_KEYPOINTS),
            )
            for view in observation.views
        )
        blind = replace(observation, views=views, world_landmarks=(None,) * len(views))
        meshes = self._stage([blind], cameras).meshes
        return Reconstruction.from_mesh(meshes[0]) if meshes else None


def mean_hand(data: HandModelData) -> Reconstruction:
    """Return the hand of mean shape and pose of a model."""
    pose = np.concatenate([np.zeros(3), data.hands_mean])
    posed = FastHandModel(data, dtype=np.float64).forward(pose, np.zeros(NUM_SHAPE))
    return Reconstruction(posed.keypoints, posed.vertices, level=PoseLevel.FORM)


# MediaPipe alone in 3D: its world landmarks, and its 2D keypoints triangulated.


# The world landmarks do not depend on the size of a crop.
_ANY_CROP_SIZE = 64


class WorldLandmarks:
    """A Method: MediaPipe's world landmarks of the observation's last view (right of a pair)."""

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the landmarks turned into the rig's frame, None where the hand was missed."""
        points = world_landmarks_in_rig(observation, cameras)
        return None if points is None else Reconstruction(points, level=PoseLevel.ORIENTATION)


class Triangulation:
    """A Method: MediaPipe's 2D keypoints of two views, intersected."""

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the intersections, None unless both views know all keypoints and rays meet."""
        points = triangulated_keypoints(observation, cameras)
        return None if points is None else Reconstruction(points)


def world_landmarks_in_rig(
    observation: HandObservation, cameras: Sequence[PinholeCamera]
) -> FloatArray | None:
    """
    Return the world landmarks (21, 3) of the last view in the rig's axes, metres; None if missed.

    MediaPipe gives them in the axes of its own crop, whose camera looks straight at the hand.
    """
    view, camera = observation.views[-1], cameras[-1]
    world = observation.world_landmarks[len(observation.views) - 1]
    if world is None:
        return None
    try:
        seen = view_input(view, world, camera, observation.handedness, _ANY_CROP_SIZE)
    except ImageError:
        return None
    in_crop = mirror_points(seen.world) if observation.handedness == 'left' else seen.world
    in_rig: FloatArray = in_crop @ seen.view.rotation @ camera.rotation
    return in_rig


def triangulated_keypoints(
    observation: HandObservation, cameras: Sequence[PinholeCamera]
) -> FloatArray | None:
    """
    Return keypoints (21, 3) in the rig's frame, metres.

    None unless two views know them all, and all rays meet.
    """
    pixels = [view.keypoints_px for view in observation.views]
    if len(pixels) != 2 or not all(np.isfinite(view).all() for view in pixels):
        return None
    points = triangulate(cameras, pixels).points
    return points if np.isfinite(points).all() else None


# Segmentation by skin colour: thresholds in HSV, the paper's first baseline (Table 3).

# Kolkur et al., "Human skin detection using RGB, HSV and YCbCr color models", 2017: hue 0 to 50
# degrees, saturation 0.23 to 0.68. OpenCV counts hue in steps of two degrees.
_LOWEST = (0, round(0.23 * 255), 0)
_HIGHEST = (25, round(0.68 * 255), 255)


def skin_mask(image_bgr: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of an image (H, W, 3) that have the colour of skin, (H, W)."""
    hsv = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)
    return np.asarray(cv2.inRange(hsv, np.array(_LOWEST), np.array(_HIGHEST)) > 0)
