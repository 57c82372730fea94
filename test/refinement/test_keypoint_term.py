import numpy as np
import pytest

from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.keypoint_term import keypoint_rows
from realhands_ros.refinement.view_set import ViewSet


@pytest.fixture
def energy(model, sample) -> Energy:
    views = ViewSet(sample.estimate.views)
    return Energy(model, views, EnergyConfig(), sample.estimate.parameters)


def test_gradient_and_curvature_belong_to_the_value(energy, sample):
    points = energy.pose(sample.estimate.parameters).keypoints_px
    term = energy.keypoint_term(energy.pose(sample.estimate.parameters))
    error = points - energy.views.keypoints_px
    np.testing.assert_allclose(term.gradient_px, 2.0 * term.curvature[..., None] * error)
    scale, ndc_per_px = energy.config.keypoint_scale, energy.views.ndc_per_px
    square = (error**2).sum(axis=2) * (energy.precision * ndc_per_px) ** 2
    share = energy.views.keypoint_weights / energy.views.keypoint_weights.size
    assert term.value == pytest.approx((share * square / (1.0 + square / scale**2)).sum())


def test_a_view_without_keypoints_counts_for_nothing(energy, sample):
    posed = energy.pose(sample.estimate.parameters)
    energy.views.keypoint_weights[0] = 0.0
    term = energy.keypoint_term(posed)
    assert not term.gradient_px[0].any()
    energy.views.keypoint_weights[:] = 0.0
    assert energy.keypoint_term(posed).value == 0.0


def test_rows_are_the_derivatives_of_the_marks(energy):
    rng = np.random.default_rng(0)
    slopes = rng.normal(size=(2, 21, 2, 3))
    jacobian = rng.normal(size=(21, 3, 61)).astype(np.float32)
    expected = np.einsum('bkpc,kj,jcn->bkpn', slopes, energy.marks, jacobian)
    rows = keypoint_rows(slopes, energy.marks, jacobian)
    np.testing.assert_allclose(rows, expected.reshape(84, 61), atol=1e-12)
