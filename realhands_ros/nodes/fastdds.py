"""The Fast DDS profile that lets camera images pass between processes without loss."""

from __future__ import annotations

import os
from collections.abc import Mapping

from realhands_ros.resources import resource_path

# Kilted reads the first name, Humble and Jazzy the second.
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
_OLD_DISTRIBUTIONS = ('humble', 'iron', 'jazzy')


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
