"""Which of the hands in a frame is which of the hands known from before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.topology import Handedness
from realhands_ros.keypoints.detection import box_size
from realhands_ros.keypoints.hand_track import HandTrack
from realhands_ros.keypoints.sighting import IMPOSSIBLE, Sighting

# A sighting belongs to a hand that is expected within this many hand sizes of it.
_GATE = 0.7
# A hand that was lost may have gone this far meanwhile (hand sizes a second, about 3 m/s), and
# after a while anywhere.
_FASTEST = 16.0
_ANYWHERE_AFTER_S = 0.5
# It must not be surely of the other side where it is expected, nor rather of it elsewhere, unless
# it cannot be of it.
_SURELY, _RATHER = 0.85, 0.5
# Where it was this short a time ago there is no other hand, whatever it looks like.
_STILL_THERE_S = 0.5
# The distance from a place that nobody knows: farther than any, and still possible.
_UNKNOWN = 1e3
# What the wrong side costs, in hand sizes.
_WRONG_SIDE = 0.35
# A hand that has just begun gives way to one that is known for longer.
_YOUTH, _YOUNG_FRAMES = 0.1, 3

Cost = Callable[[HandTrack, Sighting], float]


class HandTracker:
    """Keeps the hands in front of one rig apart over time."""

    def __init__(self, *, max_hands: int, keep_lost_s: float, one_person: bool = False) -> None:
        """
        Begin without hands; a lost hand keeps its identity for ``keep_lost_s``.

        ``one_person``: no two hands are of the same side.
        """
        self._max_hands = max_hands
        self._keep_lost_s = keep_lost_s
        self._one_person = one_person
        self.tracks: list[HandTrack] = []

    def update(
        self, sightings: Sequence[Sighting], cameras: Sequence[PinholeCamera], stamp_ns: int
    ) -> int:
        """Tell the tracks what a frame shows; return how many sightings belong to none of them."""
        look = _Look(cameras, stamp_ns)
        keep_ns = 1e9 * self._keep_lost_s
        self.tracks = [t for t in self.tracks if stamp_ns - t.last_seen_ns <= keep_ns]
        seen = [track for track in self.tracks if track.sighting is not None]
        near = {track: [s for s in sightings if look.is_near(s, [track])] for track in seen}
        rest = self._assign(seen, sightings, look.cost_to_go_on, look)
        known = [track for track in seen if track.sighting is not None]

        def is_double(sighting: Sighting) -> bool:
            """Return whether it is one view's look at a known hand, unfit for the other's."""
            was_near = any(sighting in near[track] for track in known)
            return sighting.pairing is None and (was_near or look.is_near(sighting, known))

        rest = [sighting for sighting in rest if not is_double(sighting)]
        taken_sides = {track.handedness for track in known} if self._one_person else set()
        come_back = partial(look.cost_to_come_back, taken_sides)
        lost = [track for track in self.tracks if track.sighting is None]
        rest = self._assign(lost, rest, come_back, look)
        self._begin(rest, look)
        if self._one_person:
            _tell_sides_apart([track for track in self.tracks if track.sighting is not None])
        taken = sum(track.sighting is not None for track in self.tracks)
        return len(sightings) - taken

    def reset(self) -> None:
        """Forget all hands."""
        self.tracks = []

    def _assign(
        self,
        tracks: Sequence[HandTrack],
        sightings: Sequence[Sighting],
        cost: Cost,
        look: _Look,
    ) -> list[Sighting]:
        """Give sightings to tracks at the least total cost, and return the others."""
        costs = np.array([[cost(track, sighting) for sighting in sightings] for track in tracks])
        costs = costs.reshape(len(tracks), len(sightings))
        rest = list(sightings)
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            track, sighting = tracks[row], sightings[column]
            if costs[row, column] < IMPOSSIBLE:
                track.see(sighting, look.cameras, look.stamp_ns)
                rest.remove(sighting)
        for track in tracks:
            if track.last_seen_ns != look.stamp_ns:
                track.lose()
        return rest

    def _begin(self, sightings: Sequence[Sighting], look: _Look) -> None:
        """Begin new hands."""
        for sighting in sorted(sightings, key=lambda seen: -seen.presence):
            seen = [track for track in self.tracks if track.sighting is not None]
            if len(seen) < self._max_hands and not look.is_near(sighting, seen):
                track = HandTrack(look.stamp_ns)
                track.see(sighting, look.cameras, look.stamp_ns)
                self.tracks.append(track)


@dataclass(frozen=True)
class _Look:
    """One frame's cameras and stamp, and how tracks and sightings stand to each other in it."""

    cameras: Sequence[PinholeCamera]
    stamp_ns: int

    def cost_to_go_on(self, track: HandTrack, sighting: Sighting) -> float:
        """Return how badly a sighting fits a hand of the last frame; IMPOSSIBLE if not at all."""
        distance = self.distance(track, sighting)
        if distance >= _GATE:
            return IMPOSSIBLE
        youth = _YOUTH if track.frames_seen < _YOUNG_FRAMES else 0.0
        return distance + _WRONG_SIDE * _wrong_side(track, sighting) + youth

    def cost_to_come_back(
        self, taken_sides: set[Handedness], track: HandTrack, sighting: Sighting
    ) -> float:
        """
        Return how badly a sighting fits a lost hand; IMPOSSIBLE if not at all.

        ``taken_sides``: those of which no other hand can be, there being one already.
        """
        lost_s = 1e-9 * (self.stamp_ns - track.last_seen_ns)
        wrong_side = _wrong_side(track, sighting)
        distance = self.distance(track, sighting, by_guess=False)
        is_there = min(distance, self.distance(track, sighting)) < _GATE
        is_expected = is_there and (wrong_side < _SURELY or lost_s < _STILL_THERE_S)
        is_in_reach = (
            distance == _UNKNOWN
            or distance < _GATE + _FASTEST * lost_s
            or lost_s > _ANYWHERE_AFTER_S
        )
        is_other_taken = bool(taken_sides - {track.handedness})
        if is_expected or (is_in_reach and wrong_side < (_SURELY if is_other_taken else _RATHER)):
            return distance + _WRONG_SIDE * wrong_side
        return IMPOSSIBLE

    def is_near(self, sighting: Sighting, tracks: Sequence[HandTrack]) -> bool:
        """Return whether a sighting is where one of the tracks is expected."""
        return any(self.distance(track, sighting) < _GATE for track in tracks)

    def distance(self, track: HandTrack, sighting: Sighting, *, by_guess: bool = True) -> float:
        """
        Return how far a sighting is from where the track is expected, in hand sizes.

        ``by_guess``: count views for which that is a guess, the other view alone seeing the hand.
        """
        distances = []
        for view, (detection, camera) in enumerate(zip(sighting.views, self.cameras, strict=True)):
            expected = track.expected_px(view, camera, self.stamp_ns)
            if detection is None or expected is None:
                continue
            if by_guess or track.is_known_in(view):
                away = np.linalg.norm(detection.keypoints_px - expected, axis=1).mean()
                distances.append(float(away) / max(detection.size_px, box_size(expected)))
        return max(distances, default=_UNKNOWN)


def _tell_sides_apart(seen: Sequence[HandTrack]) -> None:
    """Give one of two hands that both claim the same side, the less certain one, the other."""
    for track in seen:
        track.is_overruled = False
    if len(seen) == 2 and seen[0].handedness == seen[1].handedness:
        min(seen, key=lambda track: track.vote.certainty).is_overruled = True


def _wrong_side(track: HandTrack, sighting: Sighting) -> float:
    """Return the probability that a sighting is not of the track's side."""
    return 1.0 - sighting.right if track.handedness == 'right' else sighting.right
