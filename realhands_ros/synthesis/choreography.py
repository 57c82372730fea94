"""
What a hand does before a rig, all over the working volume: gestures or grasps in random order.

The hand comes to a place, makes a gesture, moves on, leaves the view for a moment after every few
gestures and comes back. Grasps without objects are made from an open hand, between one and the
next. With objects, the hand takes each up and puts it away out of view, and turns it in view.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.grasps import GRASPS, Held, grasp_angles
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.synthesis.config import Motion
from realhands_ros.synthesis.motion import (
    PEAK_TO_MEAN_SPEED,
    HandMotion,
    KeyPose,
    Sway,
    forearm_direction,
)
from realhands_ros.synthesis.working_volume import WorkingVolume, body_origin

FloatArray = NDArray[np.float64]
Range = tuple[float, float]

# Top speed of a wrist (m/s), drawn anew for each movement, and of all turns together and of a
# finger's joint (rad/s).
_WRIST_SPEED: Range = (0.65, 1.05)
_TURN_SPEED = 3.4
_FINGER_SPEED = 8.0

# A wrist here is below the image with its hand (body frame, metres), for this many seconds.
_OUT_OF_VIEW_M = np.array([0.30, 0.55, 0.30])
_OUT_OF_VIEW_S: Range = (0.4, 0.8)
# Gestures between two absences.
_GESTURES_IN_VIEW = 4

_COMPLETENESS: Range = (0.95, 1.0)
_SWAY_HZ = np.array([0.31, 0.53, 0.87])
_SWAY_AMPLITUDES = np.array([0.004, 0.004, 0.004, 0.03, 0.02, 0.01])


class Beat(NamedTuple):
    """
    One key pose of a gesture.

    ``fingers`` names the hand's gesture; ``roll`` (0: palm down), ``flexion`` and ``deviation``
    are ranges in degrees, ``hold`` in seconds; ``shift`` is how far it is from the beat before, in
    metres.
    """

    fingers: str
    roll: Range
    flexion: Range
    deviation: Range = (-8, 8)
    hold: Range = (0.15, 0.45)
    shift: float = 0.0


_NO_HOLD: Range = (0.03, 0.06)

# How a grasping hand is turned, in degrees, and how far it moves between two turns, in metres.
_GRASP_ROLL: Range = (-40, 150)
_GRASP_FLEXION: Range = (-40, 30)
_GRASP_DEVIATION: Range = (-15, 12)
_GRASP_HOLD: Range = (0.2, 0.5)
_GRASP_SHIFT_M = 0.06
_GRASPS_IN_VIEW = 3
_TURNS_OF_AN_OBJECT = 5
# Standard deviation of each joint's flexion about the grasp's own.
_GRASP_SPREAD_DEG = 3.0


class Visit(NamedTuple):
    """From ``start`` to ``end`` in seconds the hand holds an object, ``fingers`` (15, 3) still."""

    start: float
    end: float
    held: Held
    fingers: FloatArray


# From one closed hand to another fingers would pass through each other, so every gesture with a
# closed hand begins with an open one.
ROUTINES: dict[str, tuple[Beat, ...]] = {
    'rest': (Beat('rest', (-15, 50), (-15, 20)),),
    'point': (
        Beat('rest', (-15, 60), (-20, 10), hold=_NO_HOLD),
        Beat('point', (-15, 60), (-20, 10)),
        Beat('point', (-15, 60), (-20, 10), shift=0.08),
    ),
    'pinch': (
        Beat('grasp', (10, 80), (-30, 0), hold=_NO_HOLD),
        Beat('pinch', (10, 80), (-30, 0)),
        Beat('grasp', (10, 80), (-30, 0), hold=_NO_HOLD),
        Beat('pinch', (10, 80), (-30, 0), shift=0.05),
    ),
    'fist': (
        Beat('rest', (-20, 90), (-30, 5), hold=_NO_HOLD),
        Beat('fist', (-20, 90), (-30, 5)),
    ),
    'spread': (Beat('spread', (-20, 160), (-30, 5)),),
    'rotate': (
        Beat('open', (110, 130), (-10, 10), hold=_NO_HOLD),
        Beat('open', (-35, -20), (-10, 10), hold=_NO_HOLD),
        Beat('rest', (40, 70), (-10, 10)),
    ),
    'wave': (
        Beat('wave', (-5, 5), (-50, -40), (12, 18), hold=_NO_HOLD),
        Beat('wave', (-5, 5), (-50, -40), (-24, -16), hold=_NO_HOLD),
        Beat('wave', (-5, 5), (-50, -40), (12, 18), hold=_NO_HOLD),
        Beat('wave', (-5, 5), (-50, -40), (-24, -16), hold=_NO_HOLD),
        Beat('wave', (-5, 5), (-50, -40), (-4, 4)),
    ),
}


def choreograph(
    rng: np.random.Generator,
    rig: StereoRig,
    handedness: Handedness,
    duration: float,
    *,
    has_company: bool = False,
    motion: Motion = 'gestures',
) -> tuple[HandMotion, tuple[Visit, ...]]:
    """
    Draw the movement of one hand for at least ``duration`` seconds.

    A hand that ``has_company`` of the other one keeps to its own side. The hand starts in view,
    and in every sequence of ``len(ROUTINES)`` gestures, or of all grasps, each occurs once. Also
    returns when the hand holds what, in the order of time.
    """
    score = _Score(rng, WorkingVolume(rig, handedness, has_company=has_company))
    visits: list[Visit] = []
    while score.end < duration:
        if motion == 'grips':
            score.perform_grips()
            continue
        if motion == 'objects':
            visits += score.carry_objects()
            continue
        for number, name in enumerate(rng.permutation(list(ROUTINES))):
            if number == _GESTURES_IN_VIEW:
                score.leave_view()
            score.perform(ROUTINES[name])
        score.leave_view()
    phases = rng.uniform(0, 2 * np.pi, (len(_SWAY_HZ), 6))
    sway = Sway(_SWAY_HZ, phases, _SWAY_AMPLITUDES)
    return HandMotion(score.poses, sway, handedness, body_origin(rig)), tuple(visits)


class _Score:
    """The key poses written so far."""

    def __init__(self, rng: np.random.Generator, volume: WorkingVolume) -> None:
        self._rng = rng
        self._volume = volume
        self.poses: list[KeyPose] = []

    @property
    def end(self) -> float:
        """Return the time in seconds up to which the score is written."""
        return self.poses[-1].departure if self.poses else 0.0

    def perform(self, beats: tuple[Beat, ...]) -> None:
        """Move to another place and make a gesture there."""
        wrist = self._volume.sample_wrist(self._rng)
        for beat in beats:
            wrist = wrist + beat.shift * self._random_direction()
            turn = [self._rng.uniform(*r) for r in (beat.roll, beat.flexion, beat.deviation)]
            self._append(wrist, np.deg2rad(turn), self._fingers(beat.fingers), beat.hold)

    def perform_grips(self) -> None:
        """Make every grasp once, each from an open hand and at two sizes."""
        for number, name in enumerate(self._rng.permutation(list(GRASPS))):
            wrist = self._volume.sample_wrist(self._rng)
            self._append(wrist, self._grasp_turn(), gesture_angles('rest'), _NO_HOLD)
            for size in self._rng.permutation([0.0, 1.0]):
                wrist = wrist + _GRASP_SHIFT_M * self._random_direction()
                self._append(wrist, self._grasp_turn(), self._grasp(name, size), _GRASP_HOLD)
            if number % _GRASPS_IN_VIEW == _GRASPS_IN_VIEW - 1:
                self.leave_view()
        self.leave_view()

    def carry_objects(self) -> list[Visit]:
        """Bring an object in every grasp that holds one into view; return when each is held."""
        visits: list[Visit] = []
        for name in self._rng.permutation([n for n, h in GRASPS.items() if h is not Held.NOTHING]):
            fingers = self._grasp(name, self._rng.uniform(0, 1))
            self.leave_view(fingers)
            start = self.end if visits else 0.0
            for _ in range(_TURNS_OF_AN_OBJECT):
                wrist = self._volume.sample_wrist(self._rng)
                self._append(wrist, self._grasp_turn(), fingers, _GRASP_HOLD)
            self.leave_view(fingers)
            visits.append(Visit(start, self.end, GRASPS[name], fingers))
        return visits

    def leave_view(self, fingers: FloatArray | None = None) -> None:
        """Go where no camera sees the hand, and stay there for a moment."""
        fingers = gesture_angles('rest') if fingers is None else fingers
        self._append(_OUT_OF_VIEW_M, np.zeros(3), fingers, _OUT_OF_VIEW_S)

    def _grasp(self, name: str, size: float) -> FloatArray:
        angles = grasp_angles(name, size)
        spread = np.deg2rad(_GRASP_SPREAD_DEG) * self._rng.standard_normal(len(angles))
        angles[:, 0] += spread
        return clamp_angles(angles)

    def _grasp_turn(self) -> FloatArray:
        ranges = (_GRASP_ROLL, _GRASP_FLEXION, _GRASP_DEVIATION)
        return np.deg2rad([self._rng.uniform(*r) for r in ranges])

    def _append(
        self, wrist: FloatArray, turn: FloatArray, fingers: FloatArray, hold: Range
    ) -> None:
        arrival = 0.0
        if self.poses:
            speed = self._rng.uniform(*_WRIST_SPEED)
            arrival = self.end + _movement_time(self.poses[-1], wrist, turn, fingers, speed)
        departure = arrival + self._rng.uniform(*hold)
        self.poses.append(KeyPose(arrival, departure, wrist, turn, fingers))

    def _fingers(self, gesture: str) -> FloatArray:
        """Return a gesture's angles, made more or less completely."""
        made = self._rng.uniform(*_COMPLETENESS)
        return made * gesture_angles(gesture) + (1 - made) * gesture_angles('open')

    def _random_direction(self) -> FloatArray:
        direction = self._rng.normal(size=3)
        return np.asarray(direction / np.linalg.norm(direction))


def _movement_time(
    start: KeyPose, wrist: FloatArray, turn: FloatArray, fingers: FloatArray, speed: float
) -> float:
    """Return the seconds that a minimum-jerk movement needs to keep all top speeds."""
    forearms = forearm_direction(start.wrist) @ forearm_direction(wrist)
    turned = np.arccos(np.clip(forearms, -1, 1)) + np.abs(turn - start.turn).sum()
    means = (
        np.linalg.norm(wrist - start.wrist) / speed,
        turned / _TURN_SPEED,
        np.abs(fingers - start.fingers).max() / _FINGER_SPEED,
    )
    return float(PEAK_TO_MEAN_SPEED * max(means))
