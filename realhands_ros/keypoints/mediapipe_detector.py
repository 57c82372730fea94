"""Hands in one camera's images: MediaPipe's models, looking where a hand is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import to_rgb
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.keypoints.detection import HandDetection, ViewImage
from realhands_ros.keypoints.mediapipe_models import (
    LANDMARK_INPUT_SIZE,
    PALM_INPUT_SIZE,
    LandmarkModel,
    Palm,
    PalmModel,
)

# Which upright square of an image the landmark model looks at, after MediaPipe's own scheme.
#
# The square is turned so that the line from the wrist to the middle finger points up, and is
# larger than what is known of the hand: 2.6 palms, moved by half a palm towards the fingers,
# around a palm (Zhang et al., "MediaPipe Hands: On-device real-time hand tracking", 2020); twice
# the box of the palm's keypoints, moved by a tenth, around keypoints of the last frame.


_PALM_SCALE, _PALM_SHIFT = 2.6, 0.5
_KEYPOINTS_SCALE, _KEYPOINTS_SHIFT = 2.0, 0.1
# Wrist and base of the middle finger among the palm model's keypoints.
_PALM_WRIST, _PALM_MIDDLE = 0, 2
# Without the tips the box stays calm while the fingers bend.
_STEADY_KEYPOINTS = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])
_PICTURE_CENTRE = LANDMARK_INPUT_SIZE / 2
_WRIST, _INDEX_MCP, _MIDDLE_MCP, _RING_MCP = 0, 5, 9, 13


@dataclass(frozen=True, eq=False)
class Region:
    """
    A turned square of an image: ``centre`` (2,) and ``side`` in pixels, ``angle`` in radians.

    The square's upward direction is (sin angle, -cos angle) in the image.
    """

    centre: FloatArray
    side: float
    angle: float

    @property
    def affine(self) -> FloatArray:
        """Return the affine (2, 3) from image pixels to those of the landmark model's picture."""
        scale, (x, y) = LANDMARK_INPUT_SIZE / self.side, self.centre
        cosine, sine = scale * math.cos(self.angle), scale * math.sin(self.angle)
        # MediaPipe lays the picture's corner on the square's, not the centres of their pixels.
        return np.array([
            [cosine, sine, _PICTURE_CENTRE - cosine * x - sine * y],
            [-sine, cosine, _PICTURE_CENTRE + sine * x - cosine * y],
        ])  # fmt: skip

    def to_image(self, points: ArrayLike) -> FloatArray:
        """Take pixels (N, 2) of the landmark model's picture to the image."""
        from_centre = self.side / LANDMARK_INPUT_SIZE * (np.asarray(points) - _PICTURE_CENTRE)
        pixels: FloatArray = from_centre @ _upright(self.angle) + self.centre
        return pixels

    def turned_to_image(self, vectors: ArrayLike) -> FloatArray:
        """Take vectors (N, 3) from the axes of the picture to those of the image."""
        turned = np.array(vectors, dtype=np.float64)
        turned[:, :2] = turned[:, :2] @ _upright(self.angle)
        return turned


def region_of_palm(palm: Palm) -> Region:
    """Return the region of the hand whose palm is given in image pixels."""
    angle = _upward_angle(palm.keypoints[_PALM_MIDDLE] - palm.keypoints[_PALM_WRIST])
    size = palm.box[1] - palm.box[0]
    return _enlarged(palm.box.mean(axis=0), size, angle, _PALM_SCALE, _PALM_SHIFT)


def region_of_keypoints(keypoints_px: ArrayLike) -> Region:
    """Return the region of a hand whose keypoints (21, 2) are (about) known; all finite."""
    keypoints = np.asarray(keypoints_px, dtype=np.float64)
    outer = 0.5 * (keypoints[_INDEX_MCP] + keypoints[_RING_MCP])
    knuckles = 0.5 * (outer + keypoints[_MIDDLE_MCP])
    angle = _upward_angle(knuckles - keypoints[_WRIST])
    upright = _upright(angle)
    steady = keypoints[_STEADY_KEYPOINTS] @ upright.T
    low, high = steady.min(axis=0), steady.max(axis=0)
    centre = upright.T @ (0.5 * (low + high))
    return _enlarged(centre, high - low, angle, _KEYPOINTS_SCALE, _KEYPOINTS_SHIFT)


def _enlarged(
    centre: FloatArray, size: FloatArray, angle: float, scale: float, shift: float
) -> Region:
    towards_fingers = np.array([math.sin(angle), -math.cos(angle)])
    moved = centre + shift * float(size[1]) * towards_fingers
    return Region(moved, max(scale * float(size.max()), 1.0), angle)


def _upward_angle(direction: FloatArray) -> float:
    return math.atan2(direction[0], -direction[1])


