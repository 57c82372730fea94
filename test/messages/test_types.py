"""rosbags and ROS agree about this package's messages."""

import json
from pathlib import Path

import pytest

from realhands_ros.messages.types import bag_typestore
from realhands_ros.resources import resource_path


def test_every_message_is_known():
    names = [path.stem for path in resource_path('msg').glob('*.msg')]
    assert 'HandMeshArray' in names
    for name in names:
        assert f'realhands/msg/{name}' in bag_typestore().types


def test_types_have_the_hashes_of_the_built_ones():
    """Players compare them: another hash is another type."""
    realhands = pytest.importorskip('realhands.msg')
    roots = Path(realhands.__file__).parents
    described = [path for root in roots for path in root.glob('share/realhands/msg/*.json')]
    if not described:
        pytest.skip('this ROS builds no type hashes (Humble)')
    for path in described:
        hashes = json.loads(path.read_text())['type_hashes']
        built = {entry['type_name']: entry['hash_string'] for entry in hashes}
        name = f'realhands/msg/{path.stem}'
        assert bag_typestore().hash_rihs01(name) == built[name]
