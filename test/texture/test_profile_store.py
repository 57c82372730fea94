"""One profile is in use, in the user's data folder."""

import numpy as np
import pytest

from realhands_ros.errors import ProfileError
from realhands_ros.texture.profile import (
    HandProfile,
    ProfileHand,
    ShapeEstimate,
    load_profile_in_use,
    profile_in_use_path,
    use_profile,
)


@pytest.fixture
def profile():
    picture = np.zeros((64, 64, 3), np.uint8)
    hand = ProfileHand(picture, picture[..., 0], picture, 0.0, ShapeEstimate.unknown())
    return HandProfile('0123456789abcdef', {'right': hand})


def test_the_profile_in_use_is_found_again(tmp_path, monkeypatch, profile) -> None:
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))
    assert load_profile_in_use() is None
    assert use_profile(profile) == profile_in_use_path()
    assert profile_in_use_path().is_relative_to(tmp_path)
    again = load_profile_in_use()
    assert again is not None
    assert again.topology == profile.topology


def test_a_place_that_cannot_be_made_is_named(tmp_path, monkeypatch, profile) -> None:
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'file'))
    with pytest.raises(ProfileError, match='cannot be made'):
        use_profile(profile)