def _upright(angle: float) -> FloatArray:
    """Return the rotation (2, 2) of a square at ``angle`` to an upright one."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


Image = NDArray[np.uint8]

# Two detections whose keypoints are this near, in hand sizes, are one hand.
_SAME_HAND = 0.3
# MediaPipe counts pixels from the image's corner, we from the centre of its first pixel.
_CORNER_PX = 0.5
# A region with less of its area than this in the image shows no hand worth looking at.
_LEAST_SHARE_INSIDE = 0.25
# An image longer than it is wide by less than this is searched as a whole only.
_LEAST_REST = 0.2
# A palm that fills the image is larger than those the palm model has learnt: within a border of
# this share of the longer side it is not.
_BORDER = 1 / 3


class Part(NamedTuple):
    """A rectangle of an image, in pixels; it may reach beyond the image on all sides."""

    left: int
    top: int
    width: int
    height: int


class MediaPipeDetector:
    """MediaPipe Hands with the models of its wheel."""

    def __init__(
        self,
        *,
        max_hands: int = 2,
        complexity: int = 1,
        detection_confidence: float = 0.5,
        tracking_confidence: float = 0.5,
        still_images: bool = False,
    ) -> None:
        """
        Load the models; ConfigError when they are missing.

        In a film one part of each image is searched, the parts in turns; with ``still_images`` all
        parts, and every hand that is found is looked at once more from nearby.
        """
        self._max_hands = max_hands
        self._still_images = still_images
        self._least_presence = tracking_confidence
        self._palms = PalmModel(complexity, detection_confidence)
        self._landmarks = LandmarkModel(complexity)
        self._searches = 0
        self._found: list[HandDetection] = []
        self._candidates: list[Region] = []

    def detect(
        self, image: ViewImage, expected: Sequence[FloatArray] = (), *, search: bool = True
    ) -> list[HandDetection]:
        """Return the hands at ``expected`` and, with ``search``, others: see ViewDetector."""
        found: list[HandDetection] = []
        candidates, self._candidates = self._candidates, []
        for keypoints_px in expected:
            self._look(image, region_of_keypoints(keypoints_px), found)
        for region in candidates:
            if len(found) < self._max_hands:
                self._look(image, region, found)
        for part in self._parts(image) if search else ():
            if len(found) >= self._max_hands:
                break
            self._search(image, part, found)
        if self._still_images:
            for hand in list(found):
                self._look(image, region_of_keypoints(hand.keypoints_px), found)
        self._found = found
        return found

    def look_ahead(self, image: ViewImage) -> None:
        """Note where palms are that belong to no hand found last: see ViewDetector."""
        if len(self._found) >= self._max_hands:
            return
        for part in self._parts(image):
            new = [
                palm for palm in self._palms_in(image, part) if not _is_taken(palm, self._found)
            ]
            self._candidates += [region_of_palm(palm) for palm in new]

    def reset(self) -> None:
        """Begin the search with the whole image again."""
        self._searches = 0
        self._found, self._candidates = [], []

    def close(self) -> None:
        """Free the models."""
        self._palms.close()
        self._landmarks.close()

    def _look(self, image: ViewImage, region: Region, found: list[HandDetection]) -> None:
        """Add the hand in a region, if there is one that is not found yet."""
        if _share_inside(region, image.size) < _LEAST_SHARE_INSIDE:
            return
        reading = self._landmarks(_picture(image, region))
        if reading.presence < self._least_presence:
            return
        detection = HandDetection(
            keypoints_px=region.to_image(reading.points) - _CORNER_PX,
            world=region.turned_to_image(reading.world),
            presence=reading.presence,
            right=reading.right,
        )
        for number, other in enumerate(found):
            if is_same_hand(detection, other):
                if detection.presence > other.presence:
                    found[number] = detection
                return
        found.append(detection)

    def _parts(self, image: ViewImage) -> list[Part]:
        """Return the parts of the image to be searched now."""
        parts = search_parts(image.size)
        if self._still_images:
            return parts
        self._searches += 1
        return [parts[(self._searches - 1) % len(parts)]]

    def _search(self, image: ViewImage, part: Part, found: list[HandDetection]) -> None:
        """Add the hands whose palms are found in a part of the image."""
        for palm in self._palms_in(image, part):
            if len(found) < self._max_hands and not _is_taken(palm, found):
                self._look(image, region_of_palm(palm), found)

    def _palms_in(self, image: ViewImage, part: Part) -> list[Palm]:
        """Return the palms in a part of the image, in pixels of the pinhole camera."""
        picture, affine = _letterbox(image.pixels, part)
        palms = []
        for palm in self._palms(picture):
            corners = np.concatenate([palm.box, palm.keypoints]) * PALM_INPUT_SIZE
            pixels = apply_affine(cv2.invertAffineTransform(affine), corners)
            if image.lens is not None:
                pixels = image.lens.undistort(pixels)
            palms.append(Palm(pixels[:2], pixels[2:], palm.score))
        return palms


def search_parts(size: tuple[int, int]) -> list[Part]:
    """
    Return the parts of an image of ``size`` (width, height) in which palms are looked for.

    The whole, then squares as high (wide) as it, each of which shares half of its area with the
    next: at the model's 192 pixels the palm of an arm's length away is lost in a wide image. The
    last part is the image within a border, for a hand that fills it.
    """
    width, height = size
    side = min(width, height)
    rest = max(width, height) - side
    border = round(_BORDER * max(width, height))
    whole = Part(0, 0, width, height)
    around = Part(-border, -border, width + 2 * border, height + 2 * border)
    if rest < _LEAST_REST * side:
        return [whole, around]
    steps = int(np.ceil(2 * rest / side))
    starts = [round(rest * step / steps) for step in range(steps + 1)]
    if width > height:
        return [whole, *(Part(start, 0, side, side) for start in starts), around]
    return [whole, *(Part(0, start, side, side) for start in starts), around]


def is_same_hand(one: HandDetection, other: HandDetection) -> bool:
    """Return whether two detections in one image are of the same hand."""
    distance = np.linalg.norm(one.keypoints_px - other.keypoints_px, axis=1).mean()
    return bool(distance < _SAME_HAND * max(one.size_px, other.size_px))


def _is_taken(palm: Palm, found: Sequence[HandDetection]) -> bool:
    """Return whether a palm belongs to a hand that is known already."""
    centre = palm.box.mean(axis=0)
    return any(
        ((centre > hand.keypoints_px.min(axis=0)) & (centre < hand.keypoints_px.max(axis=0))).all()
        for hand in found
    )


def _picture(image: ViewImage, region: Region) -> Image:
    """Cut the landmark model's picture (224, 224, 3) RGB out of an image."""
    size = (LANDMARK_INPUT_SIZE, LANDMARK_INPUT_SIZE)
    border = cv2.BORDER_REPLICATE
    if image.lens is not None:
        cut = image.lens.crop_image(image.pixels, region.affine, size[0], border=border)
    else:
        cut = np.asarray(cv2.warpAffine(image.pixels, region.affine, size, borderMode=border))
    return to_rgb(cut)


