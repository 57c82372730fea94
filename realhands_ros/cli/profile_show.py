"""`realhands profile show`: what a profile holds, in words and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from realhands_ros.data.hands import Image
from realhands_ros.errors import ConfigError
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.sheets import HandPoser
from realhands_ros.texture.display import TextureRenderer
from realhands_ros.texture.profile import HandProfile, load_profile, profile_in_use_path

_TILE = 320
_VIEWS = ('palm', 'back', 'side')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file and the picture."""
    parser.add_argument(
        'profile', type=Path, nargs='?', metavar='PROFILE.npz', help='default: the one in use'
    )
    parser.add_argument('--picture', type=Path, metavar='OUT.png', help='draw the hands to a PNG')
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )


def run(args: argparse.Namespace) -> int:
    """Print and draw; return 0. Raises ProfileError, or ConfigError for the picture."""
    path = args.profile or profile_in_use_path()
    profile = load_profile(path)
    print(f'{path}: hand model {profile.topology}')
    for side, hand in profile.hands.items():
        shape = ' '.join(f'{value:+.2f}' for value in hand.estimate.shape)
        largest = 1e3 * float(np.linalg.norm(hand.estimate.offsets, axis=1).max())
        print(f'{side} hand: atlas of {len(hand.atlas)} texels, {hand.coverage:.0%} of it seen')
        print(f'  shape {shape}, offsets up to {largest:.1f} mm, of {hand.estimate.frames} frames')
    if args.picture:
        _write(_sheet(profile, args.model or default_model_folder()), args.picture)
    return 0


def _sheet(profile: HandProfile, folder: Path) -> Image:
    """Draw a row for each hand: its atlas, and the hand from three sides."""
    renderer, rows = TextureRenderer(folder), []
    for side, hand in profile.hands.items():
        vertices = HandPoser(folder, side).vertices(gesture_angles('open'), hand.estimate.shape)
        row = [np.asarray(cv2.resize(hand.atlas, (_TILE, _TILE)), np.uint8)]
        row += [renderer.novel_view(vertices, side, hand.atlas, view, _TILE) for view in _VIEWS]
        rows.append(np.hstack(row))
    return np.vstack(rows)


def _write(picture: Image, path: Path) -> None:
    if path.suffix.lower() != '.png':
        message = f'the picture is a PNG; {path} does not end in .png'
        raise ConfigError(message)
    _, data = cv2.imencode('.png', picture[..., ::-1])
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error
    print(f'{path}: {picture.shape[1]} x {picture.shape[0]} pixels')
