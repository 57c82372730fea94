"""
Masks of hands in photographs, where three independent cues agree.

GrabCut (Rother et al., 2004) knows the colours of this hand and of what surrounds it; MediaPipe's
selfie segmentation knows people, but neither where a hand ends nor whose it is; the silhouette of
the hand model laid on the keypoints knows the hand, but not its outline to the pixel. A pixel is
hand where all three say so, the silhouette with a margin; it is none where colour and silhouette,
or silhouette by a wide margin, say so; elsewhere it is unknown. The mask ends where the model's
mesh does, at the wrist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import KEYPOINT_PARENTS
from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.detection import box_size
from realhands_ros.keypoints.mediapipe_models import UNUSABLE
from realhands_ros.training.photographs import UNKNOWN

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Shares of the hand's box: a bone seed's thickness; how far colour may leave the silhouette and be
# believed; how far around it is looked at; half the width of what is unknown at the mesh's end;
# and the rim in which colour and silhouette may differ without disagreeing.
_BONE = 0.045
_MARGIN = 0.05
_SURROUNDINGS = 0.2
_WRIST_BAND = 0.05
_RIM = 0.025
_GRABCUT_SIDE = 200
_ITERATIONS = 4
# Below and above these, selfie segmentation is sure.
_NO_PERSON, _PERSON = 0.2, 0.5
# When it sees a person in less of what is hand by colour, it has overlooked the hand.
_OVERLOOKED = 0.6
_PALM = (0, 1, 5, 9, 13, 17)


@dataclass(frozen=True, eq=False)
class CuedMask:
    """
    A mask (H, W) of 0, 255 and UNKNOWN, and how its cues agree.

    ``agreement`` of colour and silhouette: one less the pixels, as a share of the silhouette, in
    which they differ by more than a rim; ``person``: share of what is hand by colour that selfie
    segmentation calls a person; ``unknown``: unknown pixels as a share of the hand's;
    ``uncovered``: share of the silhouette that shows neither the hand's colour nor a person.
    """

    mask: Image
    agreement: float
    person: float
    unknown: float
    uncovered: float


class PersonSegmentation:
    """MediaPipe's selfie segmentation."""

    def __init__(self) -> None:
        """Load it out of the wheel; ConfigError when it cannot be used."""
        try:
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation
        except ImportError as error:
            raise ConfigError(UNUSABLE.format(error=error)) from error
        self._segmentation: Any = SelfieSegmentation(model_selection=0)

    def __call__(self, picture: Image) -> NDArray[np.float32]:
        """Return the probability (H, W) of a person for a picture (H, W, 3), BGR."""
        found = self._segmentation.process(np.ascontiguousarray(picture[..., ::-1]))
        return np.asarray(found.segmentation_mask, dtype=np.float32)

    def close(self) -> None:
        """Free the model."""
        self._segmentation.close()


