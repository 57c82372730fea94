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
# Peers give up what belongs to a dead process when its lease ends, after 20 s, and may then remove
# a port by its number, whoever has it by that time.
_QUARANTINE_S = 60.0


def environment_with_profile(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return a copy of ``environment`` (default: this process's) that selects the shipped profile.

    A profile that the user has already chosen is kept. The variables act on processes started with
    this environment; a process whose rclpy is initialised is not affected any more.
    """
    environment = dict(os.environ if environment is None else environment)
    return environment | profile_variables(environment)


def profile_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what ``environment_with_profile`` adds; nothing where the user has a profile."""
    environment = os.environ if environment is None else environment
    if any(environment.get(name) for name in PROFILE_VARIABLES):
        return {}
    is_old = environment.get('ROS_DISTRO') in _OLD_DISTRIBUTIONS
    # Newer ones warn about the old name.
    names = PROFILE_VARIABLES if is_old else PROFILE_VARIABLES[:1]
    return dict.fromkeys(names, str(resource_path('config/fastdds_images.xml')))


@contextlib.contextmanager
def avoid_abandoned_ports(folder: Path = Path('/dev/shm')) -> Iterator[None]:
    """
    Let a DDS participant that is made meanwhile take no port of a dead process; free what is old.

    A process that is killed leaves its ports in shared memory, and others go on writing to them
    for seconds. A process that takes the same port meanwhile gets nothing until they find out, and
    in a few of a hundred cases never does, since they then remove its port in place of the dead
    one's. Here the dead ones' ports look taken, so that others are used, which are announced to
    the writers as new; they are removed a minute later, by whoever is started then.

    The memory that messages were in, with the shipped profile 64 MB, is freed at once. The locks
    by which the living are told from the dead are those of ``fastdds shm clean``.
    """
    with contextlib.ExitStack() as held:
        abandoned = [lock for lock in folder.glob('fast*_*_el') if _is_abandoned(lock, held)]
        yield
        for lock in abandoned:
            # What belongs to another user stays.
            with contextlib.suppress(OSError):
                if _is_out_of_use(lock):
                    lock.with_name(lock.name.removesuffix('_el')).unlink(missing_ok=True)
                    lock.unlink()


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


def _is_out_of_use(lock: Path) -> bool:
    """Return whether nobody thinks of abandoned memory any more; note when it was found so."""
    if '_port' not in lock.name:
        return True
    times = lock.stat()
    # Nobody reads a lock: until somebody sets it, its time of access is that of its making.
    if times.st_atime > times.st_mtime:
        return time.time() - times.st_atime > _QUARANTINE_S
    os.utime(lock, (time.time(), times.st_mtime))
    return False
