"""Left or right: by form, and by what all frames of one hand say together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import Handedness

# Left or right by form: which way the fingers bend, in 3D.
#
# Fingers bend towards the palm, about axes that point to the thumb's side in a right hand and away
# from it in a left one. That is seen in triangulated keypoints whatever the detector thinks, and
# whether the hand shows its back or its palm; not in a flat hand, nor in one so far away that its
# depth is noise.


_WRIST, _INDEX, _LITTLE = 0, 5, 17
# The keypoints (4, 5) of each finger's chain.
_FINGERS = np.array([[_WRIST, base, base + 1, base + 2, base + 3] for base in (5, 9, 13, 17)])
# Log odds for each unit of bend, seen on synthetic films: 97 of 100 hands that bend by 3 are
# judged rightly, 85 of 100 that bend by 1.5.
_LOG_ODDS_PER_BEND = 1.0
_MOST_LOG_ODDS = 3.5
# Depth noise (metres) at which the evidence counts half.
_NOISE_M = 0.03


def bend(points: ArrayLike) -> float:
    """
    Return how much the four fingers of keypoints (21, 3) bend, as those of a right hand do.

    The sum of the sines of all joints' flexion: about 0 for a flat hand, 8 for a right fist, -8
    for a left one.
    """
    keypoints = np.asarray(points, dtype=np.float64)
    x, y, z = _unit(keypoints[_INDEX] - keypoints[_LITTLE])
    chains = keypoints[_FINGERS]
    bones = _unit(chains[:, 1:] - chains[:, :-1])
    # (a x b) . t = a . (b x t), and b x t is linear in b.
    times_to_thumb = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return float((bones[:, :-1] * (bones[:, 1:] @ times_to_thumb)).sum())


def right_log_odds(points: ArrayLike, depth_noise_m: float) -> float:
    """
    Return the log odds that keypoints (21, 3) are those of a right hand; 0 for no evidence.

    ``depth_noise_m``: the standard error of their depths.
    """
    keypoints = np.asarray(points, dtype=np.float64)
    if not np.isfinite(keypoints).all():
        return 0.0
    reliability = 1.0 / (1.0 + (depth_noise_m / _NOISE_M) ** 2)
    return float(
        reliability
        * np.clip(_LOG_ODDS_PER_BEND * bend(keypoints), -_MOST_LOG_ODDS, _MOST_LOG_ODDS)
    )


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.asarray(vectors / np.maximum(lengths, 1e-9))


# Left or right: what all frames of one hand say together.

# One look of the detector says no more than this, however sure of itself.
_SUREST = 0.97
# It is as sure as it should be of hands of this size, less so of smaller ones, up to this factor
# more of larger ones (logistic regression over the hands of synthetic films).
_ORDINARY_SIZE_PX = 80.0
_MOST_WEIGHT = 2.0
# The sum is bounded: frames in a pose that deceives the detector are all wrong alike, so some
# seconds of them must not outvote what was seen before, but more may: a wrong beginning has to
# come to an end.
_MOST_LOG_ODDS_OF_VOTES = 400.0
# With evidence this strong (log odds) a hand has a side, which it changes only for as strong
# evidence of the other.
_TO_DECIDE = 6.0


def log_odds_of_look(right: float, size_px: float = _ORDINARY_SIZE_PX) -> float:
    """
    Return the log odds of a detector's probability in [0, 1] that a hand is a right one.

    ``size_px``: longer side of the hand's box; the detector is too sure of small hands.
    """
    bounded = min(max(right, 1.0 - _SUREST), _SUREST)
    weight = min(size_px / _ORDINARY_SIZE_PX, _MOST_WEIGHT)
    return weight * math.log(bounded / (1.0 - bounded))


class HandednessVote:
    """Adds the evidence of single frames and keeps to its answer until clearly outvoted."""

    def __init__(self) -> None:
        """Begin without evidence."""
        self._log_odds = 0.0
        self._answer: Handedness = 'right'
        self._is_decided = False

    def add(self, log_odds: float) -> None:
        """Count one frame's evidence that it is a right hand: log odds, negative for a left."""
        summed = self._log_odds + log_odds
        self._log_odds = min(max(summed, -_MOST_LOG_ODDS_OF_VOTES), _MOST_LOG_ODDS_OF_VOTES)
        is_clear = abs(self._log_odds) >= _TO_DECIDE
        if is_clear or not self._is_decided:
            self._answer = 'right' if self._log_odds >= 0 else 'left'
        self._is_decided |= is_clear

    @property
    def handedness(self) -> Handedness:
        """Return the answer; right without any evidence."""
        return self._answer

    @property
    def score(self) -> float:
        """Return the probability of the answer."""
        towards = self._log_odds if self.handedness == 'right' else -self._log_odds
        return 1.0 / (1.0 + math.exp(-towards))

    @property
    def certainty(self) -> float:
        """Return how much speaks for the answer, as log odds."""
        return abs(self._log_odds)
