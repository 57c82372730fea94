"""
Write config/stereo.yaml, every parameter with its default, from the parameter tables.

    python -m realhands_ros.nodes.write_parameters
"""

from __future__ import annotations

import json
import textwrap

from realhands_ros.nodes.parameter_tables import PARAMETER_TABLES
from realhands_ros.nodes.parameters import Parameter, ParameterTable
from realhands_ros.resources import resource_path

_WIDTH = 99
_HEADER = """\
# Every parameter of the nodes with its default. Generated from
# realhands_ros/nodes/parameter_tables.py; copy what you change into a file of your own:
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
