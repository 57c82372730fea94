"""Hands over time: the state of each, and which hand of a frame is which known one."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np
from scipy.optimize import linear_sum_assignment

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.keypoints.detection import HandDetection, box_size
from realhands_ros.keypoints.handedness import HandednessVote, log_odds_of_look, right_log_odds
from realhands_ros.keypoints.two_view import (
    IMPOSSIBLE,
    Sighting,
    depth_noise,
    lay_on_keypoints,
    spread,
)

# One hand over time: who it is, where it was, where it must be now.


# A velocity is the mean over about this many frames.
_VELOCITY_FRAMES = 2.0
# Motion is carried on for this long at most; after it nobody knows.
_LONGEST_EXTRAPOLATION_S = 0.1
# How fast the estimate of a hand's size follows new measurements.
_SIZE_RATE = 0.1
# What a frame is worth in which only one of two views sees the hand.
_ONE_OF_TWO = 0.25
# Sizes that differ by a larger share put a hand that one view sees at another distance.
_SAME_SIZE = 0.02
# A mesh that says more than this of a hand's size is not to be believed.
_LARGEST_CHANGE = 1.7
# A mesh may come this many frames after its images.
_REMEMBERED_FRAMES = 8


@dataclass(frozen=True, eq=False)
class Placed:
    """
    The 21 keypoints (21, 3) in the rig's frame, metres, at an instant.

    ``by_detector``: what they were before a mesh corrected them. ``is_measured``: by two views;
    from one alone the distance is a guess, made with ``size``. ``seen_by``: which views saw it.
    """

    points: FloatArray
    by_detector: FloatArray
    stamp_ns: int
    is_measured: bool
    seen_by: tuple[bool, ...]
    size: float


class HandTrack:
    """
    What is known of one hand.

    ``id``: random text, never used again; ``sighting``: what this frame shows of it, None when it
    is lost; ``frames_seen``: in how many frames it was seen; ``evidence``: the same, but frames in
    which one of two views does not see it count less; ``is_believed``: whether it has once been
    certain enough to be reported; ``is_overruled``: whether it has the other side than its own
    looks say, as the same person's other hand has a better claim to that one.
    """

    def __init__(self, stamp_ns: int) -> None:
        """Begin a hand that nobody has seen yet."""
        self.id = secrets.token_hex(8)
        self.last_seen_ns = stamp_ns
        self.frames_seen = 0
        self.evidence = 0.0
        self.is_believed = False
        self.is_overruled = False
        self.vote = HandednessVote()
        self.sighting: Sighting | None = None
        # Size of the hand relative to the detector's own guess, as two views measure it.
        self._size = 1.0
        self._recent: deque[Placed] = deque(maxlen=_REMEMBERED_FRAMES)
        self._velocity = np.zeros(3)

    def see(self, sighting: Sighting, cameras: Sequence[PinholeCamera], stamp_ns: int) -> None:
        """Take in what a frame shows of the hand."""
        self.sighting = sighting
        self.vote.add(_right_log_odds(sighting, cameras))
        placed = self._place(sighting, cameras, stamp_ns)
        if placed is not None:
            self._follow(placed)
        self.last_seen_ns = stamp_ns
        self.frames_seen += 1
        whole = len(sighting.detections) == len(sighting.views)
        self.evidence += 1.0 if whole else _ONE_OF_TWO

    @property
    def handedness(self) -> Handedness:
        """Return which hand it is."""
        if self.is_overruled:
            return 'left' if self.vote.handedness == 'right' else 'right'
        return self.vote.handedness

    @property
    def handedness_score(self) -> float:
        """Return the confidence in [0, 1] in the side; one half where the vote is overruled."""
        return 0.5 if self.is_overruled else self.vote.score

    def lose(self) -> None:
        """Take in that a frame does not show the hand."""
        self.sighting = None

    def correct(self, points: FloatArray, stamp_ns: int) -> None:
        """
        Take in a mesh's keypoints (21, 3) of the frame of ``stamp_ns``.

        Where two views measured the hand it knows nothing better. Where one saw it, the mesh knows
        the hand's size, and so its distance, better than the detector.
        """
        for number, placed in enumerate(self._recent):
            if placed.stamp_ns == stamp_ns and not placed.is_measured:
                change = spread(points) / spread(placed.by_detector)
                if 1 / _LARGEST_CHANGE < change < _LARGEST_CHANGE:
                    self._size = placed.size * change
                    self._recent[number] = replace(placed, points=points)

    def predicted_points(self, stamp_ns: int) -> FloatArray | None:
        """Return where the keypoints (21, 3) should be at ``stamp_ns``, None if nobody knows."""
        if not self._recent:
            return None
        last = self._recent[-1]
        elapsed = min(1e-9 * (stamp_ns - last.stamp_ns), _LONGEST_EXTRAPOLATION_S)
        return last.points + elapsed * self._velocity

    def is_known_in(self, view: int) -> bool:
        """Return whether the place in a view is known, not guessed from the other view alone."""
        if not self._recent:
            return False
        last = self._recent[-1]
        return last.is_measured or last.seen_by[view]

    def predicted_px(self, camera: PinholeCamera, stamp_ns: int) -> FloatArray | None:
        """Return where ``camera`` should see the keypoints (21, 2), None if it cannot."""
        points = self.predicted_points(stamp_ns)
        if points is None:
            return None
        points_cam = camera.to_camera(points)
        return camera.to_pixels(points_cam) if points_cam[:, 2].min() > 0.0 else None

    def expected_px(self, view: int, camera: PinholeCamera, stamp_ns: int) -> FloatArray | None:
        """
        Return where a view should find the keypoints (21, 2), None if nobody knows.

        Two views that have just measured the hand keep each other from drifting. What one view
        alone has seen it looks for where it saw it, moved on: the hand in space, in the form that
        the detector guesses, need not look like that.
        """
        seen = self.sighting.views[view] if self.sighting is not None else None
        is_measured = bool(self._recent) and self._recent[-1].is_measured
        if seen is None or is_measured:
            return self.predicted_px(camera, stamp_ns)
        before, now = (self.predicted_px(camera, stamp) for stamp in (self.last_seen_ns, stamp_ns))
        if before is None or now is None:
            return seen.keypoints_px
        moved: FloatArray = seen.keypoints_px + (now - before).mean(axis=0)
        return moved

    def _place(
        self, sighting: Sighting, cameras: Sequence[PinholeCamera], stamp_ns: int
    ) -> Placed | None:
        """Return where a sighting shows the hand, None if it makes no sense."""
        seen_by = tuple(detection is not None for detection in sighting.views)
        if sighting.pairing is not None:
            self._size += _SIZE_RATE * (sighting.pairing.scale - self._size)
            points = sighting.pairing.triangulation.points
            if np.isfinite(points).all():
                return Placed(points, points, stamp_ns, True, seen_by, self._size)
        for detection, camera in zip(sighting.views, cameras, strict=True):
            if detection is not None:
                guess = self._guess(detection, camera, stamp_ns)
                if guess is not None:
                    return Placed(guess, guess, stamp_ns, False, seen_by, self._size)
        return None

    def _guess(
        self, detection: HandDetection, camera: PinholeCamera, stamp_ns: int
    ) -> FloatArray | None:
        """
        Return where the keypoints (21, 3) are by one view's detection, None if it makes no sense.

        The size that a detector sees in a hand changes with its pose. So where two views have just
        measured the distance, that is believed, and says what size the detector sees now.
        """
        form = self._size * detection.world @ camera.rotation
        guess = lay_on_keypoints(form, detection.keypoints_px, camera)
        expected = self._just_measured(stamp_ns)
        if guess is None or expected is None:
            return guess
        from_camera = guess - camera.centre
        distance = np.linalg.norm((expected - camera.centre).mean(axis=0))
        change = float(distance / np.linalg.norm(from_camera.mean(axis=0)))
        if not 1 / _LARGEST_CHANGE < change < _LARGEST_CHANGE:
            return guess
        self._size *= change
        resized: FloatArray = camera.centre + change * from_camera
        return resized

    def _just_measured(self, stamp_ns: int) -> FloatArray | None:
        """Return the expected keypoints (21, 3) if two views saw the hand last, and just now."""
        last = self._recent[-1] if self._recent else None
        if last is None or not last.is_measured:
            return None
        is_recent = stamp_ns - last.stamp_ns <= 1e9 * _LONGEST_EXTRAPOLATION_S
        return self.predicted_points(stamp_ns) if is_recent else None

    def _follow(self, placed: Placed) -> None:
        last = self._recent[-1] if self._recent else None
        self._recent.append(placed)
        elapsed = 0.0 if last is None else 1e-9 * (placed.stamp_ns - last.stamp_ns)
        if last is None or not 0.0 < elapsed <= _LONGEST_EXTRAPOLATION_S:
            self._velocity = np.zeros(3)
        elif _are_comparable(last, placed):
            moved = _way(last, placed)
            self._velocity += (moved / elapsed - self._velocity) / _VELOCITY_FRAMES


def _way(last: Placed, now: Placed) -> FloatArray:
    """Return how far a hand has come (3,), without its guessed distance where one view saw it."""
    way: FloatArray = (now.by_detector - last.by_detector).mean(axis=0)
    if not now.is_measured:
        ray = now.by_detector.mean(axis=0)
        way = way - (way @ ray) / (ray @ ray) * ray
    return way


def _right_log_odds(sighting: Sighting, cameras: Sequence[PinholeCamera]) -> float:
    """Return how much a sighting speaks for a right hand: its looks' mean, and its form."""
    looks = fmean(log_odds_of_look(seen.right, seen.size_px) for seen in sighting.detections)
    if sighting.pairing is None:
        return looks
    points = sighting.pairing.triangulation.points
    return looks + right_log_odds(points, depth_noise(cameras, points))


def _are_comparable(one: Placed, other: Placed) -> bool:
    """
    Return whether the way between two places is the hand's.

    Each view guesses the distance for itself, and a change of size looks like a jump in distance.
    """
    is_same_look = (one.is_measured, one.seen_by) == (other.is_measured, other.seen_by)
    return is_same_look and abs(one.size / other.size - 1.0) < _SAME_SIZE


# Which of the hands in a frame is which of the hands known from before.

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
