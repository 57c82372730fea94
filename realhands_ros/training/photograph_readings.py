"""
Hands of a photograph as MediaPipe reads them again and again.

One reading is noisy, and wrong now and then. What the landmark model says of the mirror image, and
of regions that are turned, larger or smaller, errs in other ways: the mean of such readings is
better than each, and where they differ the hand is not understood.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.mirror import mirror_pixels, mirror_points
from realhands_ros.keypoints.detection import HandDetection, ViewImage, box_size
from realhands_ros.keypoints.mediapipe_detector import MediaPipeDetector

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

_MOST_HANDS = 8
_LEAST_PALM, _LEAST_PRESENCE = 0.3, 0.5
# Border around a picture in which no hand is found, share of its longer side.
_BORDER = 0.33
# Mirrored or not, turned by degrees, scaled: how the region differs from the first reading's.
_REPEATS = (
    (True, 0.0, 1.0),
    (False, 12.0, 0.9),
    (True, -12.0, 0.9),
    (False, -8.0, 1.15),
    (True, 8.0, 1.15),
)


@dataclass(frozen=True, eq=False)
class HandReadings:
    """
    One hand, read several times.

    ``first`` is the reading of the picture as it is; ``marked_px`` (21, 2) and ``world`` (21, 3)
    are means. ``spread`` is the median over keypoints of the readings' mean distance from their
    mean, as a share of the hand's box; NaN for ``missed``, when fewer than three saw a hand.
    ``right`` is the mean probability of a right hand, ``sides_agree`` whether all say the same.
    """

    first: HandDetection
    marked_px: FloatArray
    world: FloatArray
    spread: float
    right: float
    sides_agree: bool

    @property
    def handedness(self) -> Handedness:
        """Return the likelier side."""
        return 'right' if self.right > 0.5 else 'left'

    @property
    def size_px(self) -> float:
        """Return the longer side of the keypoints' box."""
        return box_size(self.marked_px)

    @property
    def missed(self) -> bool:
        """Return whether most of the repeated readings saw no hand."""
        return not np.isfinite(self.spread)


class PhotographReader:
    """Reads all hands of single pictures."""

    def __init__(self) -> None:
        """Load MediaPipe's models; ConfigError when they are missing."""
        self._finder = MediaPipeDetector(
            max_hands=_MOST_HANDS,
            detection_confidence=_LEAST_PALM,
            tracking_confidence=_LEAST_PRESENCE,
            still_images=True,
        )
        self._reader = MediaPipeDetector(max_hands=1, tracking_confidence=_LEAST_PRESENCE)

    def __call__(self, picture: Image) -> list[HandReadings]:
        """Return the hands of a picture (H, W, 3), BGR."""
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        found = self._finder.detect(ViewImage(picture)) or self._find_large(picture)
        return [self._read_again(picture, mirrored, hand) for hand in found]

    def close(self) -> None:
        """Free the models."""
        self._finder.close()
        self._reader.close()

    def _find_large(self, picture: Image) -> list[HandDetection]:
        """
        Return the hands of a picture in which a first search found none.

        A palm that fills the picture is too large for the palm model, which finds it with more
        around it.
        """
        border = round(_BORDER * max(picture.shape[:2]))
        wide = cv2.copyMakeBorder(picture, *(border,) * 4, cv2.BORDER_REPLICATE)
        found = self._finder.detect(ViewImage(np.asarray(wide, dtype=np.uint8)))
        return [replace(hand, keypoints_px=hand.keypoints_px - border) for hand in found]

    def _read_again(self, picture: Image, mirrored: Image, first: HandDetection) -> HandReadings:
        width = picture.shape[1]
        pixels, worlds, rights = [first.keypoints_px], [first.world], [first.right]
        for in_mirror, turn_deg, scale in _REPEATS:
            expected = _changed(first.keypoints_px, np.deg2rad(turn_deg), scale)
            image = ViewImage(mirrored if in_mirror else picture)
            if in_mirror:
                expected = mirror_pixels(expected, width)
            found = self._reader.detect(image, [expected], search=False)
            if not found:
                continue
            again = found[0]
            pixels.append(
                mirror_pixels(again.keypoints_px, width) if in_mirror else again.keypoints_px
            )
            worlds.append(mirror_points(again.world) if in_mirror else again.world)
            rights.append(1.0 - again.right if in_mirror else again.right)
        mean = np.mean(pixels, axis=0)
        off = np.linalg.norm(np.array(pixels) - mean, axis=2).mean(axis=0)
        is_read = len(pixels) > len(_REPEATS) / 2
        sides = np.array(rights) > 0.5
        return HandReadings(
            first=first,
            marked_px=mean,
            world=np.mean([world - world.mean(axis=0) for world in worlds], axis=0),
            spread=float(np.median(off)) / box_size(mean) if is_read else float('nan'),
            right=float(np.mean(rights)),
            sides_agree=bool(sides.all() or not sides.any()),
        )


def _changed(keypoints_px: FloatArray, turn: float, scale: float) -> FloatArray:
    """Return keypoints (21, 2) turned by radians and scaled about their middle."""
    middle = 0.5 * (keypoints_px.min(axis=0) + keypoints_px.max(axis=0))
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    turned = (keypoints_px - middle) @ np.array([[cosine, sine], [-sine, cosine]])
    changed: FloatArray = turned + middle
    return changed
