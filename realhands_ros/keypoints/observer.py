"""From tracked hands to observations: smoothing (One-Euro filter), scores and crops."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import StereoFrame, to_bgr
from realhands_ros.data.hands import HandObservation, HandView
from realhands_ros.data.topology import KEYPOINT_NAMES, NUM_KEYPOINTS
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import crop_affine, crop_image
from realhands_ros.keypoints.detection import HandDetection, ViewImage
from realhands_ros.keypoints.tracking import HandTrack
from realhands_ros.keypoints.two_view import Sighting

# The One-Euro filter: smooth when still, quick when moving.
#
# Casiez, Roussel, Vogel, "1 Euro filter: a simple speed-based low-pass filter for noisy input in
# interactive systems", CHI 2012.


_SPEED_CUTOFF_HZ = 1.0


@dataclass(frozen=True)
class OneEuroConfig:
    """
    ``cutoff_hz``: cutoff frequency at rest; ``beta``: what a unit of speed adds to it.

    With keypoints in pixels the speed is in hand sizes a second (see OneEuroFilter), so ``beta``
    does not depend on resolution and distance.
    """

    cutoff_hz: float = 3.0
    beta: float = 1.5

    def lag_s(self, speed: float) -> float:
        """
        Return how far the output lags behind steady motion at ``speed``, in seconds.

        A first-order low-pass of cutoff f delays by ``1 / (2 pi f)``.
        """
        return 1.0 / (2.0 * math.pi * (self.cutoff_hz + self.beta * abs(speed)))


class OneEuroFilter:
    """Filters points over time, each with the cutoff of its own speed."""

    def __init__(self, config: OneEuroConfig) -> None:
        """Begin without a past."""
        self._config = config
        self._raw: FloatArray | None = None
        self._value = self._velocity = np.zeros(0)
        self._stamp_ns = 0

    def __call__(self, values: FloatArray, stamp_ns: int, unit: float = 1.0) -> FloatArray:
        """
        Return the filtered points ``values`` (N, D), measured at ``stamp_ns``.

        ``unit``: the length in which speed is counted. Values must be finite.
        """
        elapsed = 1e-9 * (stamp_ns - self._stamp_ns)
        if self._raw is None or elapsed <= 0.0:
            self._value, self._velocity = values.copy(), np.zeros_like(values)
        else:
            velocity = (values - self._raw) / elapsed
            share = _share(_SPEED_CUTOFF_HZ, elapsed)
            self._velocity = self._velocity + share * (velocity - self._velocity)
            speeds = np.linalg.norm(self._velocity, axis=1, keepdims=True) / unit
            cutoffs = self._config.cutoff_hz + self._config.beta * speeds
            self._value = self._value + _share(cutoffs, elapsed) * (values - self._value)
        self._raw, self._stamp_ns = values.copy(), stamp_ns
        return self._value.copy()


def _share(cutoff_hz: float | FloatArray, elapsed_s: float) -> float | FloatArray:
    """Return the weight of a new value in a first-order low-pass."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * elapsed_s))


# From tracked hands to observations: smoothing, scores and crops.

# Two views' keypoints this far (share of the hand's size) from agreeing have half their score.
_DISAGREEMENT = 0.05
# What a guess beyond the image's edge is worth, relative to a look at a keypoint.
_OUTSIDE = 0.3
# A crop with less of its area than this in the image shows nothing of the hand.
_LEAST_SHARE_INSIDE = 0.2


# MediaPipe turns a hand by the direction from its wrist to these (hand_landmark_landmarks_to_roi).
_KNUCKLES = [KEYPOINT_NAMES.index(f'{finger}_mcp') for finger in ('index', 'middle', 'ring')]
_KNUCKLE_WEIGHTS = np.array([0.25, 0.5, 0.25])


def hand_direction(keypoints_px: FloatArray) -> FloatArray:
    """Return wrist and knuckles (2, 2) of keypoints (21, 2), between which a hand points up."""
    return np.stack([keypoints_px[0], _KNUCKLE_WEIGHTS @ keypoints_px[_KNUCKLES]])


