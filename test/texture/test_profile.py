"""Profiles come back as they were; what is none is refused in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realhands_ros.data.hands import HandMesh, MeshFlag, MeshStage
from realhands_ros.errors import ProfileError
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.texture.profile import (
    CalibrationState,
    HandProfile,
    PersonalShape,
    ProfileHand,
    ShapeEstimate,
    load_profile,
    save_profile,
)


def a_hand(size: int = 64) -> ProfileHand:
    rng = np.random.default_rng(0)
    return ProfileHand(
        colours=rng.integers(0, 255, (size, size, 3), dtype=np.uint8),
        coverage_map=rng.integers(0, 255, (size, size), dtype=np.uint8),
        atlas=rng.integers(0, 255, (size, size, 3), dtype=np.uint8),
        coverage=0.6,
        estimate=ShapeEstimate(rng.normal(size=10), 1e-3 * rng.normal(size=(778, 3)), 50),
    )


@pytest.fixture
def profile() -> HandProfile:
    return HandProfile('0123456789abcdef', {'left': a_hand(), 'right': a_hand(128)})


def test_a_profile_comes_back(tmp_path, profile) -> None:
    save_profile(profile, tmp_path / 'me.npz')
    again = load_profile(tmp_path / 'me.npz')
    assert again.topology == profile.topology
    assert set(again.hands) == {'left', 'right'}
    for side, hand in profile.hands.items():
        read = again.hands[side]
        np.testing.assert_array_equal(read.colours, hand.colours)
        np.testing.assert_array_equal(read.coverage_map, hand.coverage_map)
        np.testing.assert_array_equal(read.atlas, hand.atlas)
        np.testing.assert_array_equal(read.estimate.shape, hand.estimate.shape)
        np.testing.assert_allclose(read.estimate.offsets, hand.estimate.offsets, atol=1e-9)
        assert (read.coverage, read.estimate.frames) == (0.6, 50)


def test_saving_over_a_profile_leaves_nothing_else_behind(tmp_path, profile) -> None:
    for _ in range(2):
        save_profile(profile, tmp_path / 'me.npz')
    assert [path.name for path in tmp_path.iterdir()] == ['me.npz']


def changed(path, **arrays):
    """Change arrays of a saved profile; None takes one out."""
    with np.load(path) as archive:
        content = dict(archive)
    content |= arrays
    np.savez(path, **{key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ('arrays', 'complaint'),
    [
        ({'format': np.array('holiday pictures')}, 'no hand profile'),
        ({'format': None}, 'no hand profile'),
        ({'version': np.array(99)}, 'version 99'),
        ({'version': np.array('one')}, 'version one'),
        ({'topology': None}, 'no hand profile'),
        ({'right/shape': np.zeros(7)}, 'right/shape'),
        ({'right/shape': np.full(10, np.nan)}, 'NaN'),
        ({'right/offsets': None}, 'right/offsets'),
        ({'left/colours': np.zeros((64, 64, 3))}, 'left/colours'),
        ({'left/coverage_map': np.zeros((32, 64), np.uint8)}, 'left/coverage_map'),
        ({'left/atlas': np.zeros((8, 8, 3), np.uint8)}, '8 rows'),
        ({'left/atlas': np.array(5)}, 'left atlas'),
        ({'left/shape': None, 'right/shape': None}, 'neither'),
        ({'left/frames': np.array([1, 2])}, 'left/frames'),
    ],
)
def test_foreign_content_is_refused(tmp_path, profile, arrays, complaint) -> None:
    path = tmp_path / 'me.npz'
    save_profile(profile, path)
    changed(path, **arrays)
    with pytest.raises(ProfileError, match=complaint):
        load_profile(path)


def test_damaged_files_are_refused(tmp_path, profile) -> None:
    path = tmp_path / 'me.npz'
    save_profile(profile, path)
    whole = path.read_bytes()
    damaged = {
        'cut': whole[: len(whole) // 2],
        'empty': b'',
        'text': b'hello',
        'flipped': whole[:200] + bytes(255 - byte for byte in whole[200:2000]) + whole[2000:],
    }
    for content in damaged.values():
        path.write_bytes(content)
        with pytest.raises(ProfileError, match='cannot be read'):
            load_profile(path)
    np.savez(path, format=np.array([{'a': 1}], dtype=object))
    with pytest.raises(ProfileError, match='cannot be read'):
        load_profile(path)


def test_missing_and_unwritable_places_are_named(tmp_path, profile) -> None:
    with pytest.raises(ProfileError, match='does not exist'):
        load_profile(tmp_path / 'nobody.npz')
    with pytest.raises(ProfileError, match='cannot be written'):
        save_profile(profile, tmp_path / 'no' / 'folder.npz')
    # A file where a folder is needed cannot be written into by anybody, root included.
    (tmp_path / 'file').write_text('')
    with pytest.raises(ProfileError, match='cannot be written'):
        save_profile(profile, tmp_path / 'file' / 'me.npz')
    with pytest.raises(ProfileError, match='holds no hand'):
        save_profile(HandProfile('0', {}), tmp_path / 'me.npz')


# The personal shape settles over good frames and is then held.

SHAPE = np.linspace(-1.0, 1.0, 10)


@pytest.fixture(scope='module')
def data():
    return load_hand_model_data(default_model_folder(), 'right')


@pytest.fixture
def poses(data):
    rng = np.random.default_rng(2)
    fingers = PoseSampler(data).sample(rng, 60)
    return np.concatenate([rng.normal(size=(60, 3)), fingers], axis=1)


def offsets_at_rest():
    rng = np.random.default_rng(3)
    return 0.002 * rng.normal(size=(778, 3))


def refined_mesh(data, pose, shape, rest_offsets=None) -> HandMesh:
    posed = PersonalShape(data, 1)._model.forward(pose, shape, (0.0, 0.1, 0.5))
    offsets = np.zeros((778, 3))
    if rest_offsets is not None:
        offsets = np.einsum('vij,vj->vi', posed.state.blended, rest_offsets)
    return HandMesh(
        id='a',
        handedness='right',
        vertices_cam=posed.vertices + offsets,
        keypoints_cam=posed.keypoints,
        pose_aa=pose,
        translation=np.array([0.0, 0.1, 0.5]),
        topology_key='',
        shape=shape,
        vertex_offsets=offsets,
        stage=MeshStage.REFINED,
        silhouette_iou=0.95,
    )


def test_mean_of_noisy_shapes_is_near_the_truth_and_then_held(data, poses) -> None:
    rng = np.random.default_rng(4)
    personal = PersonalShape(data, 50)
    for pose in poses[:50]:
        assert personal.state is CalibrationState.COLLECTING
        noisy = SHAPE + 0.5 * rng.normal(size=10)
        assert personal.observe(refined_mesh(data, pose, noisy, offsets_at_rest()))
    assert personal.state is CalibrationState.HELD
    assert np.abs(personal.estimate.shape - SHAPE).max() < 0.3
    np.testing.assert_allclose(personal.estimate.offsets, offsets_at_rest(), atol=2e-4)
    held = personal.estimate
    assert not personal.observe(refined_mesh(data, poses[51], -SHAPE))
    assert personal.estimate is held


@pytest.mark.parametrize(
    'change',
    [
        {'flags': MeshFlag.LOW_CONFIDENCE},
        {'flags': MeshFlag.SCALE_PRIOR},
        {'flags': MeshFlag.TRUNCATED},
        {'stage': MeshStage.REGRESSED},
        {'silhouette_iou': 0.5},
        {'shape': np.full(10, np.nan)},
        {'vertex_offsets': np.full((778, 3), np.inf)},
    ],
)
def test_bad_frames_do_not_count(data, poses, change) -> None:
    personal = PersonalShape(data, 50)
    assert not personal.observe(replace(refined_mesh(data, poses[0], SHAPE), **change))
    assert personal.estimate.frames == 0


def test_the_held_shape_is_put_into_other_poses(data, poses) -> None:
    personal = PersonalShape(data, 1)
    personal.observe(refined_mesh(data, poses[0], SHAPE, offsets_at_rest()))
    true = refined_mesh(data, poses[1], SHAPE, offsets_at_rest())
    estimate = refined_mesh(data, poses[1], np.zeros(10))
    # The wrist of the estimate is where the true one is.
    wrist = data.joint_regressor[0] @ (data.shapedirs @ SHAPE)
    estimate = replace(estimate, translation=estimate.translation + wrist)
    np.testing.assert_allclose(personal.apply(estimate).vertices_cam, true.vertices_cam, atol=1e-5)


def test_nothing_is_applied_before_it_is_held(data, poses) -> None:
    mesh = refined_mesh(data, poses[0], SHAPE)
    assert PersonalShape(data, 2).apply(mesh) is mesh


def test_reset_starts_over(data, poses) -> None:
    personal = PersonalShape(data, 1)
    personal.observe(refined_mesh(data, poses[0], SHAPE))
    personal.reset()
    assert personal.state is CalibrationState.COLLECTING
    assert not personal.estimate.shape.any()
