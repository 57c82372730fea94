"""The scores of a hand on cases with known answers, and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from realhands_ros.data.truth import TrueHand
from realhands_ros.evaluation.methods import PoseLevel, Reconstruction
from realhands_ros.evaluation.metrics import bone_length_variation, jitter_rms
from realhands_ros.evaluation.scores import HAND_METRICS, Tracks, hand_scores
from realhands_ros.hand.fast_model import FastHandModel


@pytest.fixture
def truth(models) -> TrueHand:
    rng = np.random.default_rng(1)
    pose = rng.normal(size=48) * 0.2
    hand = FastHandModel(models['right'], dtype=np.float64)
    posed = hand.forward(pose, rng.normal(size=10), (0.02, -0.03, 0.4))
    return TrueHand('right', posed.keypoints, posed.vertices, pose[:3])


def found(truth: TrueHand, change) -> Reconstruction:
    return Reconstruction(change(truth.keypoints), change(truth.vertices), truth.root_aa)


def test_the_true_hand_is_perfect(truth):
    scores = hand_scores(found(truth, lambda points: points), truth)
    assert scores.keys() == HAND_METRICS.keys()
    for name, metric in HAND_METRICS.items():
        # The PCK at the threshold zero asks for more than floating point has.
        tolerance = 0.01 if name.startswith('auc') else 1e-5
        expected = 1.0 if metric.higher else 0.0
        assert scores[name] == pytest.approx(expected, abs=tolerance), name


def test_a_shifted_hand_is_wrong_in_place_only(truth):
    scores = hand_scores(found(truth, lambda points: points + [0.0, 0.003, 0.004]), truth)
    assert scores['wrist'] == pytest.approx(5.0)
    assert scores['centre'] == pytest.approx(5.0)
    assert scores['mpvpe_abs'] == pytest.approx(5.0)
    assert scores['mpvpe'] == pytest.approx(0.0, abs=1e-9)
    assert scores['pa_mpvpe_proper'] == pytest.approx(0.0, abs=1e-4)


def test_a_mirrored_hand_shows_the_difference_between_the_alignments(truth):
    scores = hand_scores(found(truth, lambda points: points * [-1, 1, 1]), truth)
    assert scores['pa_mpvpe'] < 1e-3
    assert scores['pa_mpvpe_proper'] > 3.0
    assert scores['f5'] == 1.0


def test_a_method_is_not_scored_on_what_it_does_not_know(truth):
    form = Reconstruction(truth.keypoints, truth.vertices, level=PoseLevel.FORM)
    assert not {'mpjpe', 'wrist', 'wrist_rotation'} & hand_scores(form, truth).keys()
    points = Reconstruction(truth.keypoints, level=PoseLevel.ORIENTATION)
    scores = hand_scores(points, truth)
    assert 'mpjpe' in scores and 'wrist' not in scores and 'pa_mpvpe' not in scores


def test_all_scores_agree_with_plain_loops(truth):
    rng = np.random.default_rng(2)
    turn = Rotation.from_rotvec([0.1, 0.4, -0.2]).as_matrix()

    def disturb(points):
        return 1.1 * points @ turn.T + [0.01, 0.02, 0.0] + rng.normal(size=points.shape) * 0.006

    reconstruction = Reconstruction(
        disturb(truth.keypoints), disturb(truth.vertices), truth.root_aa + [0.0, 0.1, 0.0]
    )
    scores = hand_scores(reconstruction, truth)
    expected = plain_scores(reconstruction, truth)
    assert scores.keys() == expected.keys()
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, abs=1e-6), name


def plain_scores(found: Reconstruction, truth: TrueHand) -> dict[str, float]:
    """Compute everything one number at a time, sharing nothing with the package."""
    scores = {}
    relative = {}
    for letter, points, true in (
        ('v', found.vertices, truth.vertices),
        ('j', found.keypoints, truth.keypoints),
    ):
        mirroring = distances(aligned(points, true, proper=False), true)
        scores[f'pa_mp{letter}pe'] = 1000 * mean(mirroring)
        scores[f'pa_mp{letter}pe_proper'] = 1000 * mean(
            distances(aligned(points, true, proper=True), true)
        )
        relative[letter] = distances(points - found.keypoints[0], true - truth.keypoints[0])
        scores[f'mp{letter}pe'] = 1000 * mean(relative[letter])
        scores[f'mp{letter}pe_abs'] = 1000 * mean(distances(points, true))
        scores['auc' if letter == 'v' else 'auc_keypoints'] = area(mirroring)
    scores['auc_relative'] = area(relative['v'])
    best = aligned(found.vertices, truth.vertices, proper=False)
    for limit in (5, 15):
        scores[f'f{limit}'] = f_measure(best, truth.vertices, limit / 1000)
        scores[f'f{limit}_raw'] = f_measure(found.vertices, truth.vertices, limit / 1000)
    scores['wrist'] = 1000 * math.dist(found.keypoints[0], truth.keypoints[0])
    scores['centre'] = 1000 * math.dist(found.vertices.mean(0), truth.vertices.mean(0))
    first, second = (Rotation.from_rotvec(h.root_aa).as_matrix() for h in (found, truth))
    scores['wrist_rotation'] = math.degrees(math.acos((np.trace(first.T @ second) - 1) / 2))
    return scores


def aligned(points, true, *, proper):
    centre, true_centre = points.mean(0), true.mean(0)
    a, b = true - true_centre, points - centre
    rotation, scale = orthogonal_procrustes(a / np.linalg.norm(a), b / np.linalg.norm(b))
    if proper and np.linalg.det(rotation) < 0:
        u, s, vt = np.linalg.svd(a.T @ b / np.linalg.norm(a) / np.linalg.norm(b))
        rotation = u @ np.diag([1, 1, -1]) @ vt
        scale = s[0] + s[1] - s[2]
    moved = b / np.linalg.norm(b) @ rotation.T * scale
    return moved * np.linalg.norm(a) + true_centre


def distances(points, true):
    return [math.dist(p, q) for p, q in zip(points, true, strict=True)]


def mean(values):
    return sum(values) / len(values)


def area(errors):
    curve = [mean([error <= t for error in errors]) for t in np.linspace(0.0, 0.05, 100)]
    return sum((a + b) / 2 for a, b in zip(curve, curve[1:], strict=False)) / 99


def f_measure(points, true, limit):
    between = np.linalg.norm(points[:, None] - true[None], axis=-1)
    precision, recall = mean(between.min(1) < limit), mean(between.min(0) < limit)
    return 2 * precision * recall / (precision + recall)


# Steadiness is measured over runs of consecutive frames, track by track.


def test_a_still_hand_is_steady():
    hand = np.random.default_rng(0).normal(size=(21, 3))
    tracks = Tracks()
    for frame in range(20):
        tracks.add(frame, 0, hand)
    assert tracks.scores() == pytest.approx({'jitter': 0.0, 'bone_variation': 0.0}, abs=1e-3)


def test_runs_and_tracks_are_told_apart():
    rng = np.random.default_rng(1)
    # Two hands, far from each other, interleaved; the second is away for a while.
    first, second = rng.normal(size=(40, 21, 3)) * 0.001, 5 + rng.normal(size=(40, 21, 3)) * 0.003
    seen = [*range(15), *range(20, 40)]
    tracks = Tracks()
    for frame in range(40):
        tracks.add(frame, 7, first[frame])
        if frame in seen:
            tracks.add(frame, 3, second[frame])
    runs = [first, second[:15], second[20:]]
    squares = [np.mean([jitter_rms(run[:, k]) ** 2 for k in range(21)]) for run in runs]
    lengths = [len(run) - 10 for run in runs]
    expected = 1000 * np.sqrt(np.average(squares, weights=lengths))
    scores = tracks.scores()
    assert scores['jitter'] == pytest.approx(expected, rel=1e-3)
    variation = np.mean([bone_length_variation(first), bone_length_variation(second[seen])])
    assert scores['bone_variation'] == pytest.approx(100 * variation, rel=1e-2)


def test_too_few_frames_tell_nothing():
    tracks = Tracks()
    assert tracks.scores() == {}
    tracks.add(0, 0, np.ones((21, 3)))
    assert tracks.scores() == {}
