"""`realhands export openvino`: the network compiled ahead, with 8-bit convolutions if wanted."""

from __future__ import annotations

import argparse
from pathlib import Path

from realhands_ros.handnet.loading import default_weights_path
from realhands_ros.handnet.openvino_export import export_openvino
from realhands_ros.handnet.weights import load_weights
from realhands_ros.training.batch import TrainingBatch
from realhands_ros.training.keypoint_noise import KeypointNoise
from realhands_ros.training.preparation import AS_DEPLOYED, Preparation
from realhands_ros.training.run_data import RunData, training_source
from realhands_ros.training.stream import BatchStream

_SEED = (0x0C, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, the weights and the data."""
    parser.add_argument('out', type=Path, metavar='OUT.xml', help='file to write, with its .bin')
    parser.add_argument(
        '--weights', type=Path, metavar='FILE', help='safetensors (default: the shipped ones)'
    )
    parser.add_argument(
        '--calibrate', type=Path, nargs='+', default=[], metavar='DIR', help='synthetic datasets'
    )
    parser.add_argument(
        '--hands', type=int, default=300, help='to calibrate with (default: %(default)s)'
    )
    parser.add_argument('--noise', type=Path, metavar='NPZ', help='made by `train fit-noise`')


def run(args: argparse.Namespace) -> int:
    """Export; return 0. Raises WeightsError, ConfigError or DatasetError."""
    network, info = load_weights(args.weights or default_weights_path('torch'))
    batches: list[TrainingBatch] = []
    if args.calibrate:
        noise = KeypointNoise.load(args.noise) if args.noise else KeypointNoise.isotropic()
        stream = BatchStream(
            training_source(RunData(synthetic=args.calibrate)),
            Preparation(info.config, noise, AS_DEPLOYED),
            hands=1,
            seed=_SEED,
            steps=args.hands,
        )
        batches = [stream[step] for step in range(len(stream))]
    export_openvino(network, info, args.out, batches)
    kind = f'8-bit convolutions, calibrated on {len(batches)} hands' if batches else 'float'
    print(f'{args.out}: {info.config.name}, {kind}')
    return 0
