"""
Quality of the refinement on hands with known truth, as in the paper's Fig. 9.

Run: python benchmarks/refinement_quality.py --samples 100 --sheets FOLDER. Hands, cameras and
errors are those of benchmarks/common/refinement_samples.py: starts are disturbed by 10 mm
(mean vertex error after alignment) and 15 mm (wrist), detected keypoints by 1.5 % of the hand.
What each term beyond the paper gains is printed by refinement_ablation.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.common.refinement_samples import (
    MaskDisturbance,
    RefinementSample,
    RefinementSampler,
    SampleScores,
    write_sheet,
)
from realhands_ros.evaluation.metrics import mask_iou
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescentConfig
from realhands_ros.refinement.hand_estimate import Refinement
from realhands_ros.refinement.refiner import HandRefiner, RefinementConfig

Samples = list[RefinementSample]
Masks = MaskDisturbance | Literal['true']

MASKS: tuple[Masks, ...] = (
    'true', 'eroded', 'dilated', 'holes', 'arm', 'unsure', 'all',
)  # fmt: skip
SHOWN_MASKS: tuple[Masks, ...] = ('true', 'all')
ITERATIONS = (3, 10, 15)
LONG_DESCENT = 100
# Steps of gradient descent for an energy with keypoints.
SCALED = {'momentum': 0.8, 'pose_scale': 8.0, 'shape_scale': 10.0, 'camera_scale': 1.5}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--folder', default=None, help='model folder (default: the open hand)')
    parser.add_argument('--samples', type=int, default=100)
    parser.add_argument('--sheets', type=Path, help='write pictures of the worst samples here')
    parser.add_argument('--only-default', action='store_true', help='no gradient descent')
    args = parser.parse_args(argv)
    data = load_hand_model_data(args.folder or default_model_folder())
    sampler = RefinementSampler(data)
    samples = [sampler.draw(seed) for seed in range(args.samples)]
    mono = [sample.first_view() for sample in samples]
    print(f'{len(samples)} samples, 224 x 224\n')
    if not args.only_default:
        for views, subset in (('stereo', samples), ('one view', mono)):
            print_figure_9(views, sampler, subset)
        print_descents(sampler, samples)
    print_default(sampler, samples, mono)
    if args.sheets is not None:
        write_sheets(args.sheets, sampler, samples)


def print_figure_9(views: str, sampler: RefinementSampler, samples: Samples) -> None:
    """Print IoU after 0, 3, 10 and 15 iterations of the paper's descent, and after ours."""
    print(f'{views}: IoU with the true mask, mean (last two columns: least change of a sample)')
    print('masks      mask     0      3      10     15     LM       15      LM')
    refiners = [descent(EnergyConfig.paper(), count) for count in ITERATIONS] + [None]
    for masks in MASKS:
        disturbed = with_masks(samples, masks)
        start = start_scores(sampler, disturbed).iou
        found = [
            sampler.scores(disturbed, [r.parameters for r in refine(sampler, disturbed, config)])
            for config in refiners
        ]
        overlaps = [start.mean(), *(scores.iou.mean() for scores in found)]
        least = [(scores.iou - start).min() for scores in found[-2:]]
        print(
            f'{masks:8} {mean_target_iou(disturbed):7.3f}  '
            + ''.join(f'{overlap:7.3f}' for overlap in overlaps)
            + ''.join(f'{change:+8.3f}' for change in least),
            flush=True,
        )
    print()


def print_descents(sampler: RefinementSampler, samples: Samples) -> None:
    """Print how far gradient descent gets with other settings, true masks."""
    print('gradient descent, stereo, true masks')
    paper, ours = EnergyConfig.paper(), EnergyConfig(keypoint_marks='exact')
    for name, config in {
        'paper, 15 iterations': descent(paper, 15),
        f'paper, {LONG_DESCENT} iterations': descent(paper, LONG_DESCENT),
        'keypoints and priors, 15 iterations': descent(ours, 15),
        'the same, scaled steps': descent(ours, 15, **SCALED),
    }.items():
        print_row(f'{name:36}', sampler, samples, config)
    print()


