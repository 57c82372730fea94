"""`realhands hand`: import the official hand model, draw a hand model."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.errors import ModelFileError

# The keys of SHEETS in hand/sheets.py, which imports PyTorch; a test compares them.
_DRAWINGS = ('sheet', 'gestures', 'shapes', 'weights', 'uv')


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pickles and the folder of the npz files."""
    parser.add_argument(
        'pickles', nargs='+', type=Path, metavar='PKL', help='MANO_RIGHT.pkl and/or MANO_LEFT.pkl'
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help="folder of the npz files (default: the pickle's)"
    )
    parser.add_argument('--force', action='store_true', help='replace npz files that exist')


def run_import(args: argparse.Namespace) -> int:
    """Convert official MANO pickles to npz files, all or none of them; return 0."""
    from realhands_ros.hand.model_file import model_file_path, save_hand_model_data
    from realhands_ros.hand.pickle_import import read_official_pickle

    models = [read_official_pickle(path) for path in args.pickles]
    folders = [args.out or path.parent for path in args.pickles]
    for data, folder in zip(models, folders, strict=True):
        target = model_file_path(folder, data.handedness)
        if target.exists() and not args.force:
            message = f'{target} exists; choose another --out, or --force to replace it'
            raise ModelFileError(message)
    for data, folder in zip(models, folders, strict=True):
        print(f'{save_hand_model_data(data, folder)}: MANO, {data.handedness} hand')
    print("The licence of MANO applies to these files: they are not this package's to share.")
    return 0


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the picture, what it shows and of which model."""
    parser.add_argument('picture', type=Path, metavar='OUT.png', help='picture to write')
    parser.add_argument(
        '--what', choices=_DRAWINGS, default='sheet', help='what to draw (default: %(default)s)'
    )
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )


def run_show(args: argparse.Namespace) -> int:
    """Draw a hand model; return 0. Raises ConfigError when the picture cannot be written."""
    from realhands_ros.cli.png import write_png
    from realhands_ros.hand.model_file import default_model_folder
    from realhands_ros.hand.sheets import SHEETS

    write_png(SHEETS[args.what](args.model or default_model_folder()), args.picture)
    return 0
