"""
Random finger poses: gestures mixed finger by finger, within anatomical limits, without collisions.

A draw mixes two gestures, every finger at its own stage between them and neighbouring fingers at
similar stages (the synergies of Santello et al., "Postural hand synergies for tool use", 1998),
bends fingers and joints a little more or less, and is projected onto the joint limits. Draws in
which the hand of capsules collides with itself are thrown away.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError, ModelFileError
from realhands_ros.hand.collisions import CapsuleHand
from realhands_ros.hand.gestures import GESTURES
from realhands_ros.hand.model_file import (
    NUM_FINGER_POSE,
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES, HandSkeleton

FloatArray = NDArray[np.float64]

# Capsule overlap up to which a draw is kept: flesh gives way, and a capsule is rounder than a
# finger.
MAX_OVERLAP_M = 0.0025

STATISTICS_DRAWS = 20000
STATISTICS_SEED = 3

_PLACES = {'thumb': -0.5, 'index': 1.0, 'middle': 2.0, 'ring': 3.0, 'little': 4.0}
_FINGER_OF_JOINT = np.array([
    list(_PLACES).index(name.rstrip('123')) for name in FINGER_JOINT_NAMES
])  # fmt: skip
# Fingers this far apart have a correlation of 1/e.
_CORRELATION_LENGTH = 2.0

_STAGE_SPREAD = 0.25
# How much of a finger's extra curl each of its joints takes, base to tip.
_CURL_SHARE = np.array([0.8, 1.0, 0.65])
_CURL_SPREAD_DEG = 14.0
_THUMB_CURL = 0.5
_JOINT_SPREAD_DEG = (5.0, 3.0, 1.5)

_MAX_ROUNDS = 100


class PoseSampler:
    """Draws axis-angle finger poses (n, 45), relative to the flat hand, for a right hand model."""

    def __init__(self, data: HandModelData) -> None:
        """Take skeleton, girth and pose statistics from ``data``; ConfigError for a left hand."""
        if data.handedness != 'right':
            message = 'poses are drawn for right hands; mirror them (x, -y, -z) for the left one'
            raise ConfigError(message)
        self._data = data
        self._skeleton = HandSkeleton.from_model(data)
        self._capsules = CapsuleHand(self._skeleton, data.v_template, data.skin_weights)
        self._gestures = np.stack(list(GESTURES.values()))
        places = np.array(list(_PLACES.values()))
        correlation = np.exp(-np.abs(places[:, None] - places) / _CORRELATION_LENGTH)
        self._mix_fingers = np.linalg.cholesky(correlation).T

    def sample(self, rng: np.random.Generator, n: int, components: int | None = 6) -> FloatArray:
        """
        Draw ``n`` poses, (n, 45) radians.

        With ``components`` k a draw is projected onto the first k principal components around the
        model's mean pose, then onto the joint limits; None keeps the whole draw. Raises
        ConfigError for k outside 1..45 and ModelFileError when the model collides with itself in
        every pose.
        """
        if components is not None and not 1 <= components <= NUM_FINGER_POSE:
            message = f'components is {components}; give 1..{NUM_FINGER_POSE}, or None for all'
            raise ConfigError(message)
        drawn = np.zeros((0, NUM_FINGER_POSE))
        for _ in range(_MAX_ROUNDS):
            if len(drawn) >= n:
                return drawn[:n]
            poses = self._candidates(rng, 2 * (n - len(drawn)) + 8, components)
            free = self._capsules.overlap(poses) <= MAX_OVERLAP_M
            drawn = np.concatenate([drawn, poses[free]])
        message = (
            f'only {len(drawn)} of {n} poses are free of collisions after {_MAX_ROUNDS} rounds: '
            'the skin weights or joints of this hand model are not those of a hand'
        )
        raise ModelFileError(message)

    def _candidates(self, rng: np.random.Generator, n: int, components: int | None) -> FloatArray:
        angles = clamp_angles(self._mixed_gestures(rng, n) + self._variation(rng, n))
        poses = self._skeleton.pose_from_angles(angles)
        if components is None:
            return poses
        mean, rows = self._data.hands_mean, self._data.hands_components[:components]
        projected = mean + (poses - mean) @ rows.T @ rows
        angles = clamp_angles(self._skeleton.angles_from_pose(projected))
        return self._skeleton.pose_from_angles(angles)

    def _per_finger(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Return standard normal numbers (n, 15), correlated between neighbouring fingers."""
        fingers = rng.standard_normal((n, len(_PLACES))) @ self._mix_fingers
        return np.asarray(fingers[:, _FINGER_OF_JOINT])

    def _mixed_gestures(self, rng: np.random.Generator, n: int) -> FloatArray:
        first, second = self._gestures[rng.integers(len(self._gestures), size=(2, n))]
        stage = rng.beta(0.7, 0.7, (n, 1)) + _STAGE_SPREAD * self._per_finger(rng, n)
        stage = np.clip(stage, 0.0, 1.0)[..., None]
        return np.asarray((1.0 - stage) * first + stage * second)

    def _variation(self, rng: np.random.Generator, n: int) -> FloatArray:
        curl = np.deg2rad(_CURL_SPREAD_DEG) * self._per_finger(rng, n)
        curl *= np.tile(_CURL_SHARE, len(_PLACES))
        curl[:, list(_PLACES).index('thumb') == _FINGER_OF_JOINT] *= _THUMB_CURL
        angles = rng.standard_normal((n, len(FINGER_JOINT_NAMES), 3))
        angles *= np.deg2rad(_JOINT_SPREAD_DEG)
        angles[..., 0] += curl
        # Some draws stay close to their gestures, others stray.
        return angles * rng.uniform(0.0, 1.0, (n, 1, 1))


def pose_statistics(data: HandModelData) -> tuple[FloatArray, FloatArray]:
    """
    Return hands_mean (45,) and hands_components (45, 45) of full draws for a right hand.

    The rows of the components are orthonormal and sorted by falling variance, each with its
    largest element positive. ``data.hands_mean`` and ``data.hands_components`` are not read.
    """
    rng = np.random.default_rng(STATISTICS_SEED)
    poses = PoseSampler(data).sample(rng, STATISTICS_DRAWS, components=None)
    mean = poses.mean(axis=0)
    _, _, components = np.linalg.svd(poses - mean, full_matrices=False)
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return mean, components * np.sign(largest)


def sample_pose(rng: np.random.Generator, n: int, components: int | None = 6) -> FloatArray:
    """Draw ``n`` finger poses (n, 45) of the open right hand; see PoseSampler.sample."""
    return _open_hand_sampler().sample(rng, n, components)


@lru_cache(maxsize=1)
def _open_hand_sampler() -> PoseSampler:
    return PoseSampler(load_hand_model_data(default_model_folder(), 'right'))
