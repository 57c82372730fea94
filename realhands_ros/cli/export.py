"""`realhands export onnx|openvino`: the network for other runtimes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realhands_ros.training.batch import TrainingBatch

_SEED = (0x0C, 0)


def add_onnx_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file and the weights."""
    parser.add_argument('out', type=Path, metavar='OUT.onnx', help='file to write')
    _add_weights_argument(parser)


def run_onnx(args: argparse.Namespace) -> int:
    """Write an ONNX file; return 0. Raises WeightsError or ConfigError."""
    from realhands_ros.handnet.loading import default_weights_path
    from realhands_ros.handnet.onnx_export import export_onnx
    from realhands_ros.handnet.weights import load_weights

    network, info = load_weights(args.weights or default_weights_path('torch'))
    export_onnx(network, args.out)
    size = info.config.input_size
    print(f'{args.out}: {info.config.name}, crops of {size} x {size} pixels, any batch size')
    return 0


def add_openvino_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, the weights and the hands that 8-bit ranges are measured on."""
    parser.add_argument('out', type=Path, metavar='OUT.xml', help='file to write, with its .bin')
    _add_weights_argument(parser)
    parser.add_argument(
        '--calibrate', type=Path, nargs='+', default=[], metavar='DIR', help='synthetic datasets'
    )
    parser.add_argument(
        '--photographs',
        type=Path,
        nargs='+',
        default=[],
        metavar='LABELLED',
        help='photographs, half of the hands where both are given',
    )
    parser.add_argument(
        '--hands', type=int, default=300, help='to calibrate with (default: %(default)s)'
    )
    parser.add_argument('--noise', type=Path, metavar='NPZ', help='made by `train fit-noise`')


def run_openvino(args: argparse.Namespace) -> int:
    """
    Write the network as OpenVINO files, in 8-bit integers with --calibrate; return 0.

    Raises WeightsError, ConfigError or DatasetError.
    """
    from realhands_ros.handnet.loading import default_weights_path
    from realhands_ros.handnet.openvino_export import export_openvino
    from realhands_ros.handnet.weights import load_weights
    from realhands_ros.training.keypoint_noise import KeypointNoise
    from realhands_ros.training.preparation import AS_DEPLOYED, Preparation
    from realhands_ros.training.run_data import RunData, training_source
    from realhands_ros.training.stream import BatchStream

    network, info = load_weights(args.weights or default_weights_path('torch'))
    batches: list[TrainingBatch] = []
    if args.calibrate or args.photographs:
        noise = KeypointNoise.load(args.noise) if args.noise else KeypointNoise.isotropic()
        source = training_source(
            RunData(synthetic=args.calibrate, photographs=args.photographs, photograph_share=0.5)
        )
        # A view that lost the hand has no keypoints: those ranges must be measured too.
        for deployed in (AS_DEPLOYED, replace(AS_DEPLOYED, hide_all=1.0)):
            preparation = Preparation(info.config, noise, deployed)
            stream = BatchStream(
                source, preparation, hands=1, seed=_SEED, steps=max(1, args.hands // 2)
            )
            batches += [stream[step] for step in range(len(stream))]
    export_openvino(network, info, args.out, batches)
    kind = f'8-bit convolutions, calibrated on {len(batches)} hands' if batches else 'float'
    print(f'{args.out}: {info.config.name}, {kind}')
    return 0


def _add_weights_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--weights', type=Path, metavar='FILE', help='safetensors (default: the shipped ones)'
    )
