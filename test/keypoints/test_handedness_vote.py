"""Left or right over time."""

from __future__ import annotations

from realhands_ros.keypoints.handedness_vote import HandednessVote


def vote_of(*looks: float) -> HandednessVote:
    vote = HandednessVote()
    for look in looks:
        vote.add(look)
    return vote


def test_one_look_decides_and_more_make_sure():
    assert vote_of(0.9).handedness == 'right'
    assert vote_of(0.2).handedness == 'left'
    assert vote_of(*[0.8] * 5).score > vote_of(0.8).score > 0.5
    assert vote_of(*[0.9] * 1000).score <= 1.0


def test_a_doubtful_look_does_not_turn_a_clear_vote():
    assert vote_of(0.95, 0.95, 0.3, 0.1).handedness == 'right'


def test_two_seconds_of_a_deceiving_pose_do_not_turn_what_was_seen_before():
    assert vote_of(*[0.05] * 200, *[0.95] * 120).handedness == 'left'


def test_a_wrong_beginning_comes_to_an_end():
    assert vote_of(*[0.9] * 3, *[0.05] * 10).handedness == 'left'
    # However long it lasted.
    assert vote_of(*[0.95] * 5000, *[0.05] * 600).handedness == 'left'


def test_impossible_certainty_is_no_error():
    assert vote_of(1.0, 0.0, 1.0).handedness == 'right'
