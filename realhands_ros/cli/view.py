"""``realhands view``: a recording or the running system in the Rerun viewer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.errors import ConfigError
from realhands_ros.messages.topics import WRAPPER_VERSIONS

if TYPE_CHECKING:
    from realhands_ros.viewing.rerun_scene import Destination

_DEFAULT = '(default: %(default)s)'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recording or the live system, the destination and the topics."""
    parser.add_argument(
        'bag', type=Path, nargs='?', help='rosbag2 folder, or an mcap or db3 file, with images'
    )
    parser.add_argument('--live', action='store_true', help='the running system instead of a bag')
    parser.add_argument(
        '--hands',
        type=Path,
        metavar='BAG',
        help='what `realhands run --record` wrote of the bag (default: hands of the bag itself; '
        'without them they are reconstructed now)',
    )
    parser.add_argument('--every', type=int, default=1, metavar='N', help='show each Nth frame')
    parser.add_argument('--frames', type=int, metavar='N', help='only the first ones')
    parser.add_argument('--jpeg-quality', type=int, default=75, help='of images ' + _DEFAULT)
    _add_destination(parser)
    _add_cameras(parser)


def _add_destination(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('where to (default: start the viewer)')
    group.add_argument('--save', type=Path, metavar='FILE.rrd', help='write a file')
    group.add_argument('--overwrite', action='store_true', help='a file that is there')
    group.add_argument('--web', action='store_true', help='serve it to a browser, until Ctrl-C')
    group.add_argument('--web-port', type=int, default=9090, help='of the page ' + _DEFAULT)
    group.add_argument('--grpc-port', type=int, default=9876, help='of the data ' + _DEFAULT)


def _add_cameras(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('topics')
    group.add_argument('--left', metavar='TOPIC', help='left image (default: that of a ZED)')
    group.add_argument('--right', metavar='TOPIC', help='right image (default: that of a ZED)')
    group.add_argument('--mono', action='store_true', help='the left camera alone')
    group.add_argument('--camera-name', default='zed', help='--live: of the ZED ' + _DEFAULT)
    group.add_argument(
        '--zed-wrapper-version',
        choices=WRAPPER_VERSIONS,
        default=WRAPPER_VERSIONS[-1],
        help='--live: generation of the topic names ' + _DEFAULT,
    )
    group.add_argument('--namespace', default='', help='--live: of the nodes')


def run(args: argparse.Namespace) -> int:
    """
    Show a recording or the live system; return 0.

    Raises ConfigError where Rerun, a screen or an option is missing.
    """
    from realhands_ros.viewing.rerun_scene import Destination

    if args.live == (args.bag is not None):
        message = 'name a bag, or give --live for the running system'
        raise ConfigError(message)
    if not 1 <= args.jpeg_quality <= 100:
        message = f'--jpeg-quality {args.jpeg_quality}: it is between 1 and 100'
        raise ConfigError(message)
    destination = Destination(args.save, args.web, args.overwrite, args.web_port, args.grpc_port)
    destination.check()
    return _run_live(args, destination) if args.live else _run_bag(args, destination)


def _run_bag(args: argparse.Namespace, destination: Destination) -> int:
    from tqdm import tqdm

    from realhands_ros.viewing.bag_view import BagView
    from realhands_ros.viewing.rerun_scene import RerunScene, SceneConfig

    view = BagView(
        args.bag,
        args.hands,
        left=args.left,
        right=args.right,
        mono=args.mono,
        every=args.every,
        frames=args.frames,
    )
    expected = view.expected
    stream = destination.open()
    scene = RerunScene(stream, SceneConfig(jpeg_quality=args.jpeg_quality))
    shown, meshes = 0, 0
    try:
        for frame in tqdm(view, total=expected, unit='frame', dynamic_ncols=True):
            scene.log(frame)
            shown, meshes = shown + 1, meshes + len(frame.meshes)
    finally:
        stream.flush()
    _say(args, shown, meshes)
    if args.web:
        _wait()
    return 0


def _run_live(args: argparse.Namespace, destination: Destination) -> int:
    from realhands_ros.system.live_view import LiveTopics, show_live
    from realhands_ros.viewing.rerun_scene import RerunScene, SceneConfig

    topics = LiveTopics.of_zed(
        args.zed_wrapper_version,
        args.camera_name,
        left=args.left,
        right=args.right,
        mono=args.mono,
        namespace=args.namespace,
    )
    stream = destination.open()
    scene = RerunScene(stream, SceneConfig(jpeg_quality=args.jpeg_quality))
    try:
        shown, meshes = show_live(scene, topics, every=args.every, frames=args.frames)
    finally:
        stream.flush()
    _say(args, shown, meshes)
    return 0


def _say(args: argparse.Namespace, shown: int, meshes: int) -> None:
    print(f'{shown} frames with {meshes} meshes shown')
    if args.save is not None:
        size = args.save.stat().st_size
        print(f'{args.save}: {size / 1e6:.1f} MB; open it with: rerun {args.save}')


def _wait() -> None:
    import threading

    print('served until Ctrl-C', flush=True)
    threading.Event().wait()
