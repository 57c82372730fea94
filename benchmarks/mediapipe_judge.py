"""
How MediaPipe Hands, an outside judge, sees synthetic samples: full images, left view.

    python benchmarks/mediapipe_judge.py --samples 500 [--backgrounds DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from realhands_ros.synthesis.config import BARE_HANDS, VIEW_MIXES, SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.judge import VISIBLE_SHARE, Verdict, judge, summarize
from realhands_ros.synthesis.sample import StereoSample, make_sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--samples', type=int, default=500)
    parser.add_argument('--seed', type=int, default=1000)
    parser.add_argument('--backgrounds', type=Path, default=None)
    parser.add_argument('--resolution', default='VGA')
    args = parser.parse_args()
    torch.set_num_threads(2)
    config = SynthesisConfig(
        backgrounds=args.backgrounds, resolutions=(args.resolution,), **BARE_HANDS
    )
    verdicts = judge(_samples(config, args.seed, args.samples))
    print(f'{args.samples} samples of the default mix, {args.resolution}, seed {args.seed}')
    print(f'hands with at least {VISIBLE_SHARE:.0%} of the keypoints visible:')
    _print_row('all', verdicts)
    for mix in VIEW_MIXES:
        _print_row(mix, [verdict for verdict in verdicts if verdict.view_mix == mix])


def _samples(config: SynthesisConfig, seed: int, count: int) -> Iterator[StereoSample]:
    generator, renderer = SceneGenerator(config, seed), FastRenderer()
    for index in tqdm(range(count), unit='sample'):
        yield make_sample(generator.scene(index), renderer)


def _print_row(name: str, verdicts: list[Verdict]) -> None:
    result = summarize(verdicts)
    print(
        f'{name:12s} {len(verdicts):5d} samples {result.expected:5d} expected '
        f'{result.detection_rate:7.1%} detected, median error {result.median_error:.3f} hand sizes'
    )


if __name__ == '__main__':
    main()
