"""Entry point of the ``realhands`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from realhands_ros import __version__
from realhands_ros.cli.commands import add_commands
from realhands_ros.errors import RealhandsError

# One line per subcommand: its name, which is its module's, and its line in --help.
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
    parser = _build_parser()
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


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='realhands', description='Metric, textured 3D hand meshes from a stereo camera.'
    )
    parser.add_argument('--version', action='version', version=f'realhands {__version__}')
    add_commands(parser, COMMANDS, dest='command', metavar='COMMAND', title='commands')
    return parser


if __name__ == '__main__':
    sys.exit(main())
