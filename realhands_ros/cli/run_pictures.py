"""Images, videos and webcams through the pipeline, without ROS: ``realhands run mono``."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""


def is_wanted(args: argparse.Namespace) -> bool:
    """Return whether the arguments name pictures."""
    return False


def run(args: argparse.Namespace) -> int:
    """Work on the pictures."""
    return 0
