"""Hidden keypoints, and those on which two views disagree, are less precise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.keypoint_noise import depth_behind, keypoint_precision
from realhands_ros.refinement.view_set import ViewSet

NOISE = np.full(21, 0.02)
NOTHING_HIDDEN = np.zeros((2, 21))


@pytest.fixture
def views(model, sample) -> ViewSet:
    """Two views whose keypoints are where the true hand has them."""
    views = ViewSet(sample.estimate.views)
    views.keypoints_px, _ = views.project(model.pose(sample.truth)[2])
    views.keypoint_weights[:] = 1.0
    return views


def test_noise_is_a_share_of_the_keypoints_box(views):
    precision = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    for view in range(2):
        size = np.ptp(views.keypoints_px[view], axis=0).max() * views.ndc_per_px
        np.testing.assert_allclose(precision[view], 1.0 / (0.02 * size), rtol=1e-3)


def test_the_deeper_a_keypoint_is_hidden_the_less_it_counts(views):
    behind = NOTHING_HIDDEN.copy()
    behind[0, 8], behind[0, 12] = 0.016, 0.046
    seen = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    hidden = keypoint_precision(views, NOISE, 2.0, behind)
    assert hidden[0, 8] == pytest.approx(0.5 * seen[0, 8], rel=0.01)
    assert hidden[0, 12] == pytest.approx(0.2 * seen[0, 12], rel=0.01)
    others = [k for k in range(21) if k not in (8, 12)]
    np.testing.assert_allclose(hidden[0, others], seen[0, others])


def test_keypoints_on_which_two_views_disagree_count_less(views):
    agreed = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    # The views lie side by side: up and down is away from the epipolar line.
    views.keypoints_px[0, 8, 1] += 20.0
    disagreed = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    share = disagreed / agreed
    assert (share[:, 8] < 0.5).all()
    np.testing.assert_allclose(np.delete(share, 8, axis=1), 1.0, rtol=0.1)
    # Along the line nobody can tell.
    views.keypoints_px[0, 8] += [10.0, -20.0]
    along = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN) / agreed
    np.testing.assert_allclose(along, 1.0, rtol=0.1)


def test_unknown_keypoints_and_views_without_any(views):
    views.keypoint_weights[0, 3] = 0.0
    views.keypoints_px[0, 3] = 0.0
    precision = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    assert np.isfinite(precision).all()
    views.keypoint_weights[0] = 0.0
    precision = keypoint_precision(views, NOISE, 2.0, NOTHING_HIDDEN)
    assert not precision[0].any()
    assert precision[1].all()


def test_depth_is_measured_from_the_surface_that_hides_a_point(model, sample):
    energy = Energy(model, ViewSet(sample.estimate.views), EnergyConfig(), sample.truth)
    posed = energy.start

    def behind(shift_m):
        depth = posed.vertices_depth[:, :21] + shift_m
        return depth_behind(
            energy.start_face_ids, model.faces, posed.vertices_depth, posed.vertices_px[:, :21],
            depth,
        )  # fmt: skip

    surface, deeper = behind(0.0), behind(0.05)
    on_mesh = deeper > 0.0
    assert on_mesh.any()
    np.testing.assert_allclose((deeper - surface)[surface > 0.0], 0.05, atol=1e-9)
    assert not behind(-1.0).any()


def test_a_mesh_that_shows_a_finger_trusts_its_keypoints_more(model, sample):
    """What is hidden is that of the mesh that comes in; the energy keeps it all the way."""
    energy = Energy(model, ViewSet(sample.estimate.views), EnergyConfig(), sample.truth)
    plain = Energy(
        model, ViewSet(sample.estimate.views), replace(EnergyConfig(), hidden_noise=0.0),
        sample.truth,
    )  # fmt: skip
    share = energy.precision / plain.precision
    assert (share <= 1.0 + 1e-9).all()
    assert share.min() < 0.9
