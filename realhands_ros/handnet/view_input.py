"""One view of one hand as the network wants it, and the way back into the camera's axes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import HandView
from realhands_ros.data.topology import NUM_KEYPOINTS, Handedness
from realhands_ros.errors import ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import (
    CropView,
    apply_affine,
    area_scale,
    crop_image,
    crop_view,
    in_plane_rotation,
    turn_of,
)
from realhands_ros.geometry.mirror import POINT_SIGNS, mirror_pixels, mirror_points

FloatArray = NDArray[np.float64]

_MIRROR = np.diag(POINT_SIGNS)
# A crop whose pixels differ by less than this (of 255) shows nothing: a covered or dead camera.
_LEAST_CONTRAST = 2.0
# An affine that shrinks areas by more than this is singular; one that mirrors is below zero.
_LEAST_AREA_SCALE = 1e-9


@dataclass(frozen=True, eq=False)
class ViewInput:
    """
    One view of one hand, for the network.

    ``image`` (S, S, 3) uint8 RGB and ``keypoints`` (21, 2), pixels of that image, are mirrored for
    a left hand, as is ``world`` (21, 3). ``crop_camera`` and ``view`` belong to the unmirrored
    crop of S pixels; ``keypoints_px`` (21, 2) and ``weights`` (21,) to the whole image, zero
    weight where a keypoint is unknown.
    """

    image: NDArray[np.uint8]
    keypoints: FloatArray
    world: FloatArray
    crop_camera: PinholeCamera
    view: CropView
    camera: PinholeCamera
    keypoints_px: FloatArray
    weights: FloatArray
    handedness: Handedness

    def root_to_rig(self, root: FloatArray) -> FloatArray:
        """Take the root's rotation (3, 3) from the network's view to the rig's frame."""
        if self.handedness == 'left':
            root = _MIRROR @ root @ _MIRROR
        rotation: FloatArray = self.camera.rotation.T @ self.view.rotation.T @ root
        return rotation

    def centre_px(self, centre_ndc: FloatArray) -> FloatArray:
        """Return the crop pixel (2,) of a place in the network's normalised coordinates (2,)."""
        size = self.crop_camera.width
        pixel = ((centre_ndc + 1) * size - 1) / 2
        return mirror_pixels(pixel, size) if self.handedness == 'left' else pixel


def view_input(
    view: HandView,
    world: FloatArray | None,
    camera: PinholeCamera,
    handedness: Handedness,
    size: int,
) -> ViewInput:
    """
    Prepare one view; ``world`` (21, 3) are its world landmarks, if any.

    Raises ImageError when there is no crop, it is no square BGR picture, or it shows nothing.
    """
    crop, affine = _checked_crop(view)
    image = crop
    if crop.shape[0] != size:
        scale = size / crop.shape[0]
        # Pixel centres: the first small pixel lies half a small pixel inside the edge.
        shrink = np.array([[scale, 0.0, (scale - 1) / 2], [0.0, scale, (scale - 1) / 2]])
        affine = np.column_stack([scale * affine[:, :2], apply_affine(shrink, affine[:, 2])])
        image = crop_image(crop, shrink, size)
    keypoints_px, weights = _known_keypoints(view)
    keypoints = apply_affine(affine, keypoints_px)
    world = _in_crop_axes(world, affine)
    if handedness == 'left':
        image, world = np.asarray(cv2.flip(image, 1), np.uint8), mirror_points(world)
        keypoints = mirror_pixels(keypoints, size)
    crop_camera = camera.cropped(affine, size, size)
    return ViewInput(
        image=np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8),
        keypoints=keypoints,
        world=world,
        crop_camera=crop_camera,
        view=crop_view(crop_camera.intrinsics, size),
        camera=camera,
        keypoints_px=keypoints_px,
        weights=weights,
        handedness=handedness,
    )


def silhouette_in_crop(
    probability: NDArray[np.float32], handedness: Handedness, size: int
) -> NDArray[np.uint8]:
    """Return the network's silhouette (S, S), 0..1, as 0..255 in the crop of ``size`` pixels."""
    if handedness == 'left':
        probability = np.ascontiguousarray(probability[:, ::-1])
    if size != probability.shape[0]:
        resized = cv2.resize(probability, (size, size), interpolation=cv2.INTER_LINEAR)
        probability = np.asarray(resized, dtype=np.float32)
    return np.clip(255.0 * probability + 0.5, 0, 255).astype(np.uint8)


def _checked_crop(view: HandView) -> tuple[NDArray[np.uint8], FloatArray]:
    if view.crop is None or view.crop_affine is None:
        message = 'the view has no crop: the keypoint stage must cut one (publish_crops)'
        raise ImageError(message)
    crop, affine = view.crop, np.asarray(view.crop_affine, dtype=np.float64)
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[0] != crop.shape[1]:
        message = (
            f'the crop is a {crop.dtype} array of shape {crop.shape}; '
            'it must be square BGR, (H, H, 3) uint8'
        )
        raise ImageError(message)
    if crop.shape[2] != 3 or crop.shape[0] < 8:
        message = f'the crop has shape {crop.shape}; it must be (H, H, 3) with the channels last'
        raise ImageError(message)
    if affine.shape != (2, 3) or not np.isfinite(affine).all():
        message = f'the crop affine must be a finite (2, 3) array, found {affine.tolist()}'
        raise ImageError(message)
    if area_scale(affine) < _LEAST_AREA_SCALE:
        message = f'the crop affine is singular or mirrors: {affine.tolist()}'
        raise ImageError(message)
    # One channel, as all of them together are what has to differ.
    mean, contrast = cv2.meanStdDev(np.ascontiguousarray(crop).reshape(-1))
    if contrast.item() < _LEAST_CONTRAST:
        message = (
            f'the crop is uniform (mean {mean.item():.0f} of 255): '
            'the camera is covered, dark or the crop lies outside its image'
        )
        raise ImageError(message)
    return crop, affine


def _known_keypoints(view: HandView) -> tuple[FloatArray, FloatArray]:
    """Return keypoints (21, 2), NaN where unknown, and their weights (21,)."""
    keypoints = np.array(view.keypoints_px, dtype=np.float64).reshape(NUM_KEYPOINTS, 2)
    scores = np.asarray(view.keypoint_scores, dtype=np.float64)
    known = np.isfinite(keypoints).all(axis=1) & (scores > 0)
    keypoints[~known] = np.nan
    return keypoints, np.where(known, np.minimum(scores, 1.0), 0.0)


def _in_crop_axes(world: FloatArray | None, affine: FloatArray) -> FloatArray:
    if world is None or not np.isfinite(world).all():
        return np.full((NUM_KEYPOINTS, 3), np.nan)
    turn = in_plane_rotation(turn_of(affine))
    turned: FloatArray = np.asarray(world, dtype=np.float64) @ turn.T
    return turned
