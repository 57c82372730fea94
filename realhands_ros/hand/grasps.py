"""
Grasps of the usual kinds, as joint angles, and a sampler that draws them finger by finger.

The kinds are those of Feix et al., "The GRASP taxonomy of human grasp types", IEEE Trans.
Human-Machine Systems 46, 2016, brought together where a hand model shows no difference: power
grasps of cylinders, balls and discs, pads against pads (pinch, tripod, prismatic), lateral and
adducted thumb, hooks, parallel extension; and closed hands without anything in them.

Each kind is a range between its smallest and its largest object. Unlike hand/pose_sampler.py, a
draw is not projected onto principal components: it keeps all 45 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.hand.collisions import CapsuleHand
from realhands_ros.hand.gestures import Finger, Gesture, Thumb, joint_angles
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.pose_sampler import MAX_OVERLAP_M
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, HandSkeleton

FloatArray = NDArray[np.float64]


class Held(Enum):
    """Where an object lies in a grasp."""

    NOTHING = 'nothing'
    """The hand is closed upon itself."""
    ROD = 'rod'
    """Along the knuckles, against the palm."""
    BALL = 'ball'
    """Against the palm or the pads, round."""
    PADS = 'pads'
    """Between the pads of thumb and index finger."""
    PEN = 'pen'
    """Between the pads, leaning on the side of the hand."""
    SIDE = 'side'
    """Between the thumb's pad and the side of the index finger."""
    PLATE = 'plate'
    """Flat between the thumb and the stretched fingers."""


@dataclass(frozen=True)
class Grasp:
    """One kind of grasp: the hand on the smallest and on the largest object, and where that is."""

    small: Gesture
    large: Gesture
    held: Held


def _row(*fingers: tuple[float, float, float, float]) -> tuple[Finger, Finger, Finger, Finger]:
    index, middle, ring, little = (Finger(*finger) for finger in fingers)
    return index, middle, ring, little


_CLOSED = _row((60, 2, 101, 62), (68, 1, 99, 62), (68, -1, 101, 61), (68, -1, 101, 59))

