"""
How a hand moves: a smooth function of time between key poses.

Every angle and coordinate goes from one key pose to the next along a minimum-jerk curve (Flash and
Hogan, "The coordination of arm movements", 1985): the quintic that starts and ends at rest. So the
motion is twice continuously differentiable, and since it never overshoots, it keeps every convex
limit that its key poses keep, the joint limits of the fingers among them.

Motion is described for a right arm in the body's frame: that of the rig moved to the middle
between the two cameras. A left arm is its mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BPoly
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import FINGER_NAMES, Handedness
from realhands_ros.geometry.mirror import mirror_points
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES
from realhands_ros.synthesis.forearm import FOREARM_LENGTH_M
from realhands_ros.synthesis.mesh import unit
from realhands_ros.synthesis.placement import HandPlacement

FloatArray = NDArray[np.float64]

# A minimum-jerk movement's top speed is this many times its mean speed.
PEAK_TO_MEAN_SPEED = 1.875

# The forearm points away from the first of these places below the camera, and the upper arm comes
# from the second; body frame, metres.
_FOREARM_ORIGIN_M = np.array([0.25, 0.70, -0.10])
_UPPER_ARM_ORIGIN_M = np.array([0.30, 1.20, -0.20])
# The back of a hand that is not turned faces up and towards the eyes.
_DORSAL = unit([0.0, -1.0, -1.0])

# Share of a movement after which each finger starts and stops. Fingers do not move as one, and the
# thumb leaves a fist first and closes over it last.
_FINGER_TIMING = {
    'index': (0.00, 0.84),
    'middle': (0.03, 0.88),
    'ring': (0.06, 0.92),
    'little': (0.08, 0.95),
}
_THUMB_CLOSING = (0.20, 1.00)
_THUMB_OPENING = (0.00, 0.78)
_OPENING_FINGERS_WAIT = 0.12


@dataclass(frozen=True, eq=False)
class KeyPose:
    """
    Where an arm is at rest for a moment, from ``arrival`` to ``departure`` in seconds.

    ``wrist`` (3,) metres, body frame; ``turn`` (3,) radians: roll of the forearm (positive turns
    the palm up), flexion and deviation (positive towards the thumb) of the wrist; ``fingers``
    (15, 3) joint angles as in hand/skeleton.py.
    """

    arrival: float
    departure: float
    wrist: FloatArray
    turn: FloatArray
    fingers: FloatArray


@dataclass(frozen=True, eq=False)
class HandState:
    """How one hand is held at one time, in the rig's frame; ``fingers`` (15, 3) joint angles."""

    placement: HandPlacement
    fingers: FloatArray


@dataclass(frozen=True, eq=False)
class Sway:
    """
    The small movements of an arm that is held still.

    Sums of sines with ``frequencies`` (K,) in Hz and ``phases`` (K, 6); ``amplitudes`` (6,) of the
    wrist's coordinates in metres, then of roll, flexion and deviation in radians.
    """

    frequencies: FloatArray
    phases: FloatArray
    amplitudes: FloatArray

    def at(self, time: float) -> FloatArray:
        """Return the offset of wrist and turn, (6,)."""
        angles = 2 * np.pi * self.frequencies[:, None] * time + self.phases
        return np.asarray(self.amplitudes * np.sin(angles).mean(axis=0))


