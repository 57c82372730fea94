"""The profile in use: the one that the live system starts with, and keeps up to date."""

from __future__ import annotations

import os
from pathlib import Path

from realhands_ros.errors import ProfileError
from realhands_ros.texture.profile import HandProfile, load_profile, save_profile


def profile_in_use_path() -> Path:
    """Return where the profile in use lies, whether there is one or not (XDG base directories)."""
    data_home = os.environ.get('XDG_DATA_HOME') or str(Path.home() / '.local' / 'share')
    return Path(data_home) / 'realhands' / 'profile.npz'


def load_profile_in_use() -> HandProfile | None:
    """Return the profile in use, None if there is none; ProfileError when it is damaged."""
    path = profile_in_use_path()
    return load_profile(path) if path.exists() else None


def use_profile(profile: HandProfile) -> Path:
    """Make a profile the one in use; return its path. Raises ProfileError."""
    path = profile_in_use_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f'{path.parent} cannot be made ({error.strerror}): set XDG_DATA_HOME to a place'
        raise ProfileError(message) from error
    save_profile(profile, path)
    return path
