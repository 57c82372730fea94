"""Values that options of several commands have in common, read from the nodes' parameters."""

from __future__ import annotations

from realhands_ros.configuration.parameters import PARAMETER_TABLES


def _choices(node: str, parameter: str) -> tuple[str, ...]:
    return next(row.choices for row in PARAMETER_TABLES[node] if row.name == parameter)


BACKENDS = _choices('handnet_node', 'backend')
POSE_BLENDS = _choices('handnet_node', 'pose_blend')
