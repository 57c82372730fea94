"""
Left or right by form: which way the fingers bend, in 3D.

Fingers bend towards the palm, about axes that point to the thumb's side in a right hand and away
from it in a left one. That is seen in triangulated keypoints whatever the detector thinks, and
whether the hand shows its back or its palm; not in a flat hand, nor in one so far away that its
depth is noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_WRIST, _INDEX, _LITTLE = 0, 5, 17
_FINGER_BASES = (5, 9, 13, 17)
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
    to_thumb = _unit(keypoints[_INDEX] - keypoints[_LITTLE])
    total = 0.0
    for base in _FINGER_BASES:
        chain = keypoints[[_WRIST, base, base + 1, base + 2, base + 3]]
        bones = _unit(np.diff(chain, axis=0))
        total += float((np.cross(bones[:-1], bones[1:]) @ to_thumb).sum())
    return total


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
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9))
