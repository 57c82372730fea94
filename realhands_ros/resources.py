"""
Where the package's data files lie: in the source tree, else in the installed ROS package.

What it makes by itself, and can make anew, lies in the user's cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from realhands_ros.errors import ConfigError


def resource_path(relative: str) -> Path:
    """
    Return the absolute path of a file or folder shipped with the package.

    ``relative`` starts at the repository's root, for example ``models/mano``; an installed package
    has the same tree under ``share/realhands`` of a prefix in AMENT_PREFIX_PATH. Raises
    ConfigError when it is in neither.
    """
    source_tree = Path(__file__).resolve().parent.parent
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    installed = [Path(prefix) / 'share' / 'realhands' for prefix in prefixes if prefix]
    for root in (source_tree, *installed):
        if (root / relative).exists():
            return root / relative
    message = (
        f'{relative} was found neither in {source_tree} nor in share/realhands of '
        f'AMENT_PREFIX_PATH ({os.pathsep.join(prefixes) or "empty"}): '
        'source the workspace (install/setup.bash) or run from a clone of the repository'
    )
    raise ConfigError(message)


def cache_folder(name: str) -> Path:
    """Return ``$XDG_CACHE_HOME/realhands/name``, whether it exists or not."""
    cache = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(cache) / 'realhands' / name
