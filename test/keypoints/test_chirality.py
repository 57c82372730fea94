"""Left and right by the way the fingers bend."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.keypoints.chirality import bend, right_log_odds

NOISE_M = 0.004
WRIST = (0.05, 0.0, 0.4)


@pytest.mark.parametrize('turn', [(0.0, 0.0, 0.0), (2.0, 0.3, 1.0), (-0.5, 3.0, 0.2)], ids=str)
@pytest.mark.parametrize('gesture', ['fist', 'point', 'grasp', 'rest'])
def test_bent_hands_are_told_apart_however_they_are_turned(hand_at, gesture, turn):
    right = hand_at(WRIST, 'right', gesture, turn)
    left = hand_at(WRIST, 'left', gesture, turn)
    assert bend(right) > 1.5 and bend(left) == pytest.approx(-bend(right))
    assert right_log_odds(right, NOISE_M) > 1.0 > -1.0 > right_log_odds(left, NOISE_M)


def test_it_is_the_sum_of_sines(hand_at):
    assert bend(hand_at(WRIST, 'right', 'fist')) > 5.0
    assert abs(bend(hand_at(WRIST, 'right', 'open'))) < 0.7
    points = hand_at(WRIST, 'right', 'grasp')
    to_thumb = (points[5] - points[17]) / np.linalg.norm(points[5] - points[17])
    sines = 0.0
    for base in (5, 9, 13, 17):
        bones = np.diff(points[[0, base, base + 1, base + 2, base + 3]], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        sines += (np.cross(bones[:-1], bones[1:]) @ to_thumb).sum()
    assert bend(points) == pytest.approx(sines, abs=1e-12)


def test_a_flat_a_far_and_an_unknown_hand_say_little(hand_at):
    assert abs(right_log_odds(hand_at(WRIST, 'left', 'open'), NOISE_M)) < 0.7
    fist = hand_at(WRIST, 'right', 'fist')
    assert right_log_odds(fist, 0.2) < 0.1
    fist[3] = np.nan
    assert right_log_odds(fist, NOISE_M) == 0.0


def test_noise_of_a_pixel_is_borne(hand_at):
    rng = np.random.default_rng(0)
    fist = hand_at(WRIST, 'left', 'grasp')
    noisy = [fist + [0, 0, 1] * rng.normal(scale=NOISE_M, size=(21, 1)) for _ in range(100)]
    assert np.mean([right_log_odds(points, NOISE_M) < 0 for points in noisy]) > 0.95