_TABLE: dict[str, Grasp] = {
    'cylinder': Grasp(
        Gesture(Thumb(7, 24, 6, 33, 34), *_row(
            (60, 2, 76, 46), (64, 0, 82, 50), (66, -1, 84, 50), (68, -2, 80, 48))),
        Gesture(Thumb(6, 40, 12, 12, 18), *_row(
            (26, 5, 38, 22), (28, 1, 40, 24), (30, -3, 42, 24), (32, -7, 40, 22))),
        Held.ROD,
    ),
    'cylinder_thumb_over': Grasp(
        Gesture(Thumb(6, 40, -6, 50, 58), *_row(
            (66, 2, 92, 56), (70, 0, 94, 58), (72, -1, 94, 56), (74, -2, 90, 54))),
        Gesture(Thumb(22, 36, 8, 34, 36), *_row(
            (50, 3, 62, 36), (54, 0, 66, 40), (56, -2, 68, 40), (58, -4, 64, 38))),
        Held.ROD,
    ),
    'adducted_thumb': Grasp(
        Gesture(Thumb(6, -2, 0, 6, 6), *_row(
            (62, 2, 88, 52), (66, 0, 92, 56), (68, -1, 94, 56), (70, -2, 90, 54))),
        Gesture(Thumb(4, 10, 4, 12, 16), *_row(
            (44, 3, 56, 32), (50, 0, 62, 36), (54, -2, 66, 40), (58, -4, 66, 40))),
        Held.ROD,
    ),
    'index_extension': Grasp(
        Gesture(Thumb(22, 30, 2, 28, 30), *_row(
            (18, 2, 22, 10), (62, 0, 84, 52), (66, -1, 88, 52), (70, -2, 86, 50))),
        Gesture(Thumb(12, 32, 6, 16, 20), *_row(
            (10, 3, 28, 14), (44, 0, 58, 34), (50, -2, 62, 36), (54, -4, 62, 36))),
        Held.ROD,
    ),
    'trigger': Grasp(
        Gesture(Thumb(18, 30, 4, 26, 30), *_row(
            (26, 2, 62, 30), (56, 0, 78, 46), (62, -1, 82, 48), (66, -2, 80, 46))),
        Gesture(Thumb(10, 36, 8, 14, 18), *_row(
            (14, 3, 44, 22), (38, 0, 50, 30), (42, -2, 54, 32), (46, -5, 52, 30))),
        Held.ROD,
    ),
    'sphere': Grasp(
        Gesture(Thumb(16, 38, 8, 26, 32), *_row(
            (42, 8, 58, 34), (44, 1, 60, 36), (46, -5, 60, 36), (46, -10, 58, 34))),
        Gesture(Thumb(2, 41, 14, 8, 16), *_row(
            (14, 13, 36, 22), (16, 2, 38, 24), (18, -9, 38, 24), (18, -17, 36, 22))),
        Held.BALL,
    ),
    'disc': Grasp(
        Gesture(Thumb(12, 36, 8, 22, 42), *_row(
            (30, 8, 58, 38), (32, 1, 60, 40), (34, -6, 60, 40), (34, -12, 58, 38))),
        Gesture(Thumb(-6, 32, 10, 8, 30), *_row(
            (-2, 15, 42, 30), (0, 3, 44, 32), (2, -10, 44, 32), (2, -19, 42, 30))),
        Held.BALL,
    ),
    'pinch': Grasp(
        Gesture(Thumb(23, 18, 6, 17, 14), *_row(
            (50, 4, 49, 22), (44, 0, 48, 28), (44, -2, 50, 28), (44, -4, 48, 28))),
        Gesture(Thumb(8, 26, 10, 4, 4), *_row(
            (30, 6, 28, 12), (30, 0, 32, 18), (32, -2, 36, 20), (34, -5, 36, 20))),
        Held.PADS,
    ),
    'pinch_tip': Grasp(
        Gesture(Thumb(20, 20, 6, 22, 38), *_row(
            (40, 4, 62, 34), (26, 2, 38, 20), (20, -3, 32, 18), (16, -8, 28, 14))),
        Gesture(Thumb(8, 28, 10, 16, 26), *_row(
            (24, 6, 48, 30), (16, 2, 28, 14), (10, -4, 22, 12), (8, -10, 20, 10))),
        Held.PADS,
    ),
    'prismatic': Grasp(
        Gesture(Thumb(22, 24, 8, 16, 16), *_row(
            (52, 2, 46, 20), (54, 0, 46, 20), (56, -1, 46, 20), (58, -3, 44, 20))),
        Gesture(Thumb(8, 34, 12, 6, 10), *_row(
            (34, 4, 30, 12), (36, 0, 30, 12), (38, -2, 30, 12), (40, -5, 28, 12))),
        Held.PADS,
    ),
    'tripod': Grasp(
        Gesture(Thumb(29, 20, 5, 12, 14), *_row(
            (53, 1, 45, 20), (53, 4, 45, 26), (64, 2, 74, 44), (68, 2, 76, 46))),
        Gesture(Thumb(16, 28, 10, 8, 16), *_row(
            (38, 3, 34, 14), (40, 3, 36, 18), (50, 0, 56, 32), (54, -2, 58, 34))),
        Held.PEN,
    ),
    'writing': Grasp(
        Gesture(Thumb(24, 20, 4, 26, 34), *_row(
            (46, 1, 58, 18), (54, 3, 62, 30), (62, 2, 72, 42), (66, 2, 74, 44))),
        Gesture(Thumb(16, 26, 8, 20, 28), *_row(
            (38, 2, 44, 14), (46, 3, 50, 24), (56, 0, 62, 36), (60, -1, 64, 38))),
        Held.PEN,
    ),
    'lateral': Grasp(
        Gesture(Thumb(14, -2, -6, 26, 24), *_row(
            (56, 1, 64, 38), (62, 1, 76, 46), (66, 0, 80, 48), (68, -1, 78, 48))),
        Gesture(Thumb(8, 10, 0, 14, 20), *_row(
            (40, 2, 52, 30), (48, 1, 62, 36), (52, 0, 66, 40), (56, -1, 66, 40))),
        Held.SIDE,
    ),
    'hook': Grasp(
        Gesture(Thumb(6, 8, 2, 12, 14), *_row(
            (12, 0, 92, 56), (12, 0, 96, 60), (12, 0, 96, 60), (14, 0, 92, 56))),
        Gesture(Thumb(4, 16, 4, 10, 12), *_row(
            (26, 2, 66, 38), (28, 0, 70, 42), (30, -1, 72, 42), (32, -3, 70, 40))),
        Held.ROD,
    ),
    'parallel': Grasp(
        Gesture(Thumb(14, 24, 8, 14, 10), *_row(
            (72, 0, 10, 4), (74, 0, 10, 4), (74, 0, 10, 4), (72, 0, 10, 4))),
        Gesture(Thumb(2, 38, 12, 4, 6), *_row(
            (42, 4, 14, 6), (44, 1, 14, 6), (46, -2, 14, 6), (46, -5, 14, 6))),
        Held.PLATE,
    ),
    'platform': Grasp(
        Gesture(Thumb(2, 18, 4, 8, 14), *_row(
            (12, 6, 24, 14), (14, 1, 26, 16), (16, -4, 28, 16), (18, -9, 26, 16))),
        Gesture(Thumb(-10, 8, 2, 0, 4), *_row(
            (-6, 9, 8, 4), (-5, 2, 8, 5), (-4, -6, 9, 5), (-2, -13, 9, 5))),
        Held.BALL,
    ),
    'fist_thumb_over': Grasp(
        Gesture(Thumb(7, 26, -13, 38, 56), *_CLOSED),
        Gesture(Thumb(17, 37, -11, 54, 34), *_row(
            (54, 2, 92, 56), (62, 1, 92, 57), (63, -1, 94, 57), (64, -1, 94, 56))),
        Held.NOTHING,
    ),
    'fist_thumb_across': Grasp(
        Gesture(Thumb(18, 40, -16, 50, 48), *_CLOSED),
        Gesture(Thumb(25, 41, -4, 50, 54), *_row(
            (50, 2, 86, 52), (56, 1, 88, 54), (60, -1, 90, 55), (62, -1, 90, 54))),
        Held.NOTHING,
    ),
    'fist_thumb_beside': Grasp(
        Gesture(Thumb(6, -8, -6, 18, 20), *_CLOSED),
        Gesture(Thumb(0, -2, 0, 8, 24), *_row(
            (52, 2, 90, 55), (58, 1, 92, 57), (62, -1, 93, 57), (63, -1, 92, 55))),
        Held.NOTHING,
    ),
    'loose_fist': Grasp(
        Gesture(Thumb(18, 28, 0, 34, 40), *_row(
            (46, 2, 84, 52), (52, 1, 86, 54), (54, -1, 88, 54), (56, -2, 86, 52))),
        Gesture(Thumb(12, 26, 4, 22, 26), *_row(
            (32, 2, 58, 34), (36, 1, 62, 36), (40, -1, 64, 38), (42, -2, 62, 36))),
        Held.NOTHING,
    ),
    'opposition_little': Grasp(
        Gesture(Thumb(38, 34, 14, 38, 34), *_row(
            (26, 4, 30, 14), (36, 2, 38, 20), (48, 0, 50, 28), (60, -2, 52, 26))),
        Gesture(Thumb(34, 34, 12, 28, 24), *_row(
            (10, 6, 16, 8), (14, 3, 18, 8), (26, -2, 28, 14), (54, -6, 44, 20))),
        Held.NOTHING,
    ),
    'opposition_middle': Grasp(
        Gesture(Thumb(30, 24, 8, 22, 24), *_row(
            (24, 4, 22, 10), (54, 2, 54, 26), (24, -2, 28, 14), (18, -6, 24, 12))),
        Gesture(Thumb(26, 28, 10, 22, 20), *_row(
            (8, 6, 12, 6), (48, 3, 48, 22), (50, 0, 48, 22), (12, -8, 16, 8))),
        Held.NOTHING,
    ),
    'count': Grasp(
        Gesture(Thumb(14, 34, -8, 46, 46), *_row(
            (4, 8, 8, 4), (4, -6, 8, 4), (64, -1, 96, 58), (66, -1, 98, 58))),
        Gesture(Thumb(14, 32, -8, 44, 40), *_row(
            (58, 2, 96, 60), (14, 4, 16, 8), (10, -4, 14, 8), (12, -12, 14, 8))),
        Held.NOTHING,
    ),
}  # fmt: skip

