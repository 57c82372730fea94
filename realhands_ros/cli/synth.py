"""``realhands synth dataset|sheet``: make synthetic stereo images of hands."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from realhands_ros.cli.numbers import at_least_one, not_negative
from realhands_ros.synthesis.config import (
    DEFAULT_DISTANCE_M,
    DEFAULT_MIX,
    RESOLUTIONS,
    SHARES,
    VIEW_MIXES,
    ZED_MODELS,
    SynthesisConfig,
    parse_mix,
)

# The number of samples of the paper's set.
PAPER_SAMPLES = 15082


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, the number of samples and what they show."""
    parser.add_argument('out', type=Path, help='folder of the dataset')
    parser.add_argument('--samples', type=int, default=PAPER_SAMPLES)
    parser.add_argument('--processes', type=int, default=os.cpu_count() or 1)
    _add_scene_arguments(parser)


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the picture, the number of samples in it and what they show."""
    parser.add_argument('out', type=Path, help='PNG file')
    parser.add_argument('--samples', type=at_least_one, default=64)
    parser.add_argument('--columns', type=at_least_one, default=4)
    parser.add_argument('--truth', action='store_true', help='draw masks and keypoints in')
    _add_scene_arguments(parser)


def _add_scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--seed', type=not_negative, default=0)
    parser.add_argument(
        '--mix',
        default=','.join(f'{name}={share:g}' for name, share in DEFAULT_MIX.items()),
        help=f'shares of {", ".join(VIEW_MIXES)}, or one name (default: %(default)s)',
    )
    parser.add_argument('--cameras', nargs='+', choices=ZED_MODELS, default=None)
    parser.add_argument('--resolutions', nargs='+', choices=RESOLUTIONS, default=None)
    parser.add_argument(
        '--distance',
        nargs=2,
        type=float,
        metavar=('NEAR', 'FAR'),
        default=DEFAULT_DISTANCE_M,
        help='of the hand from the camera, metres (default: %(default)s)',
    )
    for name, meaning in SHARES.items():
        option = '--' + name.replace('_', '-')
        default = getattr(SynthesisConfig(), name)
        parser.add_argument(
            option, type=float, default=default, help=f'of {meaning} (default: {default:g})'
        )
    parser.add_argument('--crop', type=int, default=None, help='side of hand crops in pixels')
    parser.add_argument('--backgrounds', type=Path, default=None, help='folder of photographs')
    parser.add_argument(
        '--skins', type=Path, default=None, help="folder of textures in MakeHuman's layout"
    )
    parser.add_argument(
        '--lights', type=Path, default=None, help='folder of EXR or HDR panoramas as light'
    )
    parser.add_argument('--model-folder', type=Path, default=None, help='folder of MANO files')


def _config(args: argparse.Namespace) -> SynthesisConfig:
    defaults = SynthesisConfig()
    return SynthesisConfig(
        mix=parse_mix(args.mix),
        cameras=tuple(args.cameras or defaults.cameras),
        resolutions=tuple(args.resolutions or defaults.resolutions),
        distance_m=(args.distance[0], args.distance[1]),
        crop_size=args.crop,
        backgrounds=args.backgrounds,
        model_folder=args.model_folder,
        skins=args.skins,
        lights=args.lights,
        **{name: getattr(args, name) for name in SHARES},
    )


def run_dataset(args: argparse.Namespace) -> int:
    """Write the samples that the folder does not have yet; return 0."""
    from realhands_ros.synthesis.dataset_writer import write_dataset

    write_dataset(
        args.out,
        _config(args),
        samples=args.samples,
        seed=args.seed,
        processes=args.processes,
    )
    print(f'{args.samples} samples in {args.out}; see {args.out / "card.md"}')
    return 0


def run_sheet(args: argparse.Namespace) -> int:
    """Write one picture of many samples; return 0."""
    from realhands_ros.synthesis.fast.renderer import FastRenderer
    from realhands_ros.synthesis.generator import SceneGenerator
    from realhands_ros.synthesis.sample import make_sample
    from realhands_ros.synthesis.sheet import save_picture, sheet, tile

    generator, renderer = SceneGenerator(_config(args), args.seed), FastRenderer()
    tiles = [
        tile(make_sample(generator.scene(index), renderer), with_truth=args.truth)
        for index in range(args.samples)
    ]
    save_picture(sheet(tiles, args.columns), args.out)
    print(args.out)
    return 0
