"""Entry point of the ``realhands`` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from realhands_ros import __version__
from realhands_ros.errors import RealhandsError

# One line per subcommand: module in realhands_ros.cli and its line in --help. A module offers
# add_arguments(parser) and run(args) -> exit code, and is imported only when it is called, so that
# `realhands --help` and `realhands doctor` work when a dependency of another command is missing.
COMMANDS = {
    'doctor': 'say what is installed and whether the demo can run',
    'demo': 'film synthetic hands, run the live system on the film, and measure it',
    'run': 'run the live system: stereo, mono, or a bag',
    'hand': 'import the official MANO hand model, draw a hand model',
    'synth': 'make synthetic stereo images of hands with ground truth',
    'train': 'train the network; measure the keypoint detector for it',
    'export': "write the network for other runtimes, a user's hands as a rig",
    'profile': "keep, use and show a user's skin and hand shape",
    'eval': 'measure accuracy: tables, bags, folders of images',
    'view': 'show a bag or the running system in the Rerun viewer',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code (1 for an error that realhands reports itself)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _build_parser(arguments[0] if arguments else '')
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return int(args.run(args))
    except RealhandsError as error:
        print(f'realhands {args.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _build_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='realhands', description='Metric, textured 3D hand meshes from a stereo camera.'
    )
    parser.add_argument('--version', action='version', version=f'realhands {__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', title='commands')
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == command:
            module = importlib.import_module(f'realhands_ros.cli.{name}')
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


if __name__ == '__main__':
    sys.exit(main())
