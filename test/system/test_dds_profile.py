"""What dead processes left in shared memory is told from what belongs to the living."""

import fcntl
import os
import time

import pytest

from realhands_ros.system.dds_profile import (
    avoid_abandoned_ports,
    environment_with_profile,
    profile_variables,
)

PORT, SEGMENT = 'fastdds_port29163', 'fastdds_0123456789abcdef'
LONG_AGO_S = 60.0


def leave(folder, name, age_s=LONG_AGO_S):
    """Make shared memory and its lock, as an owner that died ``age_s`` ago left them."""
    paths = folder / name, folder / f'{name}_el'
    for path in paths:
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    return paths


def is_locked(path):
    with path.open('rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def start_a_process(folder):
    """Pass through what a process does at its start; return the locks that it held meanwhile."""
    with avoid_abandoned_ports(folder):
        return {lock.name for lock in folder.glob('*_el') if is_locked(lock)}


def test_the_memory_of_the_dead_is_freed(tmp_path):
    leave(tmp_path, SEGMENT)
    start_a_process(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', [PORT, 'fastrtps_port7411'])
def test_an_abandoned_port_looks_taken_for_a_minute(tmp_path, name, monkeypatch):
    memory, lock = leave(tmp_path, name)
    for _ in range(3):
        assert start_a_process(tmp_path) == {lock.name}
        assert memory.exists()
    later = time.time() + 61.0
    monkeypatch.setattr(time, 'time', lambda: later)
    assert start_a_process(tmp_path) == {lock.name}
    assert not list(tmp_path.iterdir())


def test_the_memory_of_the_living_is_left_alone(tmp_path):
    memory, lock = leave(tmp_path, PORT)
    with lock.open('rb') as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        with avoid_abandoned_ports(tmp_path):
            assert memory.exists()
        assert memory.exists()
        assert is_locked(lock)


def test_an_owner_has_time_to_take_its_lock(tmp_path):
    memory, lock = leave(tmp_path, PORT, age_s=0.0)
    with avoid_abandoned_ports(tmp_path):
        assert not is_locked(lock)
    assert memory.exists()


def test_a_lock_without_memory_goes_too(tmp_path):
    memory, _ = leave(tmp_path, SEGMENT)
    memory.unlink()
    with avoid_abandoned_ports(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['other_port1', 'fastdds_portX', 'fastdds_port1_mutex'])
def test_files_of_others_are_left_alone(tmp_path, name):
    leave(tmp_path, name)
    with avoid_abandoned_ports(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 2


def test_a_machine_without_shared_memory(tmp_path):
    with avoid_abandoned_ports(tmp_path / 'missing'):
        pass


def test_what_fails_meanwhile_frees_the_locks(tmp_path):
    _, lock = leave(tmp_path, PORT)
    with pytest.raises(RuntimeError), avoid_abandoned_ports(tmp_path):
        raise RuntimeError
    assert not is_locked(lock)


@pytest.mark.parametrize(
    ('distribution', 'names'),
    [
        ('jazzy', {'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'}),
        ('kilted', {'FASTDDS_DEFAULT_PROFILES_FILE'}),
    ],
)
def test_the_profile_is_selected_as_the_distribution_reads_it(distribution, names):
    environment = {'ROS_DISTRO': distribution, 'HOME': '/'}
    variables = profile_variables(environment)
    assert set(variables) == names
    assert environment_with_profile(environment) == environment | variables


@pytest.mark.parametrize('name', ['FASTDDS', 'FASTRTPS'])
def test_a_profile_of_ones_own_stays(name):
    environment = {f'{name}_DEFAULT_PROFILES_FILE': '/my/own.xml', 'ROS_DISTRO': 'jazzy'}
    assert profile_variables(environment) == {}
    assert environment_with_profile(environment) == environment
