"""A file of the nodes' parameters, read without ROS, so that replays run as the nodes do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from realhands_ros.errors import ConfigError
from realhands_ros.nodes.parameter_tables import PARAMETER_TABLES
from realhands_ros.nodes.parameters import Parameter, Value, defaults

_EVERY_NODE = '/**'
_KEY = 'ros__parameters'


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


def _sections(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text())
        return {str(name): dict(part[_KEY]) for name, part in content.items()}
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        message = f'{path} is no file of parameters ({error}): see config/stereo.yaml'
        raise ConfigError(message) from error


def _checked(
    path: Path, node: str, content: Mapping[str, Any], *, may_be_of_others: bool
) -> dict[str, Value]:
    table = {parameter.name: parameter for parameter in PARAMETER_TABLES[node]}
    unknown = sorted(set(content) - set(table))
    if unknown and not may_be_of_others:
        message = f'{path}: {node} has no parameter {", ".join(unknown)}'
        raise ConfigError(message)
    return {
        name: _value(path, node, table[name], value)
        for name, value in content.items()
        if name in table
    }


def _value(path: Path, node: str, parameter: Parameter, value: Any) -> Value:
    kind = type(parameter.default)
    fits = type(value) is kind
    if fits and parameter.low is not None and parameter.high is not None:
        fits = parameter.low <= value <= parameter.high
    if not fits or (parameter.choices and value not in parameter.choices):
        allowed = f' ({parameter.constraints})' if parameter.constraints else ''
        message = (
            f'{path}: {parameter.name} of {node} is {value!r}; it must be of type '
            f'{kind.__name__}{allowed}'
        )
        raise ConfigError(message)
    return kind(value)