GRASPS: dict[str, Held] = {name: grasp.held for name, grasp in _TABLE.items()}

# Standard deviations in degrees: of a finger's whole curl, of the stage of each finger between
# the two ends of a grasp, and of each joint's flexion, abduction and twist.
_CURL_SPREAD_DEG = 9.0
_STAGE_SPREAD = 0.16
_JOINT_SPREAD_DEG = (5.0, 3.0, 1.5)
# The thumb goes its own way: CMC in all three axes, MCP and IP.
_THUMB_SPREAD_DEG = ((6.0, 6.0, 4.0), (11.0, 2.0, 1.5), (14.0, 0.7, 0.7))
_CURL_SHARE = np.tile([0.7, 1.0, 0.65], 5)

_FINGERS = ('index', 'middle', 'little', 'ring', 'thumb')
_FINGER_OF_JOINT = np.array([_FINGERS.index(n.rstrip('123')) for n in FINGER_JOINT_NAMES])
_IS_THUMB = _FINGERS.index('thumb') == _FINGER_OF_JOINT
_CANDIDATES, _MAX_ROUNDS = 12, 50


def grasp_angles(name: str, size: float) -> FloatArray:
    """
    Return the joint angles (15, 3) in radians of a grasp, 0 <= size <= 1 from small to large.

    Raises ConfigError for an unknown grasp or a size outside the range.
    """
    if name not in _TABLE:
        message = f'there is no grasp {name!r}; the grasps are {", ".join(_TABLE)}'
        raise ConfigError(message)
    if not 0.0 <= size <= 1.0:
        message = f'the size of grasp {name!r} is {size:g}; give 0 (smallest) to 1 (largest)'
        raise ConfigError(message)
    grasp = _TABLE[name]
    angles = (1.0 - size) * joint_angles(grasp.small) + size * joint_angles(grasp.large)
    return np.asarray(angles)


