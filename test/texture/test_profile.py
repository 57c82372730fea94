"""Profiles come back as they were; what is none is refused in words."""

import numpy as np
import pytest

from realhands_ros.errors import ProfileError
from realhands_ros.texture.personal_shape import ShapeEstimate
from realhands_ros.texture.profile import HandProfile, ProfileHand, load_profile, save_profile


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
