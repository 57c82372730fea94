"""Where figures come from: machine, versions, the files that were used, the command."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ('numpy', 'scipy', 'torch', 'openvino', 'mediapipe', 'opencv-contrib-python', 'numba')


def machine() -> str:
    """Return processor, number of cores and operating system."""
    return f'{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}'


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and what its figures depend on."""
    found = {'python': platform.python_version()}
    for name in ('realhands', *_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """Return the command line of this process, as it would be typed."""
    return shlex.join(['realhands', *sys.argv[1:]])


def digest(path: Path) -> str:
    """Return the first 12 digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or 'unknown processor'
