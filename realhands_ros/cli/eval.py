"""`realhands eval`: measure how good the reconstructions are."""

from __future__ import annotations

import argparse

from realhands_ros.cli.commands import add_commands

_ACTIONS = {
    'bag': 'replay a recording of a ZED and measure',
    'images': 'reconstruct a folder of photographs and measure',
    'freihand': 'evaluate on FreiHAND, write the file for its challenge',
    'live': 'listen to a running system: latency and drops',
    'compare': 'compare saved results hand by hand',
    'tables': "the paper's tables on a held-out synthetic dataset, for docs/results.md",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands, each of a module eval_NAME."""
    add_commands(parser, _ACTIONS, 'eval_', dest='action', metavar='ACTION', required=True)
