"""
What is installed, and what that means for a user.

Every check is a function that returns Findings and imports nothing that it does not find first, so
that the doctor itself works on a half-installed machine.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import metadata, util
from pathlib import Path

from realhands_ros.errors import RealhandsError
from realhands_ros.resources import resource_path

# A 720p stereo pair in bgra8 is 7.4 MB; the shipped Fast DDS profile asks for 64 MB a process.
_SHARED_MEMORY_WANTED_MB = 512


class Status(Enum):
    """How a finding bears on the demo."""

    OK = 'ok'
    ABSENT = 'absent'  # the demo runs without it
    FAILED = 'FAILED'  # the demo cannot run


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's screen; ``remedy`` says what to do unless the status is OK."""

    name: str
    status: Status
    detail: str
    remedy: str = ''


def examine() -> list[Finding]:
    """Run every check; a check that raises becomes a FAILED finding of its own."""
    findings: list[Finding] = []
    for check in _CHECKS:
        try:
            findings.extend(check())
        except Exception as error:  # noqa: BLE001 a broken install may raise anything on import
            name = check.__name__.removeprefix('_check_').replace('_', ' ')
            findings.append(
                Finding(name, Status.FAILED, f'{type(error).__name__}: {error}', 'run: make setup')
            )
    return findings


def can_run_demo(findings: list[Finding]) -> bool:
    """Return whether no finding stands in the way of ``realhands demo``."""
    return all(finding.status is not Status.FAILED for finding in findings)


def _check_python() -> list[Finding]:
    supported = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return [
        Finding(
            'Python',
            Status.OK if supported else Status.FAILED,
            f'{platform.python_version()} at {sys.executable}',
            'use Python 3.10, 3.11 or 3.12: MediaPipe 0.10.21 has no wheels for others',
        )
    ]


def _check_ros() -> list[Finding]:
    if not _is_installed('rclpy'):
        return [
            Finding('ROS 2', Status.FAILED, 'rclpy not found', 'run: make setup, or source ROS 2')
        ]
    from rclpy.utilities import get_rmw_implementation_identifier

    distribution = os.environ.get('ROS_DISTRO') or f'PyPI wheels, rclpy {_version("ros-rclpy")}'
    return [
        Finding('ROS 2', Status.OK, distribution),
        Finding('RMW', Status.OK, get_rmw_implementation_identifier()),
    ]


def _check_messages() -> list[Finding]:
    remedy = 'run: make setup, or colcon build and source install/setup.bash'
    try:
        module = importlib.import_module('realhands.msg')
    except ImportError as error:
        return [Finding('messages', Status.FAILED, f'not importable: {error}', remedy)]
    return [
        Finding('messages', Status.OK, f'realhands.msg at {Path(module.__file__ or "").parent}')
    ]


def _check_ros_tools() -> list[Finding]:
    consequences = {
        'launch': '`ros2 launch realhands …` needs it; `realhands run` starts the same system',
        'cv_bridge': 'rare image encodings need it; bgra8, bgr8, rgb8 and mono8 are always read',
        'message_filters': 'not needed: the nodes pair images themselves',
    }
    return [
        Finding(name, Status.OK, 'found')
        if _is_installed(name)
        else Finding(name, Status.ABSENT, 'not installed', consequence)
        for name, consequence in consequences.items()
    ]


def _check_torch() -> list[Finding]:
    if not _is_installed('torch'):
        return [Finding('torch', Status.FAILED, 'not installed', 'run: make setup')]
    import torch

    devices = ['cpu', *(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))]
    threads = torch.get_num_threads()
    return [
        Finding(
            'torch', Status.OK, f'{torch.__version__} on {", ".join(devices)}, {threads} threads'
        )
    ]


def _check_mediapipe() -> list[Finding]:
    spec = util.find_spec('mediapipe')
    if spec is None or spec.origin is None:
        return [Finding('MediaPipe', Status.FAILED, 'not installed', 'run: make setup')]
    models = Path(spec.origin).parent / 'modules' / 'hand_landmark' / 'hand_landmark_full.tflite'
    version = _version('mediapipe')
    if models.is_file():
        return [Finding('MediaPipe', Status.OK, f'{version} with its hand models')]
    return [
        Finding(
            'MediaPipe',
            Status.FAILED,
            f'{version} without hand models in the wheel',
            'pip install mediapipe==0.10.21',
        )
    ]


def _check_hand_model() -> list[Finding]:
    from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data

    folder = default_model_folder()
    try:
        for handedness in ('left', 'right'):
            load_hand_model_data(folder, handedness)
    except RealhandsError as error:
        return [Finding('hand model', Status.FAILED, str(error), 'restore models/mano from git')]
    return [Finding('hand model', Status.OK, f'{folder}, right and left')]


def _check_fastdds_profile() -> list[Finding]:
    from realhands_ros.system.dds_profile import PROFILE_VARIABLES

    chosen = [os.environ[name] for name in PROFILE_VARIABLES if os.environ.get(name)]
    if not chosen:
        shipped = resource_path('config/fastdds_images.xml')
        return [Finding('DDS profile', Status.OK, f'{shipped}, set by `realhands run` and launch')]
    missing = [path for path in chosen if not Path(path).is_file()]
    if missing:
        remedy = f'unset {PROFILE_VARIABLES[0]} to use the shipped profile'
        return [Finding('DDS profile', Status.FAILED, f'{missing[0]} does not exist', remedy)]
    return [Finding('DDS profile', Status.OK, f'yours: {chosen[0]}')]


def _check_shared_memory() -> list[Finding]:
    folder = Path('/dev/shm')
    if not folder.is_dir():
        remedy = 'images travel by UDP: slower, and with losses at 720p'
        return [Finding('shared memory', Status.ABSENT, 'no /dev/shm', remedy)]
    free_mb = shutil.disk_usage(folder).free // 2**20
    enough = free_mb >= _SHARED_MEMORY_WANTED_MB
    return [
        Finding(
            'shared memory',
            Status.OK if enough else Status.ABSENT,
            f'{free_mb} MB free in /dev/shm',
            f'images want {_SHARED_MEMORY_WANTED_MB} MB; in Docker: --shm-size=1g or --ipc=host',
        )
    ]


def _is_installed(module: str) -> bool:
    # A folder called launch/ on the path is found as a namespace package; that has no origin.
    spec = util.find_spec(module)
    return spec is not None and spec.origin is not None


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return 'of unknown version'


_CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    _check_python,
    _check_ros,
    _check_messages,
    _check_ros_tools,
    _check_torch,
    _check_mediapipe,
    _check_hand_model,
    _check_fastdds_profile,
    _check_shared_memory,
)
