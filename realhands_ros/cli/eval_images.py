"""`realhands eval images`: photographs, one camera each."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.cli import eval_options as options
from realhands_ros.evaluation.image_evaluation import evaluate_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, the pipeline and what becomes of the result."""
    parser.add_argument('folder', type=Path, help='pictures, and annotations.json if there is one')
    options.add_pipeline_arguments(parser)
    options.add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 0, or what options.deliver says."""
    wanted = options.requirements(args)
    config = options.replay_config(args)
    result = evaluate_images(args.folder, config, options.described(args))
    return options.deliver(args, result, wanted)
