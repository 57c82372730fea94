"""`realhands hand import`: turn official MANO pickles into npz files that every part reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.model_file import model_file_path, save_hand_model_data
from realhands_ros.hand.pickle_import import read_official_pickle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the pickles and where their twins go."""
    parser.add_argument(
        'pickles', nargs='+', type=Path, metavar='PKL', help='MANO_RIGHT.pkl and/or MANO_LEFT.pkl'
    )
    parser.add_argument(
        '--out', type=Path, metavar='DIR', help="folder of the npz files (default: the pickle's)"
    )
    parser.add_argument('--force', action='store_true', help='replace npz files that exist')


def run(args: argparse.Namespace) -> int:
    """Import all pickles, or none if one is refused; return 0."""
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
