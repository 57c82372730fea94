"""`realhands eval`: measure how good the reconstructions are."""

from __future__ import annotations

import argparse
import importlib

# Module in realhands_ros.cli and its line in --help; as in cli/main.py.
_ACTIONS = {
    'bag': 'replay a recording of a ZED and measure',
    'images': 'reconstruct a folder of photographs and measure',
    'freihand': 'evaluate on FreiHAND, write the file for its challenge',
    'live': 'listen to a running system: latency and drops',
    'compare': 'compare saved results hand by hand',
    'tables': "the paper's tables on a held-out synthetic dataset, for docs/results.md",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name, summary in _ACTIONS.items():
        module = importlib.import_module(f'realhands_ros.cli.eval_{name}')
        action = actions.add_parser(name, help=summary, description=summary)
        module.add_arguments(action)
        action.set_defaults(act=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand; return its exit code."""
    return int(args.act(args))
