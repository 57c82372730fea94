"""Hands in one camera's images by MediaPipe's Tasks API, with a model file of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import to_rgb
from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.detection import HandDetection, ViewImage

# The landmarker wants a clock that never goes back; how fast it runs does not matter to it.
_FRAME_MS = 33
_CORNER_PX = 0.5


class TasksDetector:
    """
    MediaPipe's HandLandmarker in its video mode.

    For releases of mediapipe without models in the wheel. It follows hands by itself, so what is
    expected where is of no use to it, and it cannot be told where the other camera sees a hand.
    """

    def __init__(
        self,
        task_file: Path,
        *,
        max_hands: int = 2,
        detection_confidence: float = 0.5,
        tracking_confidence: float = 0.5,
    ) -> None:
        """Load ``hand_landmarker.task``; ConfigError when it is missing or no such model."""
        if not task_file.is_file():
            message = (
                f'task_file {task_file} does not exist: download hand_landmarker.task from '
                "MediaPipe's page on hand landmark detection, or leave task_file empty"
            )
            raise ConfigError(message)
        from mediapipe.tasks.python import BaseOptions, vision

        self._options = vision.HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task_file)),
            running_mode=vision.RunningMode.VIDEO,
            num_hands=max_hands,
            min_hand_detection_confidence=detection_confidence,
            min_hand_presence_confidence=tracking_confidence,
            min_tracking_confidence=tracking_confidence,
        )
        self._landmarker: Any = None
        self._time_ms = 0
        try:
            self.reset()
        except (RuntimeError, ValueError) as error:
            message = f'task_file {task_file} is no hand landmarker ({error})'
            raise ConfigError(message) from error

    def detect(
        self, image: ViewImage, expected: Sequence[FloatArray] = (), *, search: bool = True
    ) -> list[HandDetection]:
        """Return the hands in an image; ``expected`` and ``search`` are ignored."""
        import mediapipe

        self._time_ms += _FRAME_MS
        rgb = mediapipe.Image(mediapipe.ImageFormat.SRGB, to_rgb(image.pixels))
        result = self._landmarker.detect_for_video(rgb, self._time_ms)
        found = zip(
            result.hand_landmarks, result.hand_world_landmarks, result.handedness, strict=True
        )
        return [_detection(image, *hand) for hand in found]

    def look_ahead(self, image: ViewImage) -> None:
        """Do nothing: the landmarker searches by itself."""

    def reset(self) -> None:
        """Forget the hands of earlier images."""
        from mediapipe.tasks.python import vision

        self.close()
        self._landmarker = vision.HandLandmarker.create_from_options(self._options)

    def close(self) -> None:
        """Free the models."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None


def _detection(image: ViewImage, landmarks: Any, world: Any, sides: Any) -> HandDetection:
    width, height = image.size
    relative = np.array([[point.x, point.y] for point in landmarks])
    keypoints_px = relative * [width, height] - _CORNER_PX
    if image.lens is not None:
        keypoints_px = image.lens.undistort(keypoints_px)
    score = float(sides[0].score)
    # Releases differ in what they call the two classes (0.10.0 means a mirror image, 0.10.21 does
    # not); the model's first class is the right hand of an image that is not mirrored.
    right = score if sides[0].index == 0 else 1.0 - score
    return HandDetection(
        keypoints_px=keypoints_px,
        world=np.array([[point.x, point.y, point.z] for point in world]),
        # It tells no other confidence.
        presence=score,
        right=right,
    )
