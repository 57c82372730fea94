"""The hands of one instant: which detection of the left view and which of the right are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.optimize import linear_sum_assignment

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.keypoints.detection import HandDetection
from realhands_ros.keypoints.two_view import Pairing, pair

# More than any sum of possible costs, so that an impossible pair never displaces a possible one.
IMPOSSIBLE = 1e6


@dataclass(frozen=True, eq=False)
class Sighting:
    """
    One hand at one instant: ``views`` holds its detection in each view, None where it is not seen.

    ``pairing`` says how two detections go together; None with fewer.
    """

    views: tuple[HandDetection | None, ...]
    pairing: Pairing | None = None

    @property
    def detections(self) -> list[HandDetection]:
        """Return the detections there are, at least one."""
        return [detection for detection in self.views if detection is not None]

    @property
    def presence(self) -> float:
        """Return the confidence in [0, 1] that this is a hand: that of the surer view."""
        return max(detection.presence for detection in self.detections)

    @property
    def right(self) -> float:
        """Return the probability that it is a right hand: the views' mean."""
        return fmean(detection.right for detection in self.detections)


@dataclass(frozen=True, eq=False)
class Sightings:
    """
    All hands of one instant.

    ``look_swapped``: whether views fit together only with left and right exchanged.
    """

    hands: tuple[Sighting, ...]
    look_swapped: bool = False


def match_views(
    detections: Sequence[Sequence[HandDetection]], cameras: Sequence[PinholeCamera]
) -> Sightings:
    """
    Match the detections of each view by epipolar geometry, size and handedness.

    What has no partner in the other view is a hand of its own.
    """
    if len(cameras) == 1:
        return Sightings(tuple(Sighting((detection,)) for detection in detections[0]))
    lefts, rights = detections
    pairings = [[pair(cameras, left, right) for right in rights] for left in lefts]
    costs = np.full((len(lefts), len(rights)), IMPOSSIBLE)
    for row, column in np.ndindex(*costs.shape):
        if pairings[row][column].is_one_hand:
            sides = abs(lefts[row].right - rights[column].right)
            costs[row, column] = pairings[row][column].cost + sides
    matched = [
        (row, column)
        for row, column in zip(*linear_sum_assignment(costs), strict=True)
        if costs[row, column] < IMPOSSIBLE
    ]
    hands = [Sighting((lefts[row], rights[col]), pairings[row][col]) for row, col in matched]
    paired = ({row for row, _ in matched}, {column for _, column in matched})
    hands += [Sighting((hand, None)) for i, hand in enumerate(lefts) if i not in paired[0]]
    hands += [Sighting((None, hand)) for i, hand in enumerate(rights) if i not in paired[1]]
    swapped = any(fit.is_swapped for row in pairings for fit in row)
    return Sightings(tuple(hands), look_swapped=swapped and not matched)
