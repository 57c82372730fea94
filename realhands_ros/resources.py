"""Where the package's data files lie: in the source tree, else in the installed ROS package."""

from __future__ import annotations

from pathlib import Path

from realhands_ros.errors import ConfigError


def resource_path(relative: str) -> Path:
    """
    Return the absolute path of a file or folder shipped with the package.

    ``relative`` starts at the repository's root, for example ``models/mano``; an installed package
    has the same tree under ``share/realhands``. Raises ConfigError when it is in neither.
    """
    in_source_tree = Path(__file__).resolve().parent.parent / relative
    if in_source_tree.exists():
        return in_source_tree
    installed = _installed_share()
    if installed is not None and (installed / relative).exists():
        return installed / relative
    message = (
        f'{relative} was found neither at {in_source_tree} nor in the installed package '
        f'({installed or "no ROS package named realhands is sourced"}): '
        'source the workspace (install/setup.bash) or run from a clone of the repository'
    )
    raise ConfigError(message)


def _installed_share() -> Path | None:
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory('realhands'))
    except (ImportError, LookupError):
        return None
