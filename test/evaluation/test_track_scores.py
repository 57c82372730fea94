"""Steadiness is measured over runs of consecutive frames, track by track."""

import numpy as np
import pytest

from realhands_ros.evaluation.metrics import bone_length_variation, jitter_rms
from realhands_ros.evaluation.track_scores import Tracks


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
