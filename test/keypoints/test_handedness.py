"""Left and right by the way the fingers bend."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.keypoints.handedness import (
    HandednessVote,
    bend,
    log_odds_of_look,
    right_log_odds,
)

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


# Left or right over time.


def vote_of(*looks: float) -> HandednessVote:
    vote = HandednessVote()
    for look in looks:
        vote.add(log_odds_of_look(look))
    return vote


def test_one_look_decides_and_more_make_sure():
    assert vote_of(0.9).handedness == 'right'
    assert vote_of(0.2).handedness == 'left'
    assert vote_of(*[0.8] * 5).score > vote_of(0.8).score > 0.5
    assert vote_of(*[0.9] * 1000).score <= 1.0


def test_a_doubtful_look_does_not_turn_a_clear_vote():
    assert vote_of(0.95, 0.95, 0.3, 0.1).handedness == 'right'


def test_two_seconds_of_a_deceiving_pose_do_not_turn_what_was_seen_before():
    assert vote_of(*[0.05] * 200, *[0.95] * 60).handedness == 'left'


def test_a_wrong_beginning_comes_to_an_end():
    assert vote_of(*[0.9] * 3, *[0.05] * 10).handedness == 'left'
    # However long it lasted.
    assert vote_of(*[0.95] * 5000, *[0.05] * 600).handedness == 'left'


def test_a_large_hand_counts_more_than_a_small_one():
    assert log_odds_of_look(0.9, 120.0) > log_odds_of_look(0.9, 80.0) > log_odds_of_look(0.9, 40.0)
    assert log_odds_of_look(0.9, 1e6) < 10.0


def test_impossible_certainty_is_no_error():
    assert vote_of(1.0, 0.0, 1.0).handedness == 'right'
