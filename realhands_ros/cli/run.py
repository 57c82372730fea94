"""``realhands run``: the live system, or a bag through it, without the launch package."""

from __future__ import annotations

import argparse

from realhands_ros.cli import run_live, run_pictures

_SYSTEMS = {
    'stereo': 'the four nodes on the topics of a stereo camera',
    'mono': 'the nodes on a single camera, or on an image, a video or a webcam without ROS',
    'replay': 'the four nodes, and a bag that is played to them',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three systems and their options."""
    systems = parser.add_subparsers(dest='system', metavar='SYSTEM', required=True)
    for name, summary in _SYSTEMS.items():
        system = systems.add_parser(name, help=summary, description=summary)
        if name == 'mono':
            run_pictures.add_arguments(system)
        run_live.add_arguments(system, name)


def run(args: argparse.Namespace) -> int:
    """Run a system until it is interrupted; return 0."""
    if args.system == 'mono' and run_pictures.is_wanted(args):
        return run_pictures.run(args)
    return run_live.run(args)
