"""``realhands synth bag``: write the bag that a ZED would have recorded of moving hands."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from realhands_ros.messages.topics import WRAPPER_VERSIONS
from realhands_ros.synthesis.config import MOTIONS, RESOLUTIONS, ZED_MODELS, FilmSettings

_BOTH = 'both'
_DEFAULT = '(default: %(default)s)'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the bag, what it shows and whose topics it has."""
    defaults = FilmSettings()
    parser.add_argument('out', type=Path, help='folder of the bag; must not exist')
    parser.add_argument('--seconds', type=float, default=defaults.seconds, help=_DEFAULT)
    parser.add_argument(
        '--rate', type=float, default=defaults.rate, help='frames a second ' + _DEFAULT
    )
    parser.add_argument('--camera', choices=ZED_MODELS, default=defaults.camera, help=_DEFAULT)
    parser.add_argument(
        '--resolution', choices=RESOLUTIONS, default=defaults.resolution, help=_DEFAULT
    )
    parser.add_argument(
        '--hands', type=int, choices=(1, 2), default=defaults.hands, help='the right one, or both'
    )
    parser.add_argument(
        '--motion',
        choices=MOTIONS,
        default=defaults.motion,
        help='gestures, grasps without objects, or with them ' + _DEFAULT,
    )
    parser.add_argument('--seed', type=int, default=defaults.seed, help=_DEFAULT)
    parser.add_argument(
        '--wrapper',
        choices=(*WRAPPER_VERSIONS, _BOTH),
        default=WRAPPER_VERSIONS[-1],
        help='version of zed-ros2-wrapper that names topics and frames; "both" doubles the size '
        + _DEFAULT,
    )
    parser.add_argument('--processes', type=int, default=os.cpu_count() or 1, help=_DEFAULT)
    parser.add_argument('--model-folder', type=Path, default=None, help='folder of MANO files')


def run(args: argparse.Namespace) -> int:
    """Write the bag, say where it is, how large it is and how long it took; return 0."""
    from realhands_ros.synthesis.zed_bag.record import record_bag

    settings = FilmSettings(
        seconds=args.seconds,
        rate=args.rate,
        camera=args.camera,
        resolution=args.resolution,
        hands=args.hands,
        motion=args.motion,
        seed=args.seed,
        model_folder=args.model_folder,
    )
    wrappers = WRAPPER_VERSIONS if args.wrapper == _BOTH else (args.wrapper,)
    start = time.monotonic()
    record_bag(args.out, settings, wrappers=wrappers, processes=args.processes)
    size = sum(path.stat().st_size for path in args.out.iterdir())
    print(
        f'{args.out}: {settings.num_frames} stereo frames, {size / 1e6:.0f} MB, '
        f'{time.monotonic() - start:.0f} s'
    )
    return 0
