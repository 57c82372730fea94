"""
Make the CMake packages of the ROS 2 wheels usable in this virtual environment.

The wheels' CMake files carry the absolute paths of the machine that built them. This rewrites them
to this Python's include folder, this environment's site-packages and this numpy's include folder.
It changes nothing when run again. Run it with the environment's own Python.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

_BUILDER = r'/opt/python/cp3\d+-cp3\d+'


def replacements() -> list[tuple[re.Pattern[str], str]]:
    """Return (pattern, replacement) pairs, the most specific one first."""
    return [
        (
            re.compile(_BUILDER + r'/lib/python3\.\d+/site-packages/numpy/(_core|core)/include'),
            np.get_include(),
        ),
        (re.compile(_BUILDER + r'/include/python3\.\d+'), sysconfig.get_path('include')),
        (re.compile(_BUILDER + r'/lib/python3\.\d+/site-packages'), sysconfig.get_path('purelib')),
    ]


def repair(share: Path) -> int:
    """Rewrite every CMake file under ``share``; return how many changed."""
    changed = 0
    for path in share.rglob('*.cmake'):
        original = path.read_text(encoding='utf-8')
        text = original
        for pattern, replacement in replacements():
            text = pattern.sub(lambda _, to=replacement: to, text)
        if text != original:
            path.write_text(text, encoding='utf-8')
            changed += 1
    return changed


if __name__ == '__main__':
    print(f'{repair(Path(sys.prefix) / "share")} CMake files repaired')
