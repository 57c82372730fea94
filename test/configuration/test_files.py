"""Files of parameters are read as the nodes read them, without ROS."""

import pytest

from realhands_ros.configuration.files import read_parameter_file
from realhands_ros.configuration.parameters import PARAMETER_TABLES, defaults
from realhands_ros.errors import ConfigError
from realhands_ros.resources import resource_path


def test_the_shipped_file_holds_the_defaults():
    values = read_parameter_file(resource_path('config') / 'stereo.yaml')
    assert values == {node: defaults(table) for node, table in PARAMETER_TABLES.items()}


def test_sections_of_all_and_of_one_node_are_taken(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(
        '/**:\n  ros__parameters:\n    stereo: false\n    max_hands: 1\n'
        '/robot/refinement_node:\n  ros__parameters:\n    budget: 0.0\n'
        'somebody_else:\n  ros__parameters:\n    whatever: 3\n'
    )
    values = read_parameter_file(path)
    assert not values['keypoint_node']['stereo']
    assert not values['texture_node']['stereo']
    assert values['keypoint_node']['max_hands'] == 1
    assert values['refinement_node']['budget'] == 0.0
    assert values['handnet_node']['backend'] == 'auto'


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('keypoint_node:\n  ros__parameters:\n    max_hand: 1\n', 'has no parameter max_hand'),
        ('keypoint_node:\n  ros__parameters:\n    max_hands: 99\n', 'max_hands .* is 99'),
        ('keypoint_node:\n  ros__parameters:\n    max_hands: 1.5\n', 'must be of type int'),
        ('keypoint_node:\n  ros__parameters:\n    filter: kalman\n', "filter .* is 'kalman'"),
        ('keypoint_node:\n  max_hands: 1\n', 'is no file of parameters'),
        ('- 1\n', 'is no file of parameters'),
        ('a: [', 'is no file of parameters'),
    ],
)
def test_what_cannot_be_is_named(tmp_path, text, complaint):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        read_parameter_file(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'nowhere\.yaml'):
        read_parameter_file(tmp_path / 'nowhere.yaml')
