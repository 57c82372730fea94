"""
Time of the network for one stereo pair, by size, backend and precision.

Run: python benchmarks/handnet.py [--sizes light paper] [--device cuda]. The candidates take turns,
round after round, so that a busy machine slows all of them alike; every figure is the median over
the rounds. Includes everything between crops and numbers: heatmaps, both views, silhouettes.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from realhands_ros.handnet import inference
from realhands_ros.handnet.compiled_network import CompiledNetwork
from realhands_ros.handnet.config import CONFIGS, HandNetConfig
from realhands_ros.handnet.inference import TrainedNetwork
from realhands_ros.handnet.loading import default_weights_path
from realhands_ros.handnet.network import HandNet
from realhands_ros.handnet.prediction import Predictor

Arrays = tuple[np.ndarray, ...]

_PAUSE_S = 0.3
_CALLS = 3


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--sizes', nargs='+', choices=CONFIGS, default=['light', 'paper'])
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--compile', action='store_true', help='torch.compile too: minutes')
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    print(f'milliseconds a stereo pair on {args.device}, {args.threads} threads')
    print(f'{"size":7}{"parameters":>12}  {"backend":18}{"median":>8}{"fastest":>9}   to torch')
    for size in args.sizes:
        network = HandNet(CONFIGS[size]).eval()
        candidates = make_candidates(network, args)
        times = take_turns(candidates, pair_of_crops(CONFIGS[size]), args.rounds)
        print_times(network, times)


def make_candidates(network: HandNet, args: argparse.Namespace) -> dict[str, Predictor]:
    """Return the network ready to run in every way there is here."""
    candidates: dict[str, Predictor] = {
        'torch': TrainedNetwork(network, backend='torch', device=args.device)
    }
    if args.device == 'cpu' and inference.has_fast_bfloat16('cpu'):
        candidates['torch, float32'] = in_float32(network)
    if args.device == 'cpu' and importlib.util.find_spec('openvino'):
        candidates['openvino'] = TrainedNetwork(network, backend='openvino', threads=args.threads)
        if network.config == CONFIGS['light']:
            shipped = default_weights_path('openvino')
            candidates['openvino, 8-bit'] = CompiledNetwork(shipped, threads=args.threads)
    if args.compile:
        candidates['compile'] = TrainedNetwork(network, backend='compile', device=args.device)
    return candidates


def in_float32(network: HandNet) -> TrainedNetwork:
    original = inference.has_fast_bfloat16
    inference.has_fast_bfloat16 = lambda _device: False
    try:
        return TrainedNetwork(network, backend='torch')
    finally:
        inference.has_fast_bfloat16 = original


def pair_of_crops(config: HandNetConfig) -> Arrays:
    rng = np.random.default_rng(0)
    size = config.input_size
    return (
        rng.integers(0, 255, (2, size, size, 3), dtype=np.uint8),
        rng.uniform(0, size, (2, 21, 2)).astype(np.float32),
        rng.normal(0, 0.05, (2, 21, 3)).astype(np.float32),
        np.full(2, 0.3, np.float32),
    )


def take_turns(
    candidates: dict[str, Callable[..., object]], crops: Arrays, rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            # Idle threads of the candidate before go on spinning for a while.
            time.sleep(_PAUSE_S)
            run(*crops)
            start = time.perf_counter()
            for _ in range(_CALLS):
                run(*crops)
            times[name].append(1e3 * (time.perf_counter() - start) / _CALLS)
    return times


def print_times(network: HandNet, times: dict[str, list[float]]) -> None:
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    for name, values in times.items():
        ratio = float(np.median(np.divide(times['torch'], values)))
        print(
            f'{network.config.name:7}{millions:10.1f} M  {name:18}'
            f'{np.median(values):8.1f}{min(values):9.1f}{ratio:10.2f}x'
        )


if __name__ == '__main__':
    main()
