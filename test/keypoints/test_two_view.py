"""Epipolar distance, triangulation and pairing, for rectified and for any other rigs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.keypoints.two_view import (
    epipolar_distances,
    lay_on_keypoints,
    match_views,
    pair,
    triangulate,
)

WRIST = (-0.03, 0.05, 0.45)


def test_exact_keypoints_give_the_exact_hand(rig, hand_at):
    hand = hand_at(WRIST)
    pixels = [camera.project(hand) for camera in rig.views]
    found = triangulate(rig.views, pixels)
    np.testing.assert_allclose(found.points, hand, atol=1e-6)
    np.testing.assert_allclose(found.residuals_px, 0.0, atol=1e-3)
    assert found.in_front.all()
    np.testing.assert_allclose(epipolar_distances(rig.views, *pixels), 0.0, atol=1e-6)


def test_noise_in_pixels_stays_noise_of_its_size(rig, hand_at):
    """Errors are those that the geometry explains: depth^2 / (f b) a pixel of disparity."""
    hand = hand_at(WRIST)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(30):
        pixels = [c.project(hand) + 0.5 * rng.normal(size=(21, 2)) for c in rig.views]
        errors.append(triangulate(rig.views, pixels).points - hand)
    focal = rig.left.intrinsics[0, 0]
    expected = WRIST[2] ** 2 / (focal * rig.baseline) * 0.5 * np.sqrt(2)
    assert np.std(np.array(errors)[..., 2]) < 1.5 * expected
    assert np.abs(np.mean(errors)) < 0.001


def test_a_keypoint_with_a_low_score_in_one_view_is_held_by_the_other(rig, hand_at):
    hand = hand_at(WRIST)
    pixels = [camera.project(hand) for camera in rig.views]
    # Across the epipolar lines, so that the views disagree.
    pixels[1][4, 1] += 12.0
    scores = [np.ones(21), np.ones(21)]
    even = triangulate(rig.views, pixels, scores)
    scores[1][4] = 0.01
    held = triangulate(rig.views, pixels, scores)
    assert held.residuals_px[0, 4] < 0.1 * even.residuals_px[0, 4]


def test_each_keypoint_is_the_weighted_least_squares_of_its_rows(rig, hand_at):
    """Hartley and Zisserman, 12.2, point for point, with the depths of the round before."""
    rng = np.random.default_rng(0)
    pixels = [c.project(hand_at(WRIST)) + rng.normal(size=(21, 2)) for c in rig.views]
    scores = rng.uniform(0.1, 1.0, (2, 21))
    found = triangulate(rig.views, pixels, scores)
    for n, point in enumerate(found.points):
        expected = None
        for _ in range(3):
            rows = []
            for camera, keypoints, score in zip(rig.views, pixels, scores, strict=True):
                P = camera.projection
                depth = 1.0 if expected is None else camera.to_camera(expected)[2]
                rows.append(np.sqrt(score[n]) / depth * (P[:2] - keypoints[n][:, None] * P[2]))
            system = np.concatenate(rows)
            expected = np.linalg.lstsq(system[:, :3], -system[:, 3], rcond=None)[0]
        np.testing.assert_allclose(point, expected, atol=1e-9)
    for camera, keypoints, residuals in zip(rig.views, pixels, found.residuals_px, strict=True):
        away = np.linalg.norm(camera.project(found.points) - keypoints, axis=1)
        np.testing.assert_allclose(residuals, away, atol=1e-9)


def test_unknown_keypoints_stay_unknown(rig, hand_at):
    pixels = [camera.project(hand_at(WRIST)) for camera in rig.views]
    pixels[0][7] = np.nan
    found = triangulate(rig.views, pixels)
    assert np.isnan(found.points[7]).all() and np.isnan(found.residuals_px[:, 7]).all()
    assert np.isfinite(np.delete(found.points, 7, axis=0)).all()


def test_parallel_rays_meet_nowhere(rectified):
    pixels = np.full((21, 2), 100.0)
    found = triangulate(rectified.views, (pixels, pixels))
    assert np.isnan(found.points).all() and not found.in_front.any()


def test_epipolar_distance_is_in_pixels(rectified, hand_at):
    """In a rectified pair it is the difference of the rows, over the square root of two."""
    left, right = (camera.project(hand_at(WRIST)) for camera in rectified.views)
    right[:, 1] += 4.0
    np.testing.assert_allclose(
        epipolar_distances(rectified.views, left, right), 4.0 / np.sqrt(2), atol=1e-6
    )


def test_one_hand_is_one_hand(rig, hand_at, detection):
    hand = hand_at(WRIST)
    left, right = (detection(hand, c, noise_px=1.0, seed=i) for i, c in enumerate(rig.views))
    pairing = pair(rig.views, left, right)
    assert pairing.is_one_hand and not pairing.is_swapped
    assert pairing.scale == pytest.approx(1.0, abs=0.15)


def test_hands_on_other_lines_are_two(rig, hand_at, detection):
    left = detection(hand_at(WRIST), rig.left)
    right = detection(hand_at((-0.03, -0.09, 0.45)), rig.right)
    assert not pair(rig.views, left, right).is_one_hand


def test_two_hands_on_one_line_do_not_fit_in_size(rectified, hand_at, detection):
    """A far hand taken for a near one would be a giant's or a dwarf's."""
    near, far = hand_at((0.1, 0.05, 0.35)), hand_at((-0.08, 0.05, 0.6))
    left = detection(near, rectified.left)
    moved = far * [1.0, 0.0, 1.0] + near * [0.0, 1.0, 0.0] * far[:, 2:] / near[:, 2:]
    right = detection(moved, rectified.right)
    assert not pair(rectified.views, left, right).is_one_hand


def test_exchanged_views_are_noticed(rig, hand_at, detection):
    left, right = (detection(hand_at(WRIST), camera) for camera in rig.views)
    # The left camera's image under the right camera's name, and the other way round.
    pairing = pair((rig.right, rig.left), left, right)
    if rig.left.width == rig.right.width:
        assert pairing.is_swapped and not pairing.is_one_hand
        assert np.isnan(pairing.triangulation.points).all()
    else:
        assert not pairing.is_one_hand


def test_a_smaller_person_has_smaller_hands(rectified, hand_at, detection):
    hand = hand_at(WRIST)
    small = hand[0] + 0.75 * (hand - hand[0])
    seen = [detection(small, camera) for camera in rectified.views]
    seen = [replace(hand_seen, world=hand_seen.world / 0.75) for hand_seen in seen]
    pairing = pair(rectified.views, *seen)
    assert pairing.is_one_hand
    assert pairing.scale == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize('where', ['left', 'both', 'scores', 'everything'])
@pytest.mark.filterwarnings('error')
def test_whatever_a_detector_says_is_survived(rig, hand_at, bad, where):
    pixels = [camera.project(hand_at(WRIST)) for camera in rig.views]
    scores = [np.ones(21), np.ones(21)]
    for view in range(2 if where in ('both', 'everything') else 1):
        if where != 'scores':
            pixels[view][:] = bad
    if where in ('scores', 'everything'):
        scores[1][:] = bad
    found = triangulate(rig.views, pixels, scores)
    if where == 'scores' and np.isfinite(bad):  # a large score is just sure
        assert found.in_front.all()
    else:
        assert np.isnan(found.points).all() and np.isnan(found.residuals_px).all()
        assert not found.in_front.any()


def test_a_bad_score_costs_its_own_keypoint_only(rig, hand_at):
    hand = hand_at(WRIST)
    scores = [np.ones(21), np.ones(21)]
    scores[1][4] = np.nan
    found = triangulate(rig.views, [camera.project(hand) for camera in rig.views], scores)
    assert np.isnan(found.points[4]).all()
    np.testing.assert_allclose(np.delete(found.points, 4, 0), np.delete(hand, 4, 0), atol=1e-6)


# Where a hand is that one camera sees.


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


# Which detections of two views are one hand.

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
