"""`realhands eval bag|images|freihand`: reconstruct hands and measure the errors."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.cli import eval_options as options
from realhands_ros.cli.numbers import at_least_one

# FreiHandSet and FreiHandPart of datasets/freihand.py, which imports OpenCV; a test
# compares them.
_FREIHAND_SETS = ('training', 'evaluation')
_FREIHAND_PARTS = ('all', 'train', 'validation')


def add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recording, the pipeline and the outputs."""
    parser.add_argument('bag', type=Path, help='rosbag2 folder, or an mcap or db3 file')
    parser.add_argument(
        '--truth',
        metavar='TOPIC|BAG',
        help='HandMeshArray topic, or a recording that has it (default: /ground_truth/hands)',
    )
    parser.add_argument('--left', metavar='TOPIC', help='left image (default: that of a ZED)')
    parser.add_argument('--right', metavar='TOPIC', help='right image (default: that of a ZED)')
    parser.add_argument('--mono', action='store_true', help='use the left camera alone')
    parser.add_argument('--frames', type=at_least_one, metavar='N', help='only the first ones')
    options.add_pipeline_arguments(parser)
    options.add_texture_argument(parser)
    options.add_output_arguments(parser)


def run_bag(args: argparse.Namespace) -> int:
    """Replay a recording through the pipeline and measure; return the exit code."""
    from realhands_ros.evaluation.sources.bag import BagSource, evaluate_bag

    thresholds = options.check_outputs(args)
    source = BagSource(args.bag, args.truth, args.left, args.right, args.mono, args.frames)
    result = evaluate_bag(source, options.replay_config(args), options.provenance(args))
    return options.write_outputs(args, result, thresholds)


def add_images_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, the pipeline and the outputs."""
    parser.add_argument('folder', type=Path, help='pictures, and annotations.json if there is one')
    options.add_pipeline_arguments(parser)
    options.add_output_arguments(parser)


def run_images(args: argparse.Namespace) -> int:
    """Reconstruct photographs of one camera each and measure; return the exit code."""
    from realhands_ros.evaluation.image_evaluation import evaluate_images

    thresholds = options.check_outputs(args)
    result = evaluate_images(args.folder, options.replay_config(args), options.provenance(args))
    return options.write_outputs(args, result, thresholds)


def add_freihand_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, the pipeline and the outputs."""
    parser.add_argument('folder', type=Path, help='where FreiHAND_pub_v2.zip was unpacked')
    parser.add_argument(
        '--set', choices=_FREIHAND_SETS, default='evaluation', help='(default: %(default)s)'
    )
    parser.add_argument(
        '--part', choices=_FREIHAND_PARTS, default='all', help='(default: %(default)s)'
    )
    parser.add_argument('--samples', type=int, metavar='N', help='only the first ones')
    parser.add_argument('--export', type=Path, metavar='ZIP', help="write the challenge's file")
    options.add_pipeline_arguments(parser, with_ablation=False)
    options.add_output_arguments(parser)


def run_freihand(args: argparse.Namespace) -> int:
    """Evaluate on FreiHAND in its official layout; return the exit code."""
    from realhands_ros.evaluation.sources.freihand import FreiHandSource, evaluate_freihand

    thresholds = options.check_outputs(args)
    source = FreiHandSource(args.folder, args.set, args.part, args.samples)
    result = evaluate_freihand(
        source, options.pipeline_config(args), options.provenance(args), args.export
    )
    return options.write_outputs(args, result, thresholds)
