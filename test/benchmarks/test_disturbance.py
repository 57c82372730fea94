from __future__ import annotations

import numpy as np
import pytest

from benchmarks.common.refinement_samples import (
    HandDisturbance,
    RefinementSampler,
    disturb_hand,
    disturb_keypoints,
    disturb_mask,
)
from realhands_ros.evaluation.metrics import mask_iou, mean_position_error, procrustes_aligned
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data


@pytest.fixture(scope='module')
def model() -> FastHandModel:
    return FastHandModel(load_hand_model_data(default_model_folder()), dtype=np.float64)


def test_a_disturbed_hand_is_as_wrong_as_was_asked_for(model):
    pose, shape, translation = np.full(48, 0.2), np.zeros(10), np.array([0.0, 0.1, 0.5])
    wanted = HandDisturbance((0.008, 0.0081), (0.02, 0.0201), root_angle_deg=0.0)
    start = disturb_hand(np.random.default_rng(0), model, pose, shape, translation, wanted)
    truth, disturbed = model.forward(pose, shape, translation), model.forward(*start)
    aligned = procrustes_aligned(disturbed.vertices, truth.vertices, allow_reflection=False)
    assert mean_position_error(aligned, truth.vertices) == pytest.approx(0.008, abs=2e-4)
    wrist_error = np.linalg.norm(disturbed.joints[0] - truth.joints[0])
    assert wrist_error == pytest.approx(0.02, abs=2e-4)
    np.testing.assert_allclose(start[0][:3], pose[:3], atol=1e-9)


def test_a_seed_gives_the_same_numbers(model):
    arguments = model, np.zeros(48), np.zeros(10), np.zeros(3)
    first, second, other = (
        disturb_hand(np.random.default_rng(seed), *arguments)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.01


def test_keypoints_are_noisy_and_outliers_have_low_scores():
    keypoints = np.random.default_rng(0).uniform(0.0, 200.0, (21, 2))
    rng = np.random.default_rng(1)
    found, scores = disturb_keypoints(rng, keypoints, noise=0.01, outlier_share=0.3)
    size = np.ptp(keypoints, axis=0).max()
    distance = np.linalg.norm(found - keypoints, axis=1)
    outlier = distance > 0.05 * size
    assert 1 < outlier.sum() < 15
    assert scores[outlier].max() <= 0.6
    assert scores[~outlier].mean() > scores[outlier].mean() + 0.2
    assert 0.005 * size < distance[~outlier].mean() < 0.04 * size


@pytest.mark.parametrize('kind', ['eroded', 'dilated', 'holes', 'arm', 'unsure', 'all'])
def test_disturbed_masks_are_like_a_network_s(kind):
    y, x = np.mgrid[:224, :224]
    mask = ((x - 100) ** 2 / 50**2 + (y - 120) ** 2 / 70**2 < 1).astype(np.float32)
    found = disturb_mask(np.random.default_rng(3), mask, kind, wrist_px=np.array([100.0, 180.0]))
    assert found.dtype == np.float32
    assert 0.0 <= found.min() <= found.max() <= 1.0 + 1e-6
    assert 0.7 < mask_iou(found > 0.5, mask > 0.5) < 0.999
    added, removed = (found > 0.5) & (mask < 0.5), (found < 0.5) & (mask > 0.5)
    if kind in ('eroded', 'holes'):
        assert removed.sum() > 10 * added.sum()
    if kind in ('dilated', 'arm'):
        assert added.sum() > 10 * removed.sum()
    if kind == 'arm':
        assert np.nonzero(added)[0].mean() > 180.0


def test_samples_agree_with_their_own_truth():
    sampler = RefinementSampler(load_hand_model_data(default_model_folder()), size=96)
    sample = sampler.draw(1)
    truth = sampler.errors(sample, sample.truth)
    assert truth.iou == 1.0
    assert max(truth.aligned_error, truth.wrist_error, truth.centre_error) < 1e-9
    start = sampler.errors(sample, sample.estimate.parameters)
    assert 0.005 < start.aligned_error < 0.015
    assert 0.008 < start.wrist_error < 0.022
    mono = sample.first_view().without_keypoints()
    assert len(mono.estimate.views) == len(mono.masks) == 1
    assert mono.estimate.views[0].keypoints_px is None
    rough = RefinementSampler(sampler.data, size=96, surface_m=0.002).draw(1)
    length = np.linalg.norm(rough.truth.vertex_offsets, axis=1)
    assert np.sqrt((length**2).mean()) == pytest.approx(0.002)
