"""Metrics on cases with known answers, and against straightforward computations."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from realhands_ros.evaluation import metrics
from realhands_ros.evaluation.metrics import TrackedHand, TrackingCounts


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def similar_hand(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    true = rng.normal(size=(778, 3)) * 0.05 + [0.1, 0.0, 0.5]
    rotation = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    return 1.3 * true @ rotation.T + rng.normal(size=3), true


def freihand_alignment(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the prediction aligned step by step as FreiHAND's program describes it."""
    true_centre, centre = true.mean(0), predicted.mean(0)
    true_norm = np.linalg.norm(true - true_centre) + 1e-8
    norm = np.linalg.norm(predicted - centre) + 1e-8
    rotation, scale = orthogonal_procrustes(
        (true - true_centre) / true_norm, (predicted - centre) / norm
    )
    return (predicted - centre) / norm @ rotation.T * scale * true_norm + true_centre


def test_shifted_points_have_the_shift_as_error():
    true = np.zeros((21, 3))
    assert metrics.mean_position_error(true + [0.003, 0.0, 0.004], true) == pytest.approx(0.005)
    shifted = metrics.root_relative(true + 1.0, (true + 1.0)[0])
    assert metrics.mean_position_error(shifted, true) == 0.0


@pytest.mark.parametrize('allow_reflection', [True, False])
def test_alignment_removes_a_similarity(rng, allow_reflection):
    predicted, true = similar_hand(rng)
    aligned = metrics.procrustes_aligned(predicted, true, allow_reflection=allow_reflection)
    np.testing.assert_allclose(aligned, true, atol=1e-7)


def test_alignment_agrees_with_freihands_own_steps(rng):
    predicted, true = similar_hand(rng)
    predicted = predicted + rng.normal(size=predicted.shape) * 0.01
    aligned = metrics.procrustes_aligned(predicted, true, allow_reflection=True)
    np.testing.assert_allclose(aligned, freihand_alignment(true, predicted), atol=1e-6)


def test_only_the_reflecting_alignment_forgives_a_mirrored_hand(rng):
    _, true = similar_hand(rng)
    mirrored = true * [-1, 1, 1]
    forgiven = metrics.procrustes_aligned(mirrored, true, allow_reflection=True)
    proper = metrics.procrustes_aligned(mirrored, true, allow_reflection=False)
    assert metrics.mean_position_error(forgiven, true) < 1e-6
    assert metrics.mean_position_error(proper, true) > 0.01


def test_pck_and_auc_have_their_closed_forms():
    np.testing.assert_allclose(metrics.pck([1.0, 2.0, 3.0, 4.0], [0.5, 2.0, 9.0]), [0, 0.5, 1])
    assert metrics.pck_auc(np.zeros(10)) == 1.0
    assert metrics.pck_auc(np.full(10, 0.06)) == 0.0
    assert metrics.pck_auc(np.full(10, 0.025)) == pytest.approx(0.5, abs=0.01)


def test_auc_agrees_with_counting_by_hand(rng):
    errors = rng.random(500) * 0.08
    thresholds = metrics.FREIHAND_PCK_THRESHOLDS
    curve = [sum(error <= threshold for error in errors) / 500 for threshold in thresholds]
    area = sum((curve[i] + curve[i + 1]) / 2 for i in range(99)) / 99
    assert metrics.pck_auc(errors) == pytest.approx(area, abs=1e-6)


def test_f_score_agrees_with_all_pairs(rng):
    predicted, true = rng.random((200, 3)), rng.random((150, 3))
    distances = np.linalg.norm(predicted[:, None] - true[None], axis=-1)
    precision, recall = (distances.min(1) < 0.1).mean(), (distances.min(0) < 0.1).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert metrics.f_score(predicted, true, 0.1) == pytest.approx(expected, abs=1e-12)


def test_f_score_threshold_is_strict():
    assert metrics.f_score([[0.0, 0, 0]], [[0.25, 0, 0]], 0.25) == 0.0
    assert metrics.f_score([[0.0, 0, 0]], [[0.25, 0, 0]], 0.26) == 1.0


def test_mask_metrics_of_two_overlapping_squares():
    first, second = np.zeros((2, 10, 10), bool)
    first[2:6, 2:6] = second[2:6, 4:8] = True
    assert metrics.mask_iou(first, second) == pytest.approx(8 / 24)
    assert metrics.pixel_accuracy(first, second) == pytest.approx(0.84)
    assert metrics.boundary_f(first, first, 0.0) == 1.0
    assert metrics.boundary_f(first, second, 0.5) == pytest.approx(4 / 12)
    assert metrics.boundary_f(first, second, 2.0) == 1.0


def test_empty_masks():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    assert metrics.mask_iou(empty, empty) == 1.0
    assert metrics.mask_iou(empty, full) == 0.0
    assert metrics.boundary_f(empty, np.eye(4, dtype=bool), 1.0) == 0.0


def test_jitter_ignores_steady_motion_and_measures_shaking():
    frames = np.arange(100.0)
    steady = np.stack([0.01 * frames, -0.02 * frames], -1)
    assert metrics.jitter_rms(steady) == pytest.approx(0.0, abs=1e-12)
    shaking = steady.copy()
    shaking[:, 0] += np.where(frames % 2, 0.001, -0.001)
    # The moving average of +-a over 11 frames is -+a/11, against the centre's sign.
    assert metrics.jitter_rms(shaking) == pytest.approx(0.001 * 12 / 11, rel=1e-9)
    assert np.isnan(metrics.jitter_rms(steady[:5]))


def test_bone_variation_of_a_breathing_skeleton(rng):
    hand = rng.normal(size=(21, 3))
    scales = np.array([0.9, 1.1])
    assert metrics.bone_length_variation(np.stack([hand, hand + 1.0])) < 1e-12
    sequence = scales[:, None, None] * hand
    assert metrics.bone_length_variation(sequence) == pytest.approx(0.1)


def test_rotation_error_is_the_angle_between():
    assert metrics.rotation_error([[0.0, 0.0, 0.3]], [[0.0, 0.0, -0.2]])[0] == pytest.approx(0.5)


def test_tracking_counts_every_kind_of_mistake():
    def hand(identity: str, side: str, x: float) -> TrackedHand:
        return TrackedHand(identity, side, (x, 0.0, 0.5))

    true = [[hand('L', 'left', -0.2), hand('R', 'right', 0.2)]] * 4
    predicted = [
        [hand('b', 'right', 0.21), hand('a', 'left', -0.21)],  # both right, in another order
        [hand('a', 'left', -0.2)],  # one missed
        [hand('a', 'left', -0.2), hand('c', 'left', 0.2)],  # new identity, wrong side
        [hand('a', 'left', -0.2), hand('c', 'right', 0.2), hand('d', 'left', 0.9)],  # one false
    ]
    assert metrics.tracking_counts(predicted, true) == TrackingCounts(
        matched=7, misses=1, false_hands=1, id_switches=1, handedness_errors=1
    )


def test_latency_percentiles():
    assert metrics.latency_percentiles(np.arange(101.0)) == {'p50': 50.0, 'p95': 95.0, 'p99': 99.0}
    assert np.isnan(metrics.latency_percentiles([])['p50'])
