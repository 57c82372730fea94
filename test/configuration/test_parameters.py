"""Parameters: one table, config/stereo.yaml, declarations, and what is said of a wrong one."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

import rclpy
from rclpy.parameter import Parameter

from realhands_ros.configuration.files import parameter_file
from realhands_ros.configuration.parameters import KEYPOINT_PARAMETERS, PARAMETER_TABLES, defaults
from realhands_ros.configuration.stages import (
    handnet_config,
    keypoint_config,
    refinement_config,
    texture_config,
)
from realhands_ros.errors import ConfigError
from realhands_ros.nodes.stage_node import declare_parameters, descriptor
from realhands_ros.resources import resource_path
from realhands_ros.system.executable import create_node
from realhands_ros.system.graph import GRAPH

ALL = [(node, parameter) for node, table in PARAMETER_TABLES.items() for parameter in table]


@pytest.fixture
def node(ros_domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    nodes = []

    def make(**overrides):
        values = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(
            rclpy.create_node('keypoint_node', context=context, parameter_overrides=values)
        )
        return nodes[-1]

    yield make
    for each in nodes:
        each.destroy_node()
    context.shutdown()


def test_the_file_is_what_the_tables_say():
    text = resource_path('config/stereo.yaml').read_text()
    assert text == parameter_file(), 'run: python -m realhands_ros.configuration.files'


def test_the_file_holds_every_default():
    found = yaml.safe_load(resource_path('config/stereo.yaml').read_text())
    expected = {
        f'/**/{node}': {'ros__parameters': defaults(table)}
        for node, table in PARAMETER_TABLES.items()
    }
    assert found == expected
    for entry in expected.values():
        for name, value in entry['ros__parameters'].items():
            assert type(value) in (bool, int, float, str), name


def test_every_node_has_a_table():
    assert {spec.name for spec in GRAPH} == set(PARAMETER_TABLES)


@pytest.mark.parametrize(('node_name', 'parameter'), ALL, ids=lambda value: str(value)[:40])
def test_every_parameter_is_described_and_bounded(node_name, parameter):
    assert parameter.description.endswith('.')
    described = descriptor(parameter)
    assert described.description == parameter.description and described.read_only
    if isinstance(parameter.default, bool):
        return
    if isinstance(parameter.default, int | float):
        assert parameter.low <= parameter.default <= parameter.high
        assert described.integer_range or described.floating_point_range
        is_time_or_rate = parameter.name.endswith(('_period', '_rate', '_slop', 'budget', 'lost'))
        assert parameter.unit or not is_time_or_rate
        # A float that happens to be whole must stay one, or 0.5 would be refused.
        assert isinstance(parameter.default, type(yaml.safe_load(repr(parameter.default))))
    elif parameter.choices:
        assert parameter.default in parameter.choices


def test_defaults_are_declared(node):
    values = declare_parameters(node(), KEYPOINT_PARAMETERS)
    assert values == defaults(KEYPOINT_PARAMETERS)


@pytest.mark.parametrize(
    ('overrides', 'words'),
    [
        ({'max_hands': 99}, 'max_hands must be of type int (1 to 8)'),
        ({'max_hands': 'two'}, 'max_hands must be of type int (1 to 8)'),
        ({'sync_slop': -0.1}, 'sync_slop must be of type float (s, 0 to 1)'),
        (
            {'overlay_rate': 5},
            'overlay_rate must be of type float (Hz, 0.1 to 60) and have a decimal',
        ),
        ({'stereo': 'yes please'}, 'stereo must be of type bool'),
        ({'filter': 'kalman'}, "filter is 'kalman'; use none or one_euro"),
    ],
)
def test_a_wrong_value_is_named(node, overrides, words):
    with pytest.raises(ConfigError) as caught:
        declare_parameters(node(**overrides), KEYPOINT_PARAMETERS)
    assert words in str(caught.value)


def test_defaults_make_configurations_that_can_be():
    for make, name in (
        (keypoint_config, 'keypoint_node'),
        (handnet_config, 'handnet_node'),
        (refinement_config, 'refinement_node'),
        (texture_config, 'texture_node'),
    ):
        make(defaults(PARAMETER_TABLES[name]))


def test_an_unknown_node_is_named():
    with pytest.raises(ConfigError, match="no node 'foot_node'; use keypoint_node"):
        create_node('foot_node')


def test_a_process_with_a_wrong_value_ends_and_says_why(ros_domain):
    command = [sys.executable, '-m', 'realhands_ros.system.executable', 'refinement_node']
    result = subprocess.run(
        [*command, '--ros-args', '-p', 'budget:=-1.0'],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1
    assert 'budget must be of type float (s, 0 to 10)' in result.stderr
    assert 'Traceback' not in result.stderr
