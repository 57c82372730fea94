"""Which detections of two views are one hand."""

from __future__ import annotations

from realhands_ros.keypoints.sighting import match_views

RIGHT, LEFT = (0.12, 0.05, 0.45), (-0.12, 0.05, 0.45)


def test_two_hands_at_one_height_are_told_apart(rig, hand_at, detection):
    hands = [(hand_at(RIGHT), 'right'), (hand_at(LEFT, 'left'), 'left')]
    lefts = [detection(hand, rig.left, side, noise_px=1.0) for hand, side in hands]
    rights = [detection(hand, rig.right, side, noise_px=1.0) for hand, side in hands[::-1]]
    found = match_views((lefts, rights), rig.views)
    assert [hand.views for hand in found.hands] == [(lefts[0], rights[1]), (lefts[1], rights[0])]
    assert found.hands[0].right > 0.9 and found.hands[1].right < 0.1
    assert not found.look_swapped


def test_a_hand_that_one_view_sees_stays_alone(rig, hand_at, detection):
    seen = detection(hand_at(RIGHT), rig.right)
    found = match_views(([], [seen]), rig.views)
    assert [hand.views for hand in found.hands] == [(None, seen)]
    assert found.hands[0].pairing is None
    assert match_views(([seen],), rig.views[:1]).hands[0].views == (seen,)


def test_no_hands(rig):
    assert match_views(([], []), rig.views).hands == ()


def test_exchanged_views_are_reported(rectified, hand_at, detection):
    left, right = (detection(hand_at(RIGHT), camera) for camera in rectified.views)
    found = match_views(([right], [left]), rectified.views)
    assert found.look_swapped
    assert len(found.hands) == 2
