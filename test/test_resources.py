"""Data files are found in the source tree and in an installed workspace."""

from pathlib import Path

import pytest

from realhands_ros import resources
from realhands_ros.errors import ConfigError
from realhands_ros.resources import resource_path


def test_source_tree_comes_first():
    assert resource_path('models/mano') == Path(__file__).parents[1] / 'models' / 'mano'


def test_installed_share_is_found(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(resources, '__file__', str(tmp_path / 'lib' / 'a' / 'resources.py'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path / "prefix"}')
    with pytest.raises(ConfigError, match='models/mano was found neither in'):
        resource_path('models/mano')
    share = tmp_path / 'prefix' / 'share' / 'realhands' / 'models' / 'mano'
    share.mkdir(parents=True)
    assert resource_path('models/mano') == share
