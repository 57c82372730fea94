"""`realhands profile`: a user's skin and hand shape, to keep and to carry elsewhere."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from realhands_ros.cli.numbers import at_least_one
from realhands_ros.errors import ProfileError

if TYPE_CHECKING:
    from realhands_ros.data.hands import Image
    from realhands_ros.texture.profile import HandProfile

# Side in pixels of each drawing of a hand, and from where it is seen.
_TILE = 320
_VIEWS = ('palm', 'back', 'side')


def add_save_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, and the recording to make it from."""
    parser.add_argument('profile', type=Path, metavar='OUT.npz', help='file to write')
    parser.add_argument('--bag', type=Path, help='rosbag2 recording of one person')
    parser.add_argument('--left', metavar='TOPIC', help='left image (default: that of a ZED)')
    parser.add_argument('--right', metavar='TOPIC', help='right image (default: that of a ZED)')
    parser.add_argument(
        '--frames', type=at_least_one, metavar='N', help='only the first ones of the bag'
    )
    _add_model_argument(parser)


def run_save(args: argparse.Namespace) -> int:
    """Write the file; return 0. Raises ProfileError, DatasetError and what the pipeline raises."""
    from realhands_ros.texture.profile import save_profile

    profile = _profile_in_use() if args.bag is None else _profile_from_bag(args)
    save_profile(profile, args.profile)
    print(f'{args.profile}: {" and ".join(profile.hands)} hand')
    return 0


def _profile_in_use() -> HandProfile:
    from realhands_ros.texture.profile import load_profile_in_use, profile_in_use_path

    profile = load_profile_in_use()
    if profile is None:
        message = (
            f'no profile is in use ({profile_in_use_path()} is not there): run the live system '
            'first, or name a recording with --bag'
        )
        raise ProfileError(message)
    return profile


def _profile_from_bag(args: argparse.Namespace) -> HandProfile:
    from tqdm import tqdm

    from realhands_ros.handnet.stage import HandNetStageConfig
    from realhands_ros.pipeline import HandPipeline, PipelineConfig
    from realhands_ros.recordings.bag import BagFile
    from realhands_ros.recordings.frames import FrameStream
    from realhands_ros.recordings.topics import find_camera
    from realhands_ros.texture.stage import TextureStage, TextureStageConfig

    config = PipelineConfig(handnet=HandNetStageConfig(model_folder=args.model))
    stage = TextureStage(TextureStageConfig(model_folder=args.model))
    with BagFile(args.bag) as bag, HandPipeline(config) as pipeline:
        stream = FrameStream(bag, find_camera(bag.topics, left=args.left, right=args.right))
        frames = itertools.islice(stream, args.frames)
        for frame in tqdm(frames, total=args.frames or stream.expected, unit='frame'):
            stage(pipeline(frame).meshes, frame.cameras)
    return stage.profile()


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file."""
    parser.add_argument('profile', type=Path, metavar='PROFILE.npz', help='a saved profile')


def run_load(args: argparse.Namespace) -> int:
    """Make a saved profile the one in use; return 0. Raises ProfileError."""
    from realhands_ros.texture.profile import load_profile, use_profile

    path = use_profile(load_profile(args.profile))
    print(f'{args.profile} is in use now ({path})')
    return 0


def add_show_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file and the picture."""
    parser.add_argument(
        'profile', type=Path, nargs='?', metavar='PROFILE.npz', help='default: the one in use'
    )
    parser.add_argument('--picture', type=Path, metavar='OUT.png', help='draw the hands to a PNG')
    _add_model_argument(parser)


def run_show(args: argparse.Namespace) -> int:
    """Print and draw a profile; return 0. Raises ProfileError, or ConfigError for the picture."""
    import numpy as np

    from realhands_ros.cli.png import write_png
    from realhands_ros.hand.model_file import default_model_folder
    from realhands_ros.texture.profile import load_profile, profile_in_use_path

    path = args.profile or profile_in_use_path()
    profile = load_profile(path)
    print(f'{path}: hand model {profile.topology}')
    for side, hand in profile.hands.items():
        shape = ' '.join(f'{value:+.2f}' for value in hand.estimate.shape)
        largest = 1e3 * float(np.linalg.norm(hand.estimate.offsets, axis=1).max())
        print(f'{side} hand: atlas of {len(hand.atlas)} texels, {hand.coverage:.0%} of it seen')
        print(f'  shape {shape}, offsets up to {largest:.1f} mm, of {hand.estimate.frames} frames')
    if args.picture:
        write_png(_drawing(profile, args.model or default_model_folder()), args.picture)
    return 0


def _drawing(profile: HandProfile, folder: Path) -> Image:
    """Return a row for each hand: its atlas, and the hand from three sides."""
    import cv2
    import numpy as np

    from realhands_ros.hand.gestures import gesture_angles
    from realhands_ros.hand.sheets import HandPoser
    from realhands_ros.texture.display import TextureRenderer

    renderer, rows = TextureRenderer(folder), []
    for side, hand in profile.hands.items():
        vertices = HandPoser(folder, side).vertices(gesture_angles('open'), hand.estimate.shape)
        row = [np.asarray(cv2.resize(hand.atlas, (_TILE, _TILE)), np.uint8)]
        row += [renderer.novel_view(vertices, side, hand.atlas, view, _TILE) for view in _VIEWS]
        rows.append(np.hstack(row))
    return np.vstack(rows)


def _add_model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )
