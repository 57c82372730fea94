"""The pose sampler: share of draws that go into themselves, speed, principal components."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from realhands_ros.data.topology import NUM_SHAPE
from realhands_ros.hand.collisions import CapsuleHand, InterpenetrationMeter
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.pose_sampler import PoseSampler
from realhands_ros.hand.skeleton import HandSkeleton

DEEP_M = 0.003


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, default=default_model_folder())
    parser.add_argument('--draws', type=int, default=1000)
    args = parser.parse_args()
    model = HandModel.load(args.model)
    sampler = PoseSampler(model.data)
    print(f'interpenetration of {args.draws} draws (more than {1000 * DEEP_M:.0f} mm; aim < 2 %)')
    for components in (None, 6):
        for spread in (0.0, 1.0):
            _report_depths(model, sampler, args.draws, components, spread)
    _report_components(model, sampler)


def _report_depths(
    model: HandModel, sampler: PoseSampler, draws: int, components: int | None, spread: float
) -> None:
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    poses = sampler.sample(rng, draws, components)
    seconds = time.perf_counter() - start
    shapes = torch.tensor(spread * rng.standard_normal((draws, NUM_SHAPE)), dtype=torch.float32)
    full = torch.zeros(draws, 48)
    full[:, 3:] = torch.tensor(poses)
    with torch.no_grad():
        vertices = model(full, shapes).vertices.numpy()
    meter = InterpenetrationMeter(model.data)
    depths = np.array([meter.depth(posed) for posed in vertices])
    skeleton = HandSkeleton.from_model(model.data)
    capsules = CapsuleHand(skeleton, model.data.v_template, model.data.skin_weights)
    correlation = np.corrcoef(capsules.overlap(poses), depths)[0, 1]
    print(
        f'  components {components or "all":>4}, shape N(0, {spread:.0f}): '
        f'{np.mean(depths > DEEP_M):.2%} deep, 99th percentile '
        f'{1000 * np.percentile(depths, 99):.2f} mm, deepest {1000 * depths.max():.2f} mm; '
        f'{1e6 * seconds / draws:.0f} us a draw; capsules correlate {correlation:.2f}'
    )


def _report_components(model: HandModel, sampler: PoseSampler) -> None:
    poses = sampler.sample(np.random.default_rng(1), 5000, components=None)
    centred = (poses - model.data.hands_mean) @ model.data.hands_components.T
    shares = np.cumsum((centred**2).mean(axis=0)) / (centred**2).mean(axis=0).sum()
    listed = ', '.join(f'{k}: {shares[k - 1]:.1%}' for k in (1, 2, 3, 6, 10, 15))
    print(f'variance explained by the first components: {listed}')


if __name__ == '__main__':
    main()
