"""
An outside judge of synthetic pictures: MediaPipe Hands, which has only ever seen real hands.

If it finds the synthetic hand where it is, the picture has what a real one has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import mediapipe
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.synthesis.config import ViewMix
from realhands_ros.synthesis.sample import StereoSample

FloatArray = NDArray[np.float64]

# A detection farther from the truth than this, in hand sizes, is of something else.
_SAME_HAND = 0.5
# A hand counts for the detection rate when this share of its keypoints is visible.
VISIBLE_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Verdict:
    """
    What the judge says of one picture.

    ``error`` is the median distance of its keypoints to the true ones, in hand sizes (the longer
    side of the true keypoints' box), nan where it found no hand there.
    """

    view_mix: ViewMix
    visible_share: float
    error: float

    @property
    def is_detected(self) -> bool:
        """Return whether the judge found the hand."""
        return bool(np.isfinite(self.error))

    @property
    def counts(self) -> bool:
        """Return whether enough of the hand is visible to expect a detection."""
        return self.visible_share >= VISIBLE_SHARE


@dataclass(frozen=True)
class Judgement:
    """Rates over many pictures: how many were expected and found, and the median error."""

    expected: int
    detected: int
    median_error: float

    @property
    def detection_rate(self) -> float:
        """Return the share of the expected hands that was found."""
        return self.detected / max(self.expected, 1)


def judge(samples: Iterable[StereoSample]) -> list[Verdict]:
    """Show the left picture of each sample to MediaPipe Hands, as a still image."""
    verdicts = []
    with mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=2) as hands:
        for sample in samples:
            found = hands.process(np.ascontiguousarray(sample.images[0]))
            truth = sample.keypoints_px[0]
            size = float(np.ptp(truth, axis=0).max())
            height, width = sample.images[0].shape[:2]
            errors = [
                float(np.median(np.linalg.norm(_pixels(hand, width, height) - truth, axis=1)))
                for hand in found.multi_hand_landmarks or []
            ]
            best = min(errors, default=np.inf) / size
            verdicts.append(
                Verdict(
                    sample.view_mix,
                    float(sample.keypoints_visible[0].mean()),
                    best if best < _SAME_HAND else np.nan,
                )
            )
    return verdicts


def summarize(verdicts: Iterable[Verdict]) -> Judgement:
    """Return the rates over the hands that are visible enough."""
    counted = [verdict for verdict in verdicts if verdict.counts]
    errors = [verdict.error for verdict in counted if verdict.is_detected]
    return Judgement(len(counted), len(errors), float(np.median(errors)) if errors else np.nan)


def _pixels(hand: object, width: int, height: int) -> FloatArray:
    """Return MediaPipe's landmarks in pixels (21, 2); its x = 0 is the image's left edge."""
    landmarks = hand.landmark  # type: ignore[attr-defined]
    points = np.array([[point.x * width, point.y * height] for point in landmarks])
    return np.asarray(points[:NUM_KEYPOINTS] - 0.5)
