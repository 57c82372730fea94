"""
Files of parameters: read without ROS, and config/stereo.yaml written from the tables.

Write config/stereo.yaml, every parameter with its default:

    python -m realhands_ros.configuration.files
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from realhands_ros.configuration.parameters import (
    PARAMETER_TABLES,
    Parameter,
    ParameterTable,
    Value,
    defaults,
)
from realhands_ros.errors import ConfigError
from realhands_ros.resources import resource_path

# A file of the nodes' parameters, read without ROS, so that replays run as the nodes do.

_EVERY_NODE = '/**'
_KEY = 'ros__parameters'
# What every ROS node has besides its own.
_OF_ROS = ('use_sim_time', 'start_type_description_service')


def read_parameter_file(path: Path) -> dict[str, dict[str, Value]]:
    """
    Return the parameters of each node by its name, the defaults where the file is silent.

    Sections are named as ROS has it: '/**' for all nodes, else ending in a node's name. Raises
    ConfigError for a file that is none, an unknown parameter, and a value of another type or out
    of range.
    """
    values = {node: defaults(table) for node, table in PARAMETER_TABLES.items()}
    for section, content in _sections(path).items():
        name = section.rsplit('/', 1)[-1]
        nodes = list(values) if section == _EVERY_NODE else [name]
        for node in nodes:
            if node in values:
                shared = section == _EVERY_NODE
                values[node] |= _checked(path, node, content, may_be_of_others=shared)
    return values


def check_text(name: str, text: str) -> None:
    """Raise ConfigError unless a node has the parameter, and all that do take ``text``, YAML."""
    if _is_of_ros(name):
        return
    found = {
        node: parameter
        for node, table in PARAMETER_TABLES.items()
        for parameter in table
        if parameter.name == name
    }
    if not found:
        message = f'no node has a parameter {name!r}: see config/stereo.yaml'
        raise ConfigError(message)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f'{name}={text} is no YAML: put it in quotes'
        raise ConfigError(message) from error
    for node, parameter in found.items():
        _value(f'{name}={text}', node, parameter, value)


def _is_of_ros(name: str) -> bool:
    return name in _OF_ROS or name.startswith('qos_overrides.')


def _sections(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text())
        return dict(_nodes_in(content))
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        message = f'{path} is no file of parameters ({error}): see config/stereo.yaml'
        raise ConfigError(message) from error


def _nodes_in(content: Mapping[str, Any], outer: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """Give names and parameters of the nodes of a file, in which namespaces may be nested."""
    for name, part in content.items():
        path = f'{outer}/{str(name).lstrip("/")}' if outer else str(name)
        if _KEY in part:
            yield path, dict(part[_KEY])
        else:
            yield from _nodes_in(part, path)


def _checked(
    path: Path, node: str, content: Mapping[str, Any], *, may_be_of_others: bool
) -> dict[str, Value]:
    table = {parameter.name: parameter for parameter in PARAMETER_TABLES[node]}
    unknown = sorted(name for name in set(content) - set(table) if not _is_of_ros(name))
    if unknown and not may_be_of_others:
        message = f'{path}: {node} has no parameter {", ".join(unknown)}'
        raise ConfigError(message)
    return {
        name: _value(path, node, table[name], value)
        for name, value in content.items()
        if name in table
    }


def _value(source: Path | str, node: str, parameter: Parameter, value: Any) -> Value:
    kind = type(parameter.default)
    fits = type(value) is kind
    if fits and parameter.low is not None and parameter.high is not None:
        fits = parameter.low <= value <= parameter.high
    if not fits or (parameter.choices and value not in parameter.choices):
        allowed = f' ({parameter.constraints})' if parameter.constraints else ''
        message = (
            f'{source}: {parameter.name} of {node} is {value!r}; it must be of type '
            f'{kind.__name__}{allowed}'
        )
        raise ConfigError(message)
    return kind(value)


# Write config/stereo.yaml, every parameter with its default, from the parameter tables.
#
#     python -m realhands_ros.configuration.files

_WIDTH = 99
_HEADER = """\
# Every parameter of the nodes with its default. Generated from
# realhands_ros/configuration/parameters.py; copy what you change into a file of your own:
#   ros2 launch realhands stereo.launch.py params_file:=mine.yaml
# A node reads its parameters when it is started.
"""


def parameter_file() -> str:
    """Return the text of config/stereo.yaml."""
    nodes = [_node(name, table) for name, table in PARAMETER_TABLES.items()]
    return '\n'.join([_HEADER, *nodes])


def _node(name: str, table: ParameterTable) -> str:
    lines = [f'/**/{name}:', '  ros__parameters:']
    for parameter in table:
        lines += [*_comment(parameter), f'    {parameter.name}: {json.dumps(parameter.default)}']
    return '\n'.join(lines) + '\n'


def _comment(parameter: Parameter) -> list[str]:
    allowed = f' [{parameter.constraints}]' if parameter.constraints else ''
    return textwrap.wrap(
        parameter.description + allowed,
        _WIDTH,
        initial_indent='    # ',
        subsequent_indent='    # ',
    )


if __name__ == '__main__':
    (resource_path('config') / 'stereo.yaml').write_text(parameter_file())
