"""`realhands eval freihand`: FreiHAND in its official layout, and the challenge's file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from realhands_ros.cli import eval_options as options
from realhands_ros.datasets.freihand import FreiHandPart, FreiHandSet
from realhands_ros.evaluation.sources.freihand import FreiHandSource, evaluate_freihand


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the images, the pipeline and what becomes of the result."""
    parser.add_argument('folder', type=Path, help='where FreiHAND_pub_v2.zip was unpacked')
    parser.add_argument(
        '--set', choices=get_args(FreiHandSet), default='evaluation', help='(default: %(default)s)'
    )
    parser.add_argument(
        '--part', choices=get_args(FreiHandPart), default='all', help='(default: %(default)s)'
    )
    parser.add_argument('--samples', type=int, metavar='N', help='only the first ones')
    parser.add_argument('--export', type=Path, metavar='ZIP', help="write the challenge's file")
    options.add_pipeline_arguments(parser, with_ablation=False)
    options.add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 0, or what options.deliver says."""
    wanted = options.requirements(args)
    source = FreiHandSource(args.folder, args.set, args.part, args.samples)
    result = evaluate_freihand(
        source, options.pipeline_config(args), options.described(args), args.export
    )
    return options.deliver(args, result, wanted)
