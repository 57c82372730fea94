"""The Fast DDS profile that lets camera images pass between processes without loss."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from realhands_ros.resources import resource_path

# Kilted reads the first name, Humble and Jazzy the second.
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')

_SEGMENT_LOCK = re.compile('(fastdds|fastrtps)_[0-9a-f]{16}_el')
_NEW_S = 5.0


def environment_with_profile(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return a copy of ``environment`` (default: this process's) that selects the shipped profile.

    A profile that the user has already chosen is kept. The variables act on processes started with
    this environment; a process whose rclpy is initialised is not affected any more.
    """
    result = dict(os.environ if environment is None else environment)
    if not any(result.get(name) for name in PROFILE_VARIABLES):
        is_old = result.get('ROS_DISTRO') in _OLD_DISTRIBUTIONS
        # Newer ones warn about the old name.
        names = PROFILE_VARIABLES if is_old else PROFILE_VARIABLES[:1]
        result.update(dict.fromkeys(names, str(resource_path('config/fastdds_images.xml'))))
    return result


def remove_abandoned_memory(folder: Path = Path('/dev/shm')) -> int:
    """
    Free the shared memory of processes that died without doing so; return of how many segments.

    With the shipped profile each such death would else cost 64 MB until the machine restarts. As
    ``fastdds shm clean`` does it: the lock of a segment is held by its owner for as long as that
    lives. Segments of this moment are left alone, since their owners may not hold them yet.
    """
    removed = 0
    for lock in folder.glob('fast*_*_el'):
        if _SEGMENT_LOCK.fullmatch(lock.name) is None:
            continue
        # Whoever else removes it, or may not be disturbed by us, is welcome to it.
        with contextlib.suppress(OSError), lock.open('rb') as file:
            if time.time() - os.fstat(file.fileno()).st_mtime < _NEW_S:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.with_name(lock.name.removesuffix('_el')).unlink()
            lock.unlink()
            removed += 1
    return removed
