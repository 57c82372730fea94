"""`realhands hand`: import the official hand model, draw a model."""

from __future__ import annotations

import argparse

from realhands_ros.cli.commands import add_commands

_ACTIONS = {
    'import': 'read MANO_RIGHT.pkl / MANO_LEFT.pkl safely, without chumpy, and write npz twins',
    'show': 'draw the hand model to a PNG: poses and shapes, skin weights, texture atlas',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands, each of a module hand_NAME."""
    add_commands(parser, _ACTIONS, 'hand_', dest='action', metavar='ACTION', required=True)
