"""``realhands run``: the nodes as processes, without the launch package; or mono pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.cli import run_pictures
from realhands_ros.configuration.parameters import Value
from realhands_ros.errors import ConfigError
from realhands_ros.messages.topics import WRAPPER_VERSIONS
from realhands_ros.system.graph import (
    GRAPH,
    Wiring,
    mono_remappings,
    player_command,
    recorder_command,
    zed_remappings,
)

_DEFAULT = '(default: %(default)s)'


def add_stereo_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a stereo camera's system."""
    _add_zed_arguments(parser)
    _add_common_arguments(parser, 'stereo')


def add_mono_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a single camera's system, and of pictures without ROS."""
    run_pictures.add_arguments(parser)
    parser.add_argument('--image-topic', default='image', help=_DEFAULT)
    parser.add_argument('--camera-info-topic', default='camera_info', help=_DEFAULT)
    parser.add_argument(
        '--image-reliability',
        choices=('reliable', 'best_effort'),
        default='best_effort',
        help='of the subscription; best_effort takes images of any camera ' + _DEFAULT,
    )
    _add_common_arguments(parser, 'mono')


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the bag, how it is played, and the options of its camera."""
    parser.add_argument('bag', type=Path, help='folder of a rosbag2 recording')
    parser.add_argument('--rate', type=float, default=1.0, help='speed ' + _DEFAULT)
    parser.add_argument('--loop', action='store_true', help='start anew at the end')
    parser.add_argument(
        '--clock', action='store_true', help="publish the bag's time; implies --use-sim-time"
    )
    _add_zed_arguments(parser)
    _add_common_arguments(parser, 'replay')


def _add_zed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--camera-name', default='zed', help=_DEFAULT)
    parser.add_argument(
        '--zed-wrapper-version',
        choices=WRAPPER_VERSIONS,
        default=WRAPPER_VERSIONS[-1],
        help='generation of the topic names: up to 5.0, or from 5.1 ' + _DEFAULT,
    )


def _add_common_arguments(parser: argparse.ArgumentParser, system: str) -> None:
    parser.set_defaults(system=system)
    parser.add_argument('--params-file', type=Path, help='a file like config/stereo.yaml')
    parser.add_argument(
        '--param', action='append', default=[], metavar='NAME=VALUE', help='of all nodes it fits'
    )
    parser.add_argument(
        '--remap', action='append', default=[], metavar='FROM=TO', help='for other cameras'
    )
    parser.add_argument('--namespace', default='', help='of the nodes and their topics')
    parser.add_argument('--use-sim-time', action='store_true', help='take the time from /clock')
    parser.add_argument('--composition', action='store_true', help='all nodes in one process')
    parser.add_argument('--no-texture', action='store_true', help='leave the texture node out')
    parser.add_argument('--record', type=Path, metavar='BAG', help='write what comes out to a bag')


def run_mono(args: argparse.Namespace) -> int:
    """Run the nodes on one camera or, where the options name some, the pipeline on pictures."""
    return run_pictures.run(args) if run_pictures.is_wanted(args) else run(args)


def run(args: argparse.Namespace) -> int:
    """Run nodes until SIGINT or the end of the bag; return 1 if player or recorder failed."""
    from realhands_ros.system.dds_profile import environment_with_profile
    from realhands_ros.system.supervisor import Supervisor, stop_on_signals

    wiring = wiring_of(args)
    _check(args, wiring)
    commands = wiring.commands()
    if args.record:
        commands['recorder'] = recorder_command(args.record, wiring)
    environment = environment_with_profile()
    # A recorder that is started again would refuse to write into the bag of the first.
    recorder = ('recorder',)
    with stop_on_signals() as stop, Supervisor(commands, environment, once=recorder) as nodes:
        if args.system != 'replay':
            nodes.wait(stop)
            return 0
        player = player_command(args.bag, wiring, rate=args.rate, loop=args.loop, clock=args.clock)
        with Supervisor({'bag_player': player}, environment, once=('bag_player',)) as playing:
            process = playing.processes['bag_player']
            while playing.poll() and nodes.poll():
                if stop.wait(0.1):
                    break
        is_recorded = not args.record or 'recorder' in nodes.processes
    return 0 if is_recorded and not process.returncode else 1


def _check(args: argparse.Namespace, wiring: Wiring) -> None:
    """Check what the processes need before any starts; raises ConfigError or DatasetError."""
    from realhands_ros.system.preflight import check_bag, check_rate, check_record, check_wiring

    check_wiring(wiring)
    if args.record:
        check_record(args.record)
    if args.system == 'replay':
        check_rate(args.rate)
        check_bag(args.bag, wiring)


def wiring_of(args: argparse.Namespace) -> Wiring:
    """Return how the nodes are to be started; ConfigError for options that cannot be."""
    if args.params_file and not args.params_file.is_file():
        message = f'--params-file {args.params_file} does not exist'
        raise ConfigError(message)
    if args.system == 'mono':
        remappings = mono_remappings(args.image_topic, args.camera_info_topic)
    else:
        remappings = zed_remappings(args.zed_wrapper_version, args.camera_name)
    parameters: dict[str, Value] = {'stereo': args.system != 'mono'}
    if args.system == 'mono':
        parameters['image_reliability'] = args.image_reliability
    if args.use_sim_time or getattr(args, 'clock', False):
        parameters['use_sim_time'] = True
    return Wiring(
        nodes=tuple(
            spec.name for spec in GRAPH if not (args.no_texture and spec.name == 'texture_node')
        ),
        remappings=remappings | _pairs(args.remap, '--remap'),
        parameters=parameters,
        texts=_pairs(args.param, '--param'),
        params_file=args.params_file,
        namespace=args.namespace,
        composition=args.composition,
    )


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition('=')
        if not (name and equals and value):
            message = f'{option} {text}: expected NAME=VALUE'
            raise ConfigError(message)
        pairs[name] = value
    return pairs
