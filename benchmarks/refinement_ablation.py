"""
What each term of the refinement's energy beyond the paper gains.

Run: python benchmarks/refinement_ablation.py --samples 60. Samples and columns are those of
refinement_quality.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from refinement_quality import Samples, print_row, with_masks

from benchmarks.common.refinement_samples import RefinementSampler
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.hand_estimate import HandEstimate
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.levenberg_marquardt import LevenbergMarquardtConfig
from realhands_ros.refinement.optimiser import Deadline
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.refiner import HandRefiner, RefinementConfig
from realhands_ros.refinement.view_set import ViewSet


def exact_energy(**weights: float) -> EnergyConfig:
    """Return the default energy, for keypoints that lie about the model's own."""
    return EnergyConfig(keypoint_marks='exact', **weights)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--folder', default=None, help='model folder (default: the open hand)')
    parser.add_argument('--samples', type=int, default=60)
    args = parser.parse_args(argv)
    sampler = RefinementSampler(load_hand_model_data(args.folder or default_model_folder()))
    samples = [sampler.draw(seed) for seed in range(args.samples)]
    print(f'{len(samples)} samples, 224 x 224')
    print_terms(sampler, samples)
    print_limits(sampler, samples)
    print_annealing(sampler, samples[:20])
    print_jitter(sampler, samples[:20])


def print_terms(sampler: RefinementSampler, samples: Samples) -> None:
    """Print the errors without each of the terms."""
    configs = {
        'default': exact_energy(),
        'no keypoints': exact_energy(keypoints=0.0),
        'keypoints not robust': exact_energy(keypoint_scale=100.0),
        'no joint limits': exact_energy(joint_limits=0.0),
        'no shape prior': exact_energy(shape_prior=0.0),
        'pose not held to start': exact_energy(start_fingers=0.0, start_root=0.0),
        'place not held to start': exact_energy(start_translation=0.0),
        'confidence weighting': exact_energy(weigh_by_confidence=True),
        'no vertex offsets': exact_energy(),
    }
    mono = [sample.first_view() for sample in samples]
    cases = {
        'stereo, true masks': samples,
        'stereo, all noise': with_masks(samples, 'all'),
        'stereo, unsure masks': with_masks(samples, 'unsure'),
        'one view, all noise': with_masks(mono, 'all'),
    }
    for case, subset in cases.items():
        print(f'\n{case}')
        for name, energy in configs.items():
            offsets = 0 if name == 'no vertex offsets' else 1
            solver = LevenbergMarquardtConfig(offset_iterations=offsets)
            config = RefinementConfig(energy=energy, levenberg_marquardt=solver)
            print_row(f'  {name}', sampler, subset, config)


def print_limits(sampler: RefinementSampler, samples: Samples) -> None:
    """Print how far refined joints are beyond their limits, one noisy view each."""
    skeleton = HandSkeleton.from_model(sampler.data)
    print('\njoints beyond their limits, one view, all noise')
    for weight in (0.0, EnergyConfig().joint_limits):
        config = RefinementConfig(energy=exact_energy(joint_limits=weight))
        refiner, poses = HandRefiner(sampler.data, config), []
        for sample in with_masks([sample.first_view() for sample in samples], 'all'):
            refinement = refiner.refine(sample.estimate)
            poses.append(refinement.parameters.pose_aa[3:])
        angles = skeleton.angles_from_pose(np.array(poses))
        excess = np.rad2deg(np.abs(angles - clamp_angles(angles)).max(axis=2))
        print(
            f'  weight {weight:3.1f}: mean {excess.mean():.2f}, largest {excess.max():.1f} deg, '
            f'more than 15 deg in {(excess > 15.0).mean():.2%}'
        )


def print_annealing(sampler: RefinementSampler, samples: Samples) -> None:
    """Print what 60 iterations of gradient descent leave of the true hand."""
    print('\nIoU after 60 iterations of gradient descent (paper) that begin at the truth')
    for end in (1e-4, 1e-5):
        descent = GradientDescent(GradientDescentConfig(iterations=60, sigma_end=end))
        overlaps = []
        for sample in samples:
            energy = Energy(
                RefinementModel(sampler.data), ViewSet(sample.estimate.views),
                EnergyConfig.paper(), sample.truth,
            )  # fmt: skip
            start = sharp_state(energy, energy.pose(sample.truth))
            result = descent.minimise(energy, start, Deadline(None))
            overlaps.append(sampler.errors(sample, result.parameters).iou)
        print(f'  sigma from 1e-4 to {end:g}: {np.mean(overlaps):.3f}')


def print_jitter(sampler: RefinementSampler, samples: Samples) -> None:
    """Print how still a hand that keeps still stays, under new keypoint noise in every frame."""
    print('\nstill hands, new keypoints in each of 10 frames: standard deviation of the keypoints')
    for weight in (0.0, 0.01, 0.05):
        energy = exact_energy(last_fingers=weight, last_root=weight, last_translation=weight)
        refiner = HandRefiner(sampler.data, RefinementConfig(energy=energy))
        deviations = []
        for seed, sample in enumerate(samples):
            rng = np.random.default_rng(seed)
            estimate, keypoints = sample.estimate, []
            for _ in range(10):
                refinement = refiner.refine(with_new_keypoints(rng, estimate))
                keypoints.append(refinement.keypoints)
                estimate = replace(estimate, last=refinement.parameters)
            deviations.append(np.linalg.norm(np.std(keypoints[1:], axis=0), axis=1).mean())
        print(f'  nearness to the last frame {weight:4.2f}: {1e3 * np.mean(deviations):.2f} mm')


def with_new_keypoints(rng: np.random.Generator, estimate: HandEstimate) -> HandEstimate:
    views = []
    for view in estimate.views:
        keypoints = np.asarray(view.keypoints_px)
        noise = 0.015 * np.ptp(keypoints, axis=0).max() * rng.standard_normal((21, 2))
        views.append(replace(view, keypoints_px=keypoints + noise))
    return replace(estimate, views=tuple(views))


if __name__ == '__main__':
    main()