class HandMotion:
    """The movement of one hand through key poses."""

    def __init__(
        self,
        key_poses: Sequence[KeyPose],
        sway: Sway,
        handedness: Handedness,
        body_origin: ArrayLike,
    ) -> None:
        """Take key poses in order of time; ``body_origin`` (3,) is in the rig's frame."""
        times = _rest_times(key_poses)
        self._start, self._end = times[0, 0], times[-1, 1]
        self._wrist = _track(times, [pose.wrist for pose in key_poses])
        self._turn = _track(times, [pose.turn for pose in key_poses])
        self._fingers = [
            (_joints_of(finger), _finger_track(key_poses, finger)) for finger in FINGER_NAMES
        ]
        self._sway = sway
        self._handedness = handedness
        self._origin = np.asarray(body_origin, dtype=np.float64)

    def at(self, time: float) -> HandState:
        """Return the hand at ``time`` in seconds; outside the key poses' times it holds still."""
        within = np.clip(time, self._start, self._end)
        drift = self._sway.at(time)
        placement = arm_placement(self._wrist(within) + drift[:3], self._turn(within) + drift[3:])
        angles = np.empty((len(FINGER_JOINT_NAMES), 3))
        for joints, track in self._fingers:
            angles[joints] = track(within)
        return HandState(self._in_rig(placement), angles)

    def _in_rig(self, placement: HandPlacement) -> HandPlacement:
        if self._handedness == 'left':
            placement = _mirrored(placement)
        return HandPlacement(
            rotation=placement.rotation,
            wrist=placement.wrist + self._origin,
            to_elbow=placement.to_elbow,
            to_shoulder=placement.to_shoulder,
        )


def forearm_direction(wrist: FloatArray) -> FloatArray:
    """Return where the forearm points, (3,) unit, of an arm whose wrist is at (3,), body frame."""
    return unit(wrist - _FOREARM_ORIGIN_M)


def arm_placement(wrist: FloatArray, turn: FloatArray) -> HandPlacement:
    """Return how a right hand is held; ``wrist`` and ``turn`` as in KeyPose, body frame."""
    pointing = forearm_direction(wrist)
    dorsal = unit(_DORSAL - (_DORSAL @ pointing) * pointing)
    dorsal = Rotation.from_rotvec(turn[0] * pointing).apply(dorsal)
    elbow = wrist - FOREARM_LENGTH_M * pointing
    # The model's right hand has its fingers along -x, its back along +y and its thumb along +z.
    straight = np.stack([-pointing, dorsal, np.cross(-pointing, dorsal)], axis=1)
    return HandPlacement(
        rotation=np.asarray(straight @ Rotation.from_euler('ZY', turn[1:]).as_matrix()),
        wrist=wrist,
        to_elbow=-pointing,
        to_shoulder=unit(_UPPER_ARM_ORIGIN_M - elbow),
    )


def _rest_times(poses: Sequence[KeyPose]) -> FloatArray:
    return np.array([[pose.arrival, pose.departure] for pose in poses])


def _track(times: FloatArray, values: Sequence[FloatArray]) -> BPoly:
    """Return the curve that rests at values[k] from times[k, 0] to times[k, 1] seconds."""
    at_rest = [[value, np.zeros_like(value), np.zeros_like(value)] for value in values]
    return BPoly.from_derivatives(times.ravel(), [knot for knot in at_rest for _ in range(2)])


def _finger_track(poses: Sequence[KeyPose], finger: str) -> BPoly:
    values = [pose.fingers[_joints_of(finger)] for pose in poses]
    times = _rest_times(poses)
    for number, (pose, following) in enumerate(zip(poses[:-1], poses[1:], strict=True)):
        is_opening = following.fingers[:, 0].sum() < pose.fingers[:, 0].sum()
        start, stop = _timing(finger, is_opening)
        duration = following.arrival - pose.departure
        times[number, 1] = pose.departure + start * duration
        times[number + 1, 0] = pose.departure + stop * duration
    return _track(times, values)


def _timing(finger: str, is_opening: bool) -> tuple[float, float]:
    if finger == 'thumb':
        return _THUMB_OPENING if is_opening else _THUMB_CLOSING
    start, stop = _FINGER_TIMING[finger]
    wait = _OPENING_FINGERS_WAIT if is_opening else 0.0
    return start + wait, min(stop + wait, 1.0)


def _joints_of(finger: str) -> NDArray[np.bool_]:
    return np.array([name.rstrip('123') == finger for name in FINGER_JOINT_NAMES])


def _mirrored(placement: HandPlacement) -> HandPlacement:
    mirror = np.diag([-1.0, 1.0, 1.0])
    return HandPlacement(
        rotation=mirror @ placement.rotation @ mirror,
        wrist=mirror_points(placement.wrist),
        to_elbow=mirror_points(placement.to_elbow),
        to_shoulder=mirror_points(placement.to_shoulder),
    )
