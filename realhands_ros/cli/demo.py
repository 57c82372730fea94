"""``realhands demo``: a synthetic ZED recording through the live system, and its results."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from realhands_ros.errors import ConfigError
from realhands_ros.resources import cache_folder
from realhands_ros.synthesis.config import RESOLUTIONS, FilmSettings

_DEFAULT = '(default: %(default)s)'


def default_folder() -> Path:
    """Return the folder of recordings and results: ``$XDG_CACHE_HOME/realhands/demo``."""
    return cache_folder('demo')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    defaults = FilmSettings()
    parser.add_argument('--seconds', type=float, default=defaults.seconds, help=_DEFAULT)
    parser.add_argument(
        '--hands', type=int, choices=(1, 2), default=defaults.hands, help='the right one, or both'
    )
    parser.add_argument('--resolution', choices=RESOLUTIONS, default=defaults.resolution)
    parser.add_argument('--seed', type=int, default=defaults.seed, help=_DEFAULT)
    parser.add_argument(
        '--composition', action='store_true', help='all nodes in one process instead of four'
    )
    parser.add_argument('--rate', type=float, default=1.0, help='speed of the replay ' + _DEFAULT)
    parser.add_argument(
        '--folder', type=Path, default=None, help=f'for all files (default: {default_folder()})'
    )
    parser.add_argument('--no-video', action='store_true', help='write no video and no Rerun file')


def run(args: argparse.Namespace) -> int:
    """Make or reuse the recording, run the system on it, print and write the results; return 0."""
    if not args.rate > 0:
        message = f'--rate {args.rate:g}: it must be above zero'
        raise ConfigError(message)
    settings = FilmSettings(
        seconds=args.seconds, hands=args.hands, resolution=args.resolution, seed=args.seed
    )
    folder = (args.folder or default_folder()).resolve()
    from realhands_ros.demo import demo_run

    results = folder / 'run'
    shutil.rmtree(results, ignore_errors=True)
    recording = demo_run.recording(folder, settings)
    print(f'\nPlaying {recording} to the live system …', flush=True)
    demo = demo_run.replay(recording, results, rate=args.rate, composition=args.composition)
    print('\n' + demo.text() + '\n')
    if not args.no_video:
        for path in demo.write_pictures(folder):
            print(f'wrote {path}')
    return 0
