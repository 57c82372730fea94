"""`realhands profile`: a user's skin and hand shape, to keep and to carry elsewhere."""

from __future__ import annotations

import argparse
from types import ModuleType

from realhands_ros.cli import profile_load, profile_save, profile_show

# A module offers SUMMARY, add_arguments(parser) and run(args) -> exit code.
_ACTIONS: dict[str, ModuleType] = {
    'save': profile_save,
    'load': profile_load,
    'show': profile_show,
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
