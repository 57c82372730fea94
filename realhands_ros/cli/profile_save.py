"""`realhands profile save`: keep the profile in use, or make one from a recording."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from tqdm import tqdm

from realhands_ros.cli.numbers import at_least_one
from realhands_ros.errors import ProfileError
from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.frames import FrameStream
from realhands_ros.recordings.topics import find_camera
from realhands_ros.texture.profile import (
    HandProfile,
    load_profile_in_use,
    profile_in_use_path,
    save_profile,
)
from realhands_ros.texture.stage import TextureStage, TextureStageConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, and the recording to make it from."""
    parser.add_argument('profile', type=Path, metavar='OUT.npz', help='file to write')
    parser.add_argument('--bag', type=Path, help='rosbag2 recording of one person')
    parser.add_argument('--left', metavar='TOPIC', help='left image (default: that of a ZED)')
    parser.add_argument('--right', metavar='TOPIC', help='right image (default: that of a ZED)')
    parser.add_argument(
        '--frames', type=at_least_one, metavar='N', help='only the first ones of the bag'
    )
    parser.add_argument(
        '--model', type=Path, metavar='DIR', help='model folder (default: the open hand)'
    )


def run(args: argparse.Namespace) -> int:
    """Write the file; return 0. Raises ProfileError, DatasetError and what the pipeline raises."""
    profile = _in_use() if args.bag is None else _from_bag(args)
    save_profile(profile, args.profile)
    print(f'{args.profile}: {" and ".join(profile.hands)} hand')
    return 0


def _in_use() -> HandProfile:
    profile = load_profile_in_use()
    if profile is None:
        message = (
            f'no profile is in use ({profile_in_use_path()} is not there): run the live system '
            'first, or name a recording with --bag'
        )
        raise ProfileError(message)
    return profile


def _from_bag(args: argparse.Namespace) -> HandProfile:
    config = PipelineConfig(handnet=HandNetStageConfig(model_folder=args.model))
    stage = TextureStage(TextureStageConfig(model_folder=args.model))
    with BagFile(args.bag) as bag, HandPipeline(config) as pipeline:
        stream = FrameStream(bag, find_camera(bag.topics, left=args.left, right=args.right))
        frames = itertools.islice(stream, args.frames)
        for frame in tqdm(frames, total=args.frames or stream.expected, unit='frame'):
            stage(pipeline(frame).meshes, frame.cameras)
    return stage.profile()
