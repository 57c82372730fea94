"""The squares that the landmark model looks at."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.geometry.crop import apply_affine
from realhands_ros.keypoints.mediapipe_detector import Region, region_of_keypoints, region_of_palm
from realhands_ros.keypoints.mediapipe_models import LANDMARK_INPUT_SIZE, Palm


def test_points_go_there_and_back():
    region = Region(np.array([200.0, 120.0]), 90.0, 0.7)
    points = np.random.default_rng(0).uniform(150, 250, (21, 2))
    np.testing.assert_allclose(
        region.to_image(apply_affine(region.affine, points)), points, atol=1e-9
    )
    middle = apply_affine(region.affine, region.centre)
    np.testing.assert_allclose(middle, LANDMARK_INPUT_SIZE / 2)


@pytest.mark.parametrize('turn', [0.0, 1.0, -2.5])
def test_fingers_point_up_in_the_picture_however_the_hand_is_turned(rectified, hand_at, turn):
    for wrist in ((0.0, 0.0, 0.4), (0.1, -0.05, 0.6)):
        hand = hand_at(wrist, turn_aa=(0.0, 0.0, turn))
        pixels = rectified.left.project(hand)
        region = region_of_keypoints(pixels)
        seen = apply_affine(region.affine, pixels)
        up = seen[9] - seen[0]
        assert abs(np.arctan2(up[0], -up[1])) < 0.25
        assert (seen > 0).all() and (seen < LANDMARK_INPUT_SIZE).all()
        # Large enough in the picture for the model, with room around it.
        assert 0.3 < np.ptp(seen, axis=0).max() / LANDMARK_INPUT_SIZE < 0.9


def test_vectors_turn_with_the_picture():
    region = Region(np.zeros(2), 10.0, 0.4)
    up = region.turned_to_image(np.array([[0.0, -1.0, 0.0]]))[0]
    np.testing.assert_allclose(up, [np.sin(0.4), -np.cos(0.4), 0.0], atol=1e-12)


def test_a_palm_gives_the_region_of_its_hand():
    """The palm's wrist below, the middle finger's base above: fingers are farther up."""
    keypoints = np.full((7, 2), 100.0)
    keypoints[0], keypoints[2] = (100.0, 130.0), (100.0, 90.0)
    region = region_of_palm(Palm(np.array([[80.0, 85.0], [120.0, 135.0]]), keypoints, 0.9))
    assert region.angle == pytest.approx(0.0)
    assert region.side == pytest.approx(2.6 * 50)
    np.testing.assert_allclose(region.centre, [100.0, 110.0 - 25.0])