@dataclass(frozen=True)
class CropConfig:
    """
    Side of the crops in pixels, and relative to the keypoints' box.

    ``upright``: they are turned so that the knuckles lie above the wrist.
    """

    size: int
    margin: float
    upright: bool = False

    def affine(self, keypoints_px: FloatArray, camera: PinholeCamera) -> FloatArray:
        """Return the affine (2, 3) of the crop around keypoints (21, 2) of an image, pixels."""
        up = hand_direction(keypoints_px) if self.upright else None
        return crop_affine(keypoints_px, self.size, self.margin, camera.intrinsics, up=up)


class HandObserver:
    """Makes observations of tracks; remembers what smoothing needs."""

    def __init__(self, crops: CropConfig, smoothing: OneEuroConfig | None) -> None:
        """Begin without a past; ``smoothing`` None leaves the keypoints as they are."""
        self._crops = crops
        self._smoothing = smoothing
        self._filters: dict[tuple[str, int], OneEuroFilter] = {}

    def observe(self, track: HandTrack, frame: StereoFrame) -> HandObservation:
        """Return the observation of a hand that the frame shows."""
        sighting = track.sighting
        assert sighting is not None
        return HandObservation(
            id=track.id,
            handedness=track.handedness,
            views=tuple(self._view(track, sighting, frame, n) for n in range(frame.num_views)),
            handedness_score=track.handedness_score,
            score=sighting.presence,
            world_landmarks=tuple(hand.world if hand else None for hand in sighting.views),
        )

    def forget_all_but(self, ids: Collection[str]) -> None:
        """Drop what belongs to tracks that are no more."""
        self._filters = {key: value for key, value in self._filters.items() if key[0] in ids}

    def _view(
        self, track: HandTrack, sighting: Sighting, frame: StereoFrame, number: int
    ) -> HandView:
        camera, detection = frame.cameras[number], sighting.views[number]
        if detection is not None:
            keypoints_px = self._smoothed(track.id, number, detection, frame.stamp_ns)
            scores = _scores(sighting, number, camera)
        else:
            expected = track.predicted_px(camera, frame.stamp_ns)
            keypoints_px = np.full((NUM_KEYPOINTS, 2), np.nan) if expected is None else expected
            scores = np.zeros(NUM_KEYPOINTS)
            if not _in_sight(keypoints_px, camera):
                return HandView(keypoints_px, scores)
        image = ViewImage(frame.images[number], frame.lenses[number])
        affine = self._crops.affine(keypoints_px, camera)
        return HandView(keypoints_px, scores, affine, _crop(image, affine, self._crops.size))

    def _smoothed(
        self, id_: str, view: int, detection: HandDetection, stamp_ns: int
    ) -> FloatArray:
        if self._smoothing is None:
            return detection.keypoints_px
        smooth = self._filters.setdefault((id_, view), OneEuroFilter(self._smoothing))
        return smooth(detection.keypoints_px, stamp_ns, unit=detection.size_px)


def _scores(sighting: Sighting, view: int, camera: PinholeCamera) -> FloatArray:
    """Return the confidence (21,) in the keypoints of a view that sees the hand."""
    detection = sighting.views[view]
    assert detection is not None
    scores = np.full(NUM_KEYPOINTS, detection.presence)
    if sighting.pairing is not None:
        residuals = sighting.pairing.triangulation.residuals_px[view]
        scores /= 1.0 + (residuals / (_DISAGREEMENT * detection.size_px)) ** 2
    edge = np.array([camera.width, camera.height]) - 0.5
    inside = ((detection.keypoints_px > -0.5) & (detection.keypoints_px < edge)).all(axis=1)
    scored: FloatArray = np.clip(np.where(inside, scores, _OUTSIDE * scores), 0.0, 1.0)
    return scored


def _in_sight(keypoints_px: FloatArray, camera: PinholeCamera) -> bool:
    """Return whether enough of the keypoints' box lies in the image."""
    if not np.isfinite(keypoints_px).all():
        return False
    low, high = keypoints_px.min(axis=0), keypoints_px.max(axis=0)
    inside = np.minimum(high, [camera.width, camera.height]) - np.maximum(low, 0.0)
    share = np.maximum(inside, 0.0) / np.maximum(high - low, 1.0)
    return bool(share.prod() >= _LEAST_SHARE_INSIDE)


def _crop(image: ViewImage, affine: FloatArray, size: int) -> NDArray[np.uint8]:
    if image.lens is not None:
        return to_bgr(image.lens.crop_image(image.pixels, affine, size))
    return to_bgr(crop_image(image.pixels, affine, size))
