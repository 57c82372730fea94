"""`realhands eval live`: latency and drops of a running system."""

from __future__ import annotations

import argparse

from realhands_ros.cli.eval_options import REQUIREMENT_NOT_MET
from realhands_ros.errors import ConfigError
from realhands_ros.messages.topics import MESH, OBSERVATIONS, REGRESSED, WRAPPER_VERSIONS, ZedNames

_TOPICS = (OBSERVATIONS, REGRESSED, MESH)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the topics, the duration and the thresholds."""
    parser.add_argument('--seconds', type=float, default=10.0, help='(default: %(default)s)')
    parser.add_argument(
        '--camera-info',
        default=ZedNames(WRAPPER_VERSIONS[-1]).camera_info('left'),
        metavar='TOPIC',
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--namespace', default='', help='that of the nodes, for hands/mesh and the others'
    )
    parser.add_argument(
        '--require',
        nargs='+',
        action='extend',
        default=[],
        metavar='METRIC<NUMBER',
        help="thresholds on hands/mesh, such as 'latency_p95<60' or 'dropped<0.01'; exit code "
        f'{REQUIREMENT_NOT_MET} if missed',
    )


def run(args: argparse.Namespace) -> int:
    """Listen and print; return 0, or another code if a threshold is missed."""
    if not args.seconds >= 1.0:
        message = f'--seconds {args.seconds:g}: listen for at least one second'
        raise ConfigError(message)
    from realhands_ros.evaluation.live_statistics import Arrival, live_statistics
    from realhands_ros.evaluation.result import Requirement, failures

    thresholds = [Requirement.parse(text) for text in args.require]
    # After the thresholds, which can be checked where ROS is not installed.
    from realhands_ros.system.listener import listen

    prefix = f'/{args.namespace.strip("/")}/' if args.namespace.strip('/') else '/'
    topics = [prefix + topic for topic in _TOPICS]
    arrivals, end_ns = listen(args.camera_info, topics, args.seconds)
    found = live_statistics([Arrival(*row) for row in arrivals], args.camera_info, topics, end_ns)
    print(found.text())
    missed = failures(thresholds, found)
    for failure in missed:
        print(f'NOT MET: {failure}')
    return REQUIREMENT_NOT_MET if missed else 0
