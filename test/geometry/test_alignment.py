from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from realhands_ros.geometry.alignment import align_points

RNG = np.random.default_rng(0)


def _freihand_alignment(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Align as the FreiHAND protocol is written: one sample, scipy's Procrustes."""
    target_centre = target.mean(0)
    target = target - target_centre
    source = source - source.mean(0)
    target_norm = np.linalg.norm(target) + 1e-8
    source_norm = np.linalg.norm(source) + 1e-8
    rotation, scale = orthogonal_procrustes(target / target_norm, source / source_norm)
    return source / source_norm @ rotation.T * scale * target_norm + target_centre


@pytest.mark.parametrize('allow_reflection', [False, True])
def test_known_similarity_is_found(allow_reflection: bool) -> None:
    source = RNG.normal(size=(21, 3))
    rotation = Rotation.from_rotvec([0.4, -1.0, 2.0]).as_matrix()
    target = 0.7 * source @ rotation.T + [1, 2, 3]
    found = align_points(source, target, allow_reflection=allow_reflection)
    assert found.scale == pytest.approx(0.7)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-7)
    np.testing.assert_allclose(found.translation, [1, 2, 3], atol=1e-7)
    np.testing.assert_allclose(found.apply(source), target, atol=1e-7)


def test_allowing_reflections_is_freihands_protocol() -> None:
    sources, targets = RNG.normal(size=(2, 30, 21, 3))
    result = align_points(sources, targets, allow_reflection=True).apply(sources)
    expected = [
        _freihand_alignment(target, source)
        for target, source in zip(targets, sources, strict=True)
    ]
    np.testing.assert_allclose(result, expected, atol=1e-12)
    determinants = np.linalg.det(align_points(sources, targets, allow_reflection=True).rotation)
    assert (determinants < 0).any(), 'no case needs a reflection: the test is too weak'


def test_a_mirrored_hand_scores_zero_only_where_reflections_are_allowed() -> None:
    target = RNG.normal(size=(21, 3))
    mirrored = target * [-1, 1, 1]
    free = align_points(mirrored, target, allow_reflection=True)
    proper = align_points(mirrored, target)
    np.testing.assert_allclose(free.apply(mirrored), target, atol=1e-6)
    assert np.linalg.norm(proper.apply(mirrored) - target, axis=1).mean() > 0.1
    assert np.linalg.det(proper.rotation) == pytest.approx(1)


@pytest.mark.parametrize('with_scale', [True, False])
def test_no_nearby_map_fits_better(with_scale: bool) -> None:
    source, target = RNG.normal(size=(2, 21, 3))
    found = align_points(source, target, with_scale=with_scale)
    best = np.sum((found.apply(source) - target) ** 2)
    assert with_scale or found.scale == 1
    for _ in range(200):
        turn = Rotation.from_rotvec(RNG.normal(size=3) * 0.01).as_matrix()
        scale = found.scale * (1 + with_scale * RNG.normal() * 0.01)
        shift = found.translation + RNG.normal(size=3) * 0.01
        moved = scale * source @ (turn @ found.rotation).T + shift
        assert np.sum((moved - target) ** 2) >= best


def test_batches_are_aligned_one_by_one() -> None:
    sources, targets = RNG.normal(size=(2, 3, 4, 21, 3))
    batch = align_points(sources, targets).apply(sources)
    single = align_points(sources[2, 1], targets[2, 1]).apply(sources[2, 1])
    assert batch.shape == (3, 4, 21, 3)
    np.testing.assert_allclose(batch[2, 1], single, atol=1e-12)


def test_coinciding_points_align_to_the_centre() -> None:
    target = RNG.normal(size=(21, 3))
    result = align_points(np.zeros((21, 3)), target).apply(np.zeros((21, 3)))
    np.testing.assert_allclose(result, np.tile(target.mean(0), (21, 1)), atol=1e-9)