def print_default(sampler: RefinementSampler, samples: Samples, mono: Samples) -> None:
    """Print all errors before and after the default refinement."""
    print('Levenberg-Marquardt (the default)')
    for masks in MASKS:
        print_row(f'stereo, {masks}', sampler, with_masks(samples, masks))
    without_keypoints = [sample.without_keypoints() for sample in samples]
    print_row('stereo, true, no keypoints', sampler, without_keypoints)
    for masks in SHOWN_MASKS:
        print_row(f'one view, {masks}', sampler, with_masks(mono, masks))
    for name, other in (
        ('keypoint noise 3 %', RefinementSampler(sampler.data, keypoint_noise=0.03)),
        ('2 mm off the model', RefinementSampler(sampler.data, surface_m=0.002)),
    ):
        redrawn = [other.draw(seed) for seed in range(len(samples))]
        print_row(f'stereo, true, {name}', other, redrawn)


def print_row(
    name: str,
    sampler: RefinementSampler,
    samples: Samples,
    config: RefinementConfig | None = None,
) -> None:
    """Print the errors before and after a refinement, by default for exact keypoints."""
    refinements = refine(sampler, samples, config)
    before = start_scores(sampler, samples)
    after = sampler.scores(samples, [refinement.parameters for refinement in refinements])
    wrist = 1e3 * after.wrist_error
    print(
        f'{name:33} IoU {before.iou.mean():.3f} -> {after.iou.mean():.3f} '
        f'(min {after.iou.min():.3f}, least change {(after.iou - before.iou).min():+.3f})   '
        f'PA {1e3 * before.aligned_error.mean():.1f} -> {1e3 * after.aligned_error.mean():.2f}   '
        f'wrist {1e3 * before.wrist_error.mean():.1f} -> {wrist.mean():.2f} mm '
        f'(95 %: {np.percentile(wrist, 95):.1f})   '
        f'refined {np.mean([refinement.is_refined for refinement in refinements]):.1%}',
        flush=True,
    )


def write_sheets(folder: Path, sampler: RefinementSampler, samples: Samples) -> None:
    """Write the worst samples of both optimisers, with true and with disturbed masks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, config in {'lm': None, 'descent': descent(EnergyConfig.paper(), 15)}.items():
        for masks in SHOWN_MASKS:
            disturbed = with_masks(samples, masks)
            path = folder / f'{name}_{masks}.png'
            write_sheet(path, sampler, disturbed, refine(sampler, disturbed, config))
            print(f'wrote {path}')


def descent(energy: EnergyConfig, iterations: int, **settings: float) -> RefinementConfig:
    steps = GradientDescentConfig(iterations=iterations, **settings)
    return RefinementConfig('gradient_descent', energy=energy, gradient_descent=steps)


def refine(
    sampler: RefinementSampler, samples: Samples, config: RefinementConfig | None
) -> list[Refinement]:
    # The samples' keypoints are exact to 1.5 %, which the default weights do not count on.
    exact = RefinementConfig(energy=EnergyConfig.for_exact_keypoints())
    refiner = HandRefiner(sampler.data, config or exact)
    return [refiner.refine(sample.estimate) for sample in samples]


def start_scores(sampler: RefinementSampler, samples: Samples) -> SampleScores:
    return sampler.scores(samples, [sample.estimate.parameters for sample in samples])


def with_masks(samples: Samples, kind: Masks) -> Samples:
    if kind == 'true':
        return samples
    return [sample.with_masks(seed, kind) for seed, sample in enumerate(samples)]


def mean_target_iou(samples: Samples) -> float:
    overlaps = [
        mask_iou(np.asarray(view.target) > 0.5, mask > 0.5)
        for sample in samples
        for view, mask in zip(sample.estimate.views, sample.masks, strict=True)
    ]
    return float(np.mean(overlaps))


if __name__ == '__main__':
    main()
