"""The Fast DDS profile that lets camera images pass between processes without loss."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from realhands_ros.resources import resource_path

# Kilted reads the first name, Humble and Jazzy the second.
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')

# Of ports, and of the memory that messages are in.
_LOCK = re.compile('(fastdds|fastrtps)_(port[0-9]+|[0-9a-f]{16})_el')
_NEW_S = 1.0


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


@contextlib.contextmanager
def avoid_abandoned_ports(folder: Path = Path('/dev/shm')) -> Iterator[None]:
    """
    Let a DDS participant that is made meanwhile take no port of a dead process; then remove those.

    A process that is killed leaves its ports in shared memory. Whoever wrote to it goes on doing
    so, and finds out within a second or two; a process that has taken the same port by then gets
    nothing until it is found too, and in a few of a hundred cases it never is. Here the dead ones'
    ports look taken, so that others are used, which are announced to the writers as new.

    Its memory stays as well, with the shipped profile 64 MB: that of processes which died before
    is freed. The locks by which the living are told from the dead are those of
    ``fastdds shm clean``.
    """
    with contextlib.ExitStack() as held:
        abandoned = [lock for lock in folder.glob('fast*_*_el') if _is_abandoned(lock, held)]
        yield
        for lock in abandoned:
            for path in (lock.with_name(lock.name.removesuffix('_el')), lock):
                # What belongs to another user stays.
                with contextlib.suppress(OSError):
                    path.unlink()


def _is_abandoned(path: Path, held: contextlib.ExitStack) -> bool:
    """Return whether the owner of a lock is dead, and keep the lock then."""
    if _LOCK.fullmatch(path.name) is None:
        return False
    try:
        file = path.open('rb')
        held.enter_context(file)
        # Between making a lock and taking it, an owner must not be disturbed.
        if time.time() - os.fstat(file.fileno()).st_mtime < _NEW_S:
            return False
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
