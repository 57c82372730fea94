"""Which of the hands in a frame is which of the hands known from before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.keypoints.detection import box_size
from realhands_ros.keypoints.hand_track import HandTrack
from realhands_ros.keypoints.sighting import IMPOSSIBLE, Sighting

# A sighting belongs to a hand that is expected within this many hand sizes of it.
_GATE = 0.7
# What the wrong side costs, in hand sizes.
_WRONG_SIDE = 0.35
# A hand that is lost for longer than this may come back anywhere, if it is of the same side.
_ANYWHERE_AFTER_S = 0.2
# After this long, even a hand nearby is another one if it is this surely (probability) of the
# other side.
_OTHER_SIDE_AFTER_S, _SURELY = 0.5, 0.85
# What coming back from anywhere costs: more than any sighting that is where it is expected.
_COME_BACK = 2.0
# A hand that has just begun gives way to one that is known for longer.
_YOUTH, _YOUNG_FRAMES = 0.1, 3


class HandTracker:
    """Keeps the hands in front of one rig apart over time."""

    def __init__(self, *, max_hands: int, keep_lost_s: float) -> None:
        """Begin without hands; a lost hand keeps its identity for ``keep_lost_s``."""
        self._max_hands = max_hands
        self._keep_lost_s = keep_lost_s
        self.tracks: list[HandTrack] = []

    def update(
        self, sightings: Sequence[Sighting], cameras: Sequence[PinholeCamera], stamp_ns: int
    ) -> int:
        """Tell the tracks what a frame shows; return how many sightings belong to none of them."""
        keep_ns = 1e9 * self._keep_lost_s
        self.tracks = [t for t in self.tracks if stamp_ns - t.last_seen_ns <= keep_ns]
        costs = np.full((len(self.tracks), len(sightings)), IMPOSSIBLE)
        for row, column in np.ndindex(*costs.shape):
            costs[row, column] = _cost(self.tracks[row], sightings[column], cameras, stamp_ns)
        unseen, unclaimed = set(range(len(self.tracks))), set(range(len(sightings)))
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            if costs[row, column] < IMPOSSIBLE:
                self.tracks[row].see(sightings[column], cameras, stamp_ns)
                unseen.remove(row)
                unclaimed.remove(column)
        for row in unseen:
            self.tracks[row].lose()
        rest = sorted((sightings[i] for i in unclaimed), key=lambda s: -s.presence)
        return len(rest) - self._begin(rest, cameras, stamp_ns)

    def reset(self) -> None:
        """Forget all hands."""
        self.tracks = []

    def _begin(
        self, sightings: Sequence[Sighting], cameras: Sequence[PinholeCamera], stamp_ns: int
    ) -> int:
        """Begin new hands and return how many."""
        begun = 0
        for sighting in sightings:
            seen = [track for track in self.tracks if track.sighting is not None]
            # A second look at a hand that is seen already, by views that do not fit together.
            doubtful = any(_distance(t, sighting, cameras, stamp_ns) < _GATE for t in seen)
            if doubtful or len(seen) >= self._max_hands:
                continue
            track = HandTrack(stamp_ns)
            track.see(sighting, cameras, stamp_ns)
            self.tracks.append(track)
            begun += 1
        return begun


def _cost(
    track: HandTrack, sighting: Sighting, cameras: Sequence[PinholeCamera], stamp_ns: int
) -> float:
    """Return how badly a sighting fits a track, in hand sizes; IMPOSSIBLE if not at all."""
    wrong_side = 1.0 - sighting.right if track.vote.handedness == 'right' else sighting.right
    youth = _YOUTH if track.frames_seen < _YOUNG_FRAMES else 0.0
    distance = _distance(track, sighting, cameras, stamp_ns)
    lost_s = 1e-9 * (stamp_ns - track.last_seen_ns)
    if distance < _GATE and (wrong_side < _SURELY or lost_s <= _OTHER_SIDE_AFTER_S):
        return distance + _WRONG_SIDE * wrong_side + youth
    if lost_s > _ANYWHERE_AFTER_S and wrong_side < 0.5:
        return _COME_BACK + lost_s
    return IMPOSSIBLE


def _distance(
    track: HandTrack, sighting: Sighting, cameras: Sequence[PinholeCamera], stamp_ns: int
) -> float:
    """Return how far a sighting is from where the track is expected, in hand sizes."""
    distances = []
    for detection, camera in zip(sighting.views, cameras, strict=True):
        expected = track.predicted_px(camera, stamp_ns)
        if detection is not None and expected is not None:
            away = np.linalg.norm(detection.keypoints_px - expected, axis=1).mean()
            distances.append(float(away) / max(detection.size_px, box_size(expected)))
    return max(distances, default=IMPOSSIBLE)
