"""`realhands export`: write what other programs read."""

from __future__ import annotations

import argparse
from types import ModuleType

from realhands_ros.cli import export_onnx, export_openvino, export_rig

# A module offers SUMMARY, add_arguments(parser) and run(args) -> exit code.
_ACTIONS: dict[str, ModuleType] = {
    'onnx': export_onnx,
    'openvino': export_openvino,
    'rig': export_rig,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand per action."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name, module in _ACTIONS.items():
        action = actions.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        module.add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action; return its exit code."""
    return int(_ACTIONS[args.action].run(args))
