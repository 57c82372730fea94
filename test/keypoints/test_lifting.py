"""Where a hand is that one camera sees."""

from __future__ import annotations

import numpy as np

from realhands_ros.keypoints.lifting import lay_on_keypoints


def test_a_known_form_is_put_back_where_it_was(rig, hand_at):
    hand = hand_at((-0.03, 0.05, 0.45))
    for camera in rig.views:
        placed = lay_on_keypoints(hand - hand.mean(axis=0), camera.project(hand), camera)
        np.testing.assert_allclose(placed, hand, atol=1e-6)


def test_a_form_too_large_by_a_tenth_is_too_far_by_a_tenth(rectified, hand_at):
    hand = hand_at((0.0, 0.05, 0.5))
    placed = lay_on_keypoints(1.1 * hand, rectified.left.project(hand), rectified.left)
    np.testing.assert_allclose(placed[:, 2].mean(), 1.1 * hand[:, 2].mean(), rtol=1e-6)


def test_keypoints_that_make_no_sense_give_nothing(rectified, hand_at):
    hand = hand_at((0.0, 0.05, 0.5))
    # Upside down and mirrored: as a camera would show what is behind it.
    pixels = rectified.left.project(hand)
    assert lay_on_keypoints(hand, 2 * pixels.mean(axis=0) - pixels, rectified.left) is None
    assert lay_on_keypoints(hand, np.full((21, 2), np.nan), rectified.left) is None
