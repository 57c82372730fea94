"""`realhands profile`: a user's skin and hand shape, to keep and to carry elsewhere."""

from __future__ import annotations

import argparse

from realhands_ros.cli.commands import add_commands

_ACTIONS = {
    'save': 'write the profile in use to a file, or make one from a recording',
    'load': 'make a saved profile the one in use: the live system starts with it',
    'show': 'say what a profile holds; draw it',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands, each of a module profile_NAME."""
    add_commands(parser, _ACTIONS, 'profile_', dest='action', metavar='ACTION', required=True)
