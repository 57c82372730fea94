"""Declare a table of parameters on a node, and read them."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from realhands_ros.errors import ConfigError
from realhands_ros.nodes.parameters import Parameter, ParameterTable, Value


def declare_parameters(node: Node, table: ParameterTable) -> dict[str, Value]:
    """
    Declare parameters with description and range; return their values by name.

    They are read-only: a node reads them once. Raises ConfigError for a value of the wrong type or
    out of range.
    """
    return {parameter.name: _declare(node, parameter) for parameter in table}


def _declare(node: Node, parameter: Parameter) -> Value:
    try:
        declared = node.declare_parameter(
            parameter.name, parameter.default, descriptor(parameter)
        ).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        allowed = f' ({parameter.constraints})' if parameter.constraints else ''
        kind = type(parameter.default).__name__
        # ROS takes no 5 for a 5.0.
        point = ' and have a decimal point' if kind == 'float' else ''
        message = (
            f'{node.get_name()}: {parameter.name} must be of type {kind}{allowed}{point}: {error}'
        )
        raise ConfigError(message) from error
    parameter.check(declared)
    return declared


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return the descriptor that tools such as rqt show."""
    described = ParameterDescriptor(
        description=parameter.description,
        additional_constraints=parameter.constraints,
        read_only=True,
    )
    if parameter.low is not None and parameter.high is not None:
        if isinstance(parameter.default, int):
            described.integer_range = [
                IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=1)
            ]
        else:
            described.floating_point_range = [
                FloatingPointRange(
                    from_value=float(parameter.low), to_value=float(parameter.high), step=0.0
                )
            ]
    return described
