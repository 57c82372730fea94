"""`realhands eval bag`: replay a recording and measure."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.cli import eval_options as options
from realhands_ros.cli.numbers import at_least_one
from realhands_ros.evaluation.sources.bag import BagSource, evaluate_bag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recording, the pipeline and what becomes of the result."""
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


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 0, or what options.deliver says."""
    wanted = options.requirements(args)
    source = BagSource(args.bag, args.truth, args.left, args.right, args.mono, args.frames)
    config = options.replay_config(args)
    result = evaluate_bag(source, config, options.described(args))
    return options.deliver(args, result, wanted)