class GraspSampler:
    """Draws grasping poses (45,), relative to the flat hand, for a right hand model."""

    def __init__(self, data: HandModelData) -> None:
        """Take skeleton and girth from ``data``; ConfigError for a left hand."""
        if data.handedness != 'right':
            message = 'grasps are drawn for right hands; mirror them (x, -y, -z) for the left one'
            raise ConfigError(message)
        self._skeleton = HandSkeleton.from_model(data)
        self._capsules = CapsuleHand(self._skeleton, data.v_template, data.skin_weights)

    def sample(self, rng: np.random.Generator, name: str | None = None) -> tuple[str, FloatArray]:
        """
        Draw one grasp; return its name and its pose (45,) in radians.

        ``name`` asks for one kind; None draws all alike. Raises ConfigError for an unknown kind
        and ModelFileError when the model collides with itself in every pose.
        """
        chosen = name if name is not None else list(_TABLE)[rng.integers(len(_TABLE))]
        for _ in range(_MAX_ROUNDS):
            poses = self._skeleton.pose_from_angles(self._candidates(rng, chosen))
            free = np.flatnonzero(self._capsules.overlap(poses) <= MAX_OVERLAP_M)
            if len(free):
                return chosen, poses[free[0]]
        message = (
            f'no pose of the grasp {chosen!r} is free of collisions after {_MAX_ROUNDS} rounds: '
            'the skin weights or joints of this hand model are not those of a hand'
        )
        raise ModelFileError(message)

    def _candidates(self, rng: np.random.Generator, name: str) -> FloatArray:
        n = _CANDIDATES
        small, large = grasp_angles(name, 0.0), grasp_angles(name, 1.0)
        stage = rng.uniform(0, 1, (n, 1)) + _STAGE_SPREAD * rng.standard_normal((n, 5))
        stage = np.clip(stage, -0.1, 1.1)[:, _FINGER_OF_JOINT, None]
        angles = (1.0 - stage) * small + stage * large
        spread = np.tile(np.deg2rad(_JOINT_SPREAD_DEG), (len(FINGER_JOINT_NAMES), 1))
        spread[_IS_THUMB] = np.deg2rad(_THUMB_SPREAD_DEG)
        varied = rng.standard_normal((n, *spread.shape)) * spread
        curl = np.deg2rad(_CURL_SPREAD_DEG) * rng.standard_normal((n, 5))[:, _FINGER_OF_JOINT]
        varied[..., 0] += np.where(_IS_THUMB, 0.0, curl * _CURL_SHARE)
        return clamp_angles(angles + varied * rng.uniform(0.2, 1.0, (n, 1, 1)))
