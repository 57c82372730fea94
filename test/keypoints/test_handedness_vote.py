"""Left or right over time."""

from __future__ import annotations

from realhands_ros.keypoints.handedness_vote import HandednessVote, log_odds_of_look


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
