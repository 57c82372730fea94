"""
What MediaPipe finds in training images, kept beside the dataset.

A network that is trained on true keypoints trusts them too much. So the detector itself runs over
the images once; its findings feed the training directly, and a noise model is fitted to them for
images that were rendered a moment ago.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.errors import DatasetError
from realhands_ros.geometry.mirror import mirror_camera, mirror_pixels, mirror_points
from realhands_ros.keypoints.detection import ViewImage
from realhands_ros.keypoints.mediapipe_detector import MediaPipeDetector
from realhands_ros.training.hand_source import Detection, HandSample, HandSource, ViewSample
from realhands_ros.training.keypoint_noise import KeypointNoise

FloatArray = NDArray[np.float64]

# Of several hands in the image, the one whose keypoints are nearest to the true ones is meant, if
# it is no farther off than this share of the hand's box.
_OTHER_HAND = 0.35
_MOST_HANDS = 2


class Detector:
    """The keypoint stage's detector on single images; detection afresh in each of them."""

    def __init__(self) -> None:
        """Load the models out of the mediapipe wheel."""
        self._detector = MediaPipeDetector(
            max_hands=_MOST_HANDS, detection_confidence=0.3, still_images=True
        )

    def detect(self, image: NDArray[np.uint8], keypoints_px: FloatArray) -> Detection | None:
        """
        Return what is found of the hand at ``keypoints_px`` (21, 2), its true keypoints.

        ``image`` (H, W, 3) uint8 RGB. None when it is not found.
        """
        best: Detection | None = None
        least = _OTHER_HAND * float(np.ptp(keypoints_px, axis=0).max())
        for hand in self._detector.detect(ViewImage(image[..., ::-1])):
            distance = float(np.linalg.norm(hand.keypoints_px - keypoints_px, axis=1).mean())
            if distance < least:
                best, least = Detection(hand.keypoints_px, hand.world), distance
        return best

    def close(self) -> None:
        """Free the models."""
        self._detector.close()


class DetectedSource:
    """
    A source whose views carry the detections of a file made by write_detections.

    The file may end before the source does: the samples that follow have no detections.
    """

    def __init__(self, source: HandSource, path: Path | str) -> None:
        """Raise DatasetError when the file is missing, damaged or of another dataset."""
        self._source = source
        self._keypoints_px, self._world = read_detections(path)
        if len(self._keypoints_px) > len(source):
            message = (
                f'{path} holds detections of {len(self._keypoints_px)} samples, the dataset has '
                f'{len(source)}: make them again with `realhands train detect`'
            )
            raise DatasetError(message)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._source)

    def sample(self, index: int) -> HandSample:
        """Return sample ``index`` with its detections; missed hands have none."""
        sample = self._source.sample(index)
        if index >= len(self._keypoints_px):
            return sample
        views = []
        for eye, view in enumerate(sample.views):
            keypoints_px = self._keypoints_px[index, eye].astype(np.float64)
            world = self._world[index, eye].astype(np.float64)
            found = np.isfinite(keypoints_px).all()
            views.append(
                replace(view, detection=Detection(keypoints_px, world) if found else None)
            )
        return replace(sample, views=tuple(views))


def write_detections(source: HandSource, path: Path | str, samples: int | None = None) -> None:
    """Run the detector over the views of the first ``samples`` (None: all) and write its finds."""
    count = min(len(source), samples or len(source))
    detector = Detector()
    keypoints_px = np.full((count, 2, NUM_KEYPOINTS, 2), np.nan, dtype=np.float32)
    world = np.full((count, 2, NUM_KEYPOINTS, 3), np.nan, dtype=np.float32)
    try:
        for index in tqdm(range(count), unit='sample', dynamic_ncols=True):
            sample = source.sample(index)
            for eye, view in enumerate(sample.views):
                found = detector.detect(view.image, view.camera.project(sample.keypoints))
                if found is not None:
                    keypoints_px[index, eye] = found.keypoints_px
                    world[index, eye] = found.world
    finally:
        detector.close()
    path = Path(path)
    partial = path.with_name(path.name + '.partial')
    with partial.open('wb') as file:
        np.savez_compressed(file, keypoints_px=keypoints_px, world=world)
    partial.replace(path)


def read_detections(path: Path | str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return keypoints (N, 2, 21, 2) and world landmarks (N, 2, 21, 3), NaN for missed hands."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive['keypoints_px'], archive['world']
    except (OSError, EOFError, KeyError, ValueError) as error:
        message = f'{path} holds no detections ({error}): make them with `realhands train detect`'
        raise DatasetError(message) from error


def fit_noise(source: HandSource, path: Path | str) -> KeypointNoise:
    """Fit the noise model to the detections of a source, as far as they go."""
    detected_px, detected_world = read_detections(path)
    columns: list[tuple[FloatArray, ...]] = []
    for index in range(len(detected_px)):
        sample = source.sample(index)
        for eye, view in enumerate(sample.views):
            found = (detected_px[index, eye], detected_world[index, eye])
            columns.append(_as_right_hand(sample, view, *found))
    return KeypointNoise.fit(*(np.stack(column) for column in zip(*columns, strict=True)))


def _as_right_hand(
    sample: HandSample,
    view: ViewSample,
    detected_px: NDArray[np.float32],
    detected_world: NDArray[np.float32],
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return true and detected keypoints of one view, mirrored for a left hand."""
    camera, keypoints = view.camera, sample.keypoints
    if sample.handedness == 'left':
        camera, keypoints = mirror_camera(camera), mirror_points(keypoints)
        detected_px = mirror_pixels(detected_px, camera.width)
        detected_world = mirror_points(detected_world)
    return (
        camera.project(keypoints),
        camera.to_camera(keypoints),
        detected_px.astype(np.float64),
        detected_world.astype(np.float64),
    )
