"""Observations of hands in single images, as the keypoint stage makes them of films."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandObservation, HandView
from realhands_ros.data.topology import NUM_KEYPOINTS, Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import crop_image
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.training.hand_source import ViewSample


def observe_views(
    views: Sequence[ViewSample],
    handedness: Handedness,
    crop: CropConfig,
    *,
    fills_image: bool,
    with_keypoints: bool = True,
) -> HandObservation:
    """
    Return the observation of a hand of known side.

    A view whose detection is None has no keypoints; it has the whole image for a crop where the
    hand ``fills_image``. ``with_keypoints=False`` cuts the same crops and hides the keypoints.
    """
    seen = [_view(view, crop, fills_image, with_keypoints) for view in views]
    return HandObservation(
        id='',
        handedness=handedness,
        views=tuple(view for view, _ in seen),
        world_landmarks=tuple(world for _, world in seen),
    )


def _view(
    view: ViewSample, crop: CropConfig, fills_image: bool, with_keypoints: bool
) -> tuple[HandView, FloatArray | None]:
    detection = view.detection
    keypoints, scores = np.full((NUM_KEYPOINTS, 2), np.nan), np.zeros(NUM_KEYPOINTS)
    world = None
    if detection is not None and with_keypoints:
        keypoints, scores = detection.keypoints_px, np.ones(NUM_KEYPOINTS)
        world = detection.world
    if detection is not None:
        affine = crop.affine(detection.keypoints_px, view.camera)
    elif fills_image:
        affine = _whole_image(view.camera, crop.size)
    else:
        return HandView(keypoints, scores), None
    image = np.ascontiguousarray(view.image[..., ::-1])
    return HandView(keypoints, scores, affine, crop_image(image, affine, crop.size)), world


def _whole_image(camera: PinholeCamera, size: int) -> FloatArray:
    """Return the affine (2, 3) of a crop that shows all of an image."""
    scale = size / max(camera.width, camera.height)
    middle = 0.5 * np.array([camera.width - 1, camera.height - 1])
    return np.column_stack([scale * np.eye(2), (size - 1) / 2 - scale * middle])