def cued_mask(
    crop: Image,
    silhouette: Mask,
    keypoints_px: FloatArray,
    wrist_px: FloatArray,
    person: NDArray[np.float32],
    in_picture: Mask,
) -> CuedMask:
    """
    Return the mask of the hand in a crop (H, W, 3), BGR.

    ``silhouette`` (H, W): the laid model's; ``keypoints_px`` (21, 2): those read; ``wrist_px``
    (2, 2): middle of the mesh's open end, and a point farther along the forearm; ``person``
    (H, W): selfie segmentation; ``in_picture`` (H, W): what is no border around the photograph.
    """
    size = box_size(keypoints_px)
    silhouette = silhouette & in_picture
    outside, inside = _distance(~silhouette) / size, _distance(silhouette) / size
    seeds = _seeds(silhouette, outside, keypoints_px, size)
    seeds[~in_picture] = cv2.GC_BGD
    around = _box_of((outside < 1.3 * _SURROUNDINGS) & in_picture)
    colour = np.zeros_like(silhouette)
    colour[around] = _grabcut(crop[around], seeds[around])
    beyond = _beyond_wrist(silhouette.shape, wrist_px) / size
    arm = ~silhouette & (beyond > 0)
    colour &= ~arm
    seen = float((person[colour] > _PERSON).mean()) if colour.any() else 0.0
    is_person, is_none = person > _PERSON, person < _NO_PERSON
    if seen < _OVERLOOKED:
        is_person, is_none = np.ones_like(silhouette), np.zeros_like(silhouette)
    hand = colour & (outside < _MARGIN) & is_person
    none = (~colour & ~silhouette) | (outside > _SURROUNDINGS) | (arm & (beyond > _WRIST_BAND))
    # Inside of the silhouette colours may mislead (nails, rings, light), at its rim less so.
    none |= ~colour & (is_none | (inside < _MARGIN))
    # Where the hand's colour goes on far beyond the silhouette, its edge is not the hand's.
    leak = colour & (outside > _MARGIN) & (outside <= _SURROUNDINGS)
    from_leak = _distance(~leak) / size if leak.any() else np.full(leak.shape, np.inf)
    unknown = (colour & (outside > 0) & (from_leak < 1.5 * _MARGIN)) | ~(hand | none)
    unknown |= (np.abs(beyond) < _WRIST_BAND) & (outside < _MARGIN)
    unknown &= in_picture
    mask = np.where(hand, 255, 0).astype(np.uint8)
    mask[unknown] = UNKNOWN
    area = max(int((silhouette & (beyond < 0)).sum()), 1)
    differ = (colour & (outside > _RIM)) | (silhouette & ~colour & (inside > _RIM))
    uncovered = silhouette & ~colour & ~(person > _PERSON) & (beyond < 0)
    return CuedMask(
        mask=mask,
        agreement=1.0 - float((differ & (beyond < 0)).sum()) / area,
        person=seen,
        unknown=float(unknown.sum() / max(hand.sum(), 1)),
        uncovered=float(uncovered.sum()) / area,
    )


def _seeds(silhouette: Mask, outside: FloatArray, keypoints_px: FloatArray, size: float) -> Image:
    """Return GrabCut's labels (H, W): bones are hand for sure, what is far away is none."""
    seeds = np.where(outside < _RIM, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[outside > _SURROUNDINGS] = cv2.GC_BGD
    bones = np.zeros_like(seeds)
    points = np.round(keypoints_px).astype(int)
    for child, parent in enumerate(KEYPOINT_PARENTS):
        if parent >= 0:
            start, end = (points[k].tolist() for k in (parent, child))
            cv2.line(bones, start, end, (1,), max(1, round(_BONE * size)))
    cv2.fillConvexPoly(bones, cv2.convexHull(points[list(_PALM)]), (1,))
    seeds[(bones > 0) & silhouette] = cv2.GC_FGD
    return seeds


def _grabcut(crop: Image, seeds: Image) -> Mask:
    """Return what GrabCut makes of seeds (H, W) in a crop (H, W, 3)."""
    height, width = seeds.shape
    scale = min(1.0, _GRABCUT_SIDE / max(height, width))
    small = (max(1, round(scale * width)), max(1, round(scale * height)))
    reduced = np.asarray(cv2.resize(crop, small, interpolation=cv2.INTER_AREA), np.uint8)
    labels = np.asarray(cv2.resize(seeds, small, interpolation=cv2.INTER_NEAREST), np.uint8)
    if not ((labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any()):
        return np.zeros(seeds.shape, dtype=np.bool_)
    # Its colour models begin at random.
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(reduced, labels, (0, 0, 1, 1), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    full = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 0.5)


def _box_of(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of a mask, at least one of each."""
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(places[0], places[-1] + 1) if len(places) else slice(0, 1))
    return spans[0], spans[1]


def _beyond_wrist(shape: tuple[int, ...], wrist_px: FloatArray) -> FloatArray:
    """Return how many pixels each pixel lies beyond the mesh's open end, towards the elbow."""
    direction = wrist_px[1] - wrist_px[0]
    direction = direction / max(float(np.linalg.norm(direction)), 1e-9)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    along = (columns - wrist_px[0, 0]) * direction[0] + (rows - wrist_px[0, 1]) * direction[1]
    return np.asarray(along, dtype=np.float64)


def _distance(mask: Mask) -> FloatArray:
    """Return the distance (H, W) in pixels of each pixel of ``mask`` from those that are not."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), np.float64)
