"""`realhands export onnx`: the network for other runtimes."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.handnet.loading import default_weights_path
from realhands_ros.handnet.onnx_export import export_onnx
from realhands_ros.handnet.weights import load_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file and the weights."""
    parser.add_argument('out', type=Path, metavar='OUT.onnx', help='file to write')
    parser.add_argument(
        '--weights', type=Path, metavar='FILE', help='safetensors (default: the shipped ones)'
    )


def run(args: argparse.Namespace) -> int:
    """Export; return 0. Raises WeightsError or ConfigError."""
    network, info = load_weights(args.weights or default_weights_path('torch'))
    export_onnx(network, args.out)
    size = info.config.input_size
    print(f'{args.out}: {info.config.name}, crops of {size} x {size} pixels, any batch size')
    return 0
