"""`realhands hand show`: draw a hand model so that a person can look at it."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from realhands_ros.errors import ConfigError
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.sheets import SHEETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the picture, what it shows and of which model."""
    parser.add_argument('picture', type=Path, metavar='OUT.png', help='picture to write')
    parser.add_argument(
        '--what', choices=list(SHEETS), default='sheet', help='what to draw (default: %(default)s)'
    )
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )


def run(args: argparse.Namespace) -> int:
    """Draw the sheet; return 0. Raises ConfigError when the picture cannot be written."""
    sheet = SHEETS[args.what](args.model or default_model_folder())
    encoded, data = cv2.imencode('.png', cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    if not encoded or args.picture.suffix.lower() != '.png':
        message = f'the picture is a PNG; {args.picture} does not end in .png'
        raise ConfigError(message)
    try:
        args.picture.write_bytes(data.tobytes())
    except OSError as error:
        message = f'{args.picture} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error
    print(f'{args.picture}: {sheet.shape[1]} x {sheet.shape[0]} pixels')
    return 0