def _letterbox(pixels: Image, part: Part) -> tuple[Image, FloatArray]:
    """
    Return a part of an image in the palm model's picture, RGB, and the affine (2, 3) to it.

    Where the part reaches beyond the image, the image's edge is repeated.
    """
    if part.left < 0:
        return _letterbox_with_border(pixels, part)
    scale = PALM_INPUT_SIZE / max(part.width, part.height)
    width, height = (max(1, round(scale * side)) for side in (part.width, part.height))
    cut = pixels[part.top : part.top + part.height, part.left : part.left + part.width]
    small = to_rgb(np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)))
    left, top = (PALM_INPUT_SIZE - width) // 2, (PALM_INPUT_SIZE - height) // 2
    picture = np.zeros((PALM_INPUT_SIZE, PALM_INPUT_SIZE, 3), dtype=np.uint8)
    picture[top : top + height, left : left + width] = small
    x_scale, y_scale = width / part.width, height / part.height
    x_offset, y_offset = left - x_scale * part.left, top - y_scale * part.top
    return picture, np.array([[x_scale, 0.0, x_offset], [0.0, y_scale, y_offset]])


def _letterbox_with_border(pixels: Image, part: Part) -> tuple[Image, FloatArray]:
    height, width = pixels.shape[:2]
    scale = PALM_INPUT_SIZE / max(part.width, part.height)
    inner_width, inner_height = (max(1, round(scale * side)) for side in (width, height))
    small = to_rgb(
        np.asarray(cv2.resize(pixels, (inner_width, inner_height), interpolation=cv2.INTER_AREA))
    )
    left, top = (PALM_INPUT_SIZE - inner_width) // 2, (PALM_INPUT_SIZE - inner_height) // 2
    right, bottom = PALM_INPUT_SIZE - inner_width - left, PALM_INPUT_SIZE - inner_height - top
    picture = np.asarray(
        cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE), dtype=np.uint8
    )
    return picture, np.array([
        [inner_width / width, 0.0, left], [0.0, inner_height / height, top],
    ])  # fmt: skip


def _share_inside(region: Region, size: tuple[int, int]) -> float:
    """Return about which share of a region's area lies in an image of ``size``."""
    half, share = 0.5 * region.side, 1.0
    for centre, length in zip(region.centre.tolist(), size, strict=True):
        inside = min(centre + half, length) - max(centre - half, 0.0)
        share *= max(inside, 0.0) / region.side
    return share
