"""MediaPipe judges the shape of the open hand: how often it is found, and each joint's bias."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common.shape_judge import judge_shape
from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.hand.model_file import default_model_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, default=default_model_folder())
    parser.add_argument('--views', type=int, default=200)
    args = parser.parse_args()
    verdict = judge_shape(args.model, views=args.views)
    print(f'found {verdict.found:.1%} of {args.views} frontal views')
    print('distances in % of the hand length (wrist to middle fingertip):')
    print(f'  median {100 * np.median(verdict.distances):.2f}', end='')
    print(f'  90th percentile {100 * np.percentile(verdict.distances, 90):.2f}')
    print(f'{"keypoint":12} {"median":>7} {"across":>7} {"along":>7}   (bias: + thumb, + fingers)')
    for k, name in enumerate(KEYPOINT_NAMES):
        across, along = 100 * np.median(verdict.offsets[:, k], axis=0)
        median = 100 * np.median(verdict.distances[:, k])
        print(f'{name:12} {median:7.2f} {across:+7.2f} {along:+7.2f}')


if __name__ == '__main__':
    main()
