"""
Quality of the refinement on hands with known truth, as in the paper's Fig. 9.

Run: python benchmarks/refinement_quality.py --samples 100 --sheet worst.png. Hands, cameras and
errors are those of realhands_ros/evaluation/refinement_samples.py: starts are disturbed by 10 mm
(mean vertex error after alignment) and 15 mm (wrist), detected keypoints by 1.5 % of the hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.metrics import mask_iou
from realhands_ros.evaluation.refinement_samples import RefinementSample, RefinementSampler
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.hand_estimate import HandEstimate, Refinement, ViewObservation
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.levenberg_marquardt import LevenbergMarquardtConfig
from realhands_ros.refinement.optimiser import Deadline
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.refiner import HandRefiner, RefinementConfig
from realhands_ros.refinement.view_set import ViewSet

Image = NDArray[np.uint8]

MASKS = ('true', 'eroded', 'dilated', 'holes', 'arm', 'unsure', 'all')
GRADIENT_ITERATIONS = (3, 10, 15)
WORST = 20
TILE_PX = 224


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--folder', default=None, help='model folder (default: the open hand)')
    parser.add_argument('--samples', type=int, default=100)
    parser.add_argument('--sheet', type=Path, help='write a picture of the worst samples here')
    parser.add_argument('--only-default', action='store_true', help='no gradient descent')
    parser.add_argument('--ablation', action='store_true', help='what each added term gains')
    args = parser.parse_args(argv)
    data = load_hand_model_data(args.folder or default_model_folder())
    sampler = RefinementSampler(data)
    samples = [sampler.draw(seed) for seed in range(args.samples)]
    print(f'{len(samples)} samples, stereo, 224 x 224\n')
    if args.ablation:
        print_ablation(sampler, samples)
        print_limits(sampler, samples)
        print_annealing(sampler, samples[:20])
        print_jitter(sampler, samples[:20])
        return
    if not args.only_default:
        print_gradient_table(sampler, samples)
    print('Levenberg-Marquardt (the default), 3 iterations and offsets')
    print('masks: mask IoU, IoU before -> after, PA and wrist error in mm')
    refiner = HandRefiner(data)
    for masks in MASKS:
        disturbed = with_masks(samples, masks)
        refinements = print_row(f'{masks:10}', sampler, disturbed, refiner)
        if masks == 'true' and args.sheet is not None:
            write_sheet(args.sheet, data.faces, sampler, disturbed, refinements)
    print()
    for name, subset in (
        ('no keypoints', [sample.without_keypoints() for sample in samples]),
        ('one view', [sample.first_view() for sample in samples]),
    ):
        print_row(name, sampler, subset, refiner)
    for name, other in (
        ('keypoint noise 3 %', RefinementSampler(data, keypoint_noise=0.03)),
        ('2 mm off the model', RefinementSampler(data, surface_m=0.002)),
    ):
        print_row(name, other, [other.draw(seed) for seed in range(args.samples)], refiner)


def with_masks(samples: list[RefinementSample], kind: str) -> list[RefinementSample]:
    if kind == 'true':
        return samples
    return [sample.with_masks(seed, kind) for seed, sample in enumerate(samples)]


def print_gradient_table(sampler: RefinementSampler, samples: list[RefinementSample]) -> None:
    """Print IoU after 0, 3, 10 and 15 iterations of the paper's optimiser."""
    tuned = {'momentum': 0.8, 'pose_scale': 8.0, 'shape_scale': 10.0, 'camera_scale': 1.5}
    rows = {
        'paper': (EnergyConfig.paper(), {}),
        'paper, keypoints and priors': (EnergyConfig(), {}),
        'the same, scaled steps': (EnergyConfig(), tuned),
    }
    print('gradient descent: IoU with the true mask after 0, 3, 10, 15 iterations')
    for name, (energy, settings) in rows.items():
        for masks in ('true', 'all'):
            disturbed = with_masks(samples, masks)
            overlaps = [mean_errors(sampler, disturbed, None)[0]]
            for iterations in GRADIENT_ITERATIONS:
                descent = GradientDescentConfig(iterations=iterations, **settings)
                refiner = HandRefiner(
                    sampler.data,
                    RefinementConfig('gradient_descent', energy=energy, gradient_descent=descent),
                )
                refinements = [refiner.refine(sample.estimate) for sample in disturbed]
                errors = mean_errors(sampler, disturbed, refinements)
                overlaps.append(errors[0])
            figures = '  '.join(f'{overlap:.3f}' for overlap in overlaps)
            print(
                f'{name:28} {masks:5} {figures}   '
                f'PA {1e3 * errors[1]:.1f} mm, wrist {1e3 * errors[2]:.1f} mm'
            )
    print()


def print_ablation(sampler: RefinementSampler, samples: list[RefinementSample]) -> None:
    """Print what the refinement loses without each of the terms beyond the paper's."""
    configs = {
        'default': EnergyConfig(),
        'no keypoints': EnergyConfig(keypoints=0.0),
        'no joint limits': EnergyConfig(joint_limits=0.0),
        'no shape prior': EnergyConfig(shape_prior=0.0),
        'pose not held to start': EnergyConfig(start_fingers=0.0, start_root=0.0),
        'place not held to start': EnergyConfig(start_translation=0.0),
        'confidence weighting': EnergyConfig(weigh_by_confidence=True),
        'no vertex offsets': EnergyConfig(),
    }
    cases = {
        'stereo, true masks': samples,
        'stereo, all noise': with_masks(samples, 'all'),
        'stereo, unsure masks': with_masks(samples, 'unsure'),
        'one view, all noise': [sample.first_view() for sample in with_masks(samples, 'all')],
    }
    for case, subset in cases.items():
        print(case)
        for name, energy in configs.items():
            offsets = 0 if name == 'no vertex offsets' else 1
            config = RefinementConfig(
                energy=energy,
                levenberg_marquardt=LevenbergMarquardtConfig(offset_iterations=offsets),
            )
            print_row(f'  {name:24}', sampler, subset, HandRefiner(sampler.data, config))


def print_limits(sampler: RefinementSampler, samples: list[RefinementSample]) -> None:
    """Print how far refined joints are beyond their limits, one noisy view each."""
    skeleton = HandSkeleton.from_model(sampler.data)
    print('\njoints beyond their limits, one view, all noise')
    for weight in (0.0, EnergyConfig().joint_limits):
        config = RefinementConfig(energy=EnergyConfig(joint_limits=weight))
        refiner, poses = HandRefiner(sampler.data, config), []
        for sample in with_masks(samples, 'all'):
            refinement = refiner.refine(sample.first_view().estimate)
            poses.append(refinement.parameters.pose_aa[3:])
        angles = skeleton.angles_from_pose(np.array(poses))
        excess = np.rad2deg(np.abs(angles - clamp_angles(angles)).max(axis=2))
        print(
            f'  weight {weight:3.1f}: mean {excess.mean():.2f}, largest {excess.max():.1f} deg, '
            f'more than 15 deg in {(excess > 15.0).mean():.2%}'
        )


def print_annealing(sampler: RefinementSampler, samples: list[RefinementSample]) -> None:
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
            result = descent.minimise(energy, sharp_state(energy, sample.truth), Deadline(None))
            overlaps.append(sampler.errors(sample, result.parameters).iou)
        print(f'  sigma from 1e-4 to {end:g}: {np.mean(overlaps):.3f}')


def print_jitter(sampler: RefinementSampler, samples: list[RefinementSample]) -> None:
    """Print how still a hand that keeps still stays, under new keypoint noise in every frame."""
    print('\nstill hands, new keypoints in each of 10 frames: standard deviation of the keypoints')
    for weight in (0.0, 0.01, 0.05):
        energy = EnergyConfig(last_fingers=weight, last_root=weight, last_translation=weight)
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
        noise = 0.015 * np.ptp(view.keypoints_px, axis=0).max() * rng.standard_normal((21, 2))
        views.append(replace(view, keypoints_px=view.keypoints_px + noise))
    return replace(estimate, views=tuple(views))


def mean_errors(
    sampler: RefinementSampler,
    samples: list[RefinementSample],
    refinements: list[Refinement] | None,
) -> NDArray[np.float64]:
    """Return the means of SampleErrors after the refinement, or of the starts."""
    return all_errors(sampler, samples, refinements).mean(axis=0)


def all_errors(
    sampler: RefinementSampler,
    samples: list[RefinementSample],
    refinements: list[Refinement] | None,
) -> NDArray[np.float64]:
    results = refinements or [sample.estimate for sample in samples]
    return np.array([
        astuple(sampler.errors(sample, result.parameters))
        for sample, result in zip(samples, results, strict=True)
    ])  # fmt: skip


def print_row(
    name: str, sampler: RefinementSampler, samples: list[RefinementSample], refiner: HandRefiner
) -> list[Refinement]:
    refinements = [refiner.refine(sample.estimate) for sample in samples]
    before = all_errors(sampler, samples, None)
    after = all_errors(sampler, samples, refinements)
    change = (after[:, 0] - before[:, 0]).min()
    refined = np.mean([refinement.is_refined for refinement in refinements])
    print(
        f'{name:18} {np.mean([target_iou(sample) for sample in samples]):.3f}   '
        f'{before[:, 0].mean():.3f} -> {after[:, 0].mean():.3f} '
        f'(min {after[:, 0].min():.3f}, worst {change:+.3f})   '
        f'PA {1e3 * before[:, 1].mean():.1f} -> {1e3 * after[:, 1].mean():.2f}   '
        f'wrist {1e3 * before[:, 2].mean():.1f} -> {1e3 * after[:, 2].mean():.2f} '
        f'(95 %: {1e3 * np.percentile(after[:, 2], 95):.1f})   refined {refined:.0%}'
    )
    return refinements


def target_iou(sample: RefinementSample) -> float:
    return float(np.mean([
        mask_iou(view.target > 0.5, mask > 0.5)
        for view, mask in zip(sample.estimate.views, sample.masks, strict=True)
    ]))  # fmt: skip


def write_sheet(
    path: Path,
    faces: NDArray[np.int64],
    sampler: RefinementSampler,
    samples: list[RefinementSample],
    refinements: list[Refinement],
) -> None:
    """Write start, both views of the result, and truth of the samples with the lowest IoU."""
    errors = all_errors(sampler, samples, refinements)
    rows = []
    for index in np.argsort(errors[:, 0])[:WORST]:
        sample, result = samples[index], refinements[index]
        left, right = sample.estimate.views
        start = sampler.vertices(sample.estimate.parameters)
        row = np.hstack([
            picture(start, faces, left, sample.masks[0]),
            picture(result.vertices, faces, left, sample.masks[0]),
            picture(result.vertices, faces, right, sample.masks[1]),
            picture(sample.vertices, faces, left, sample.masks[0]),
        ])  # fmt: skip
        label = f'{index}: IoU {errors[index, 0]:.3f}, PA {1e3 * errors[index, 1]:.1f} mm'
        cv2.putText(row, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
        rows.append(row)
    half = -(-len(rows) // 2)
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])]))
    print(f'           wrote the {WORST} worst to {path}: start, left, right, truth')


def picture(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    view: ViewObservation,
    mask: NDArray[np.float32],
) -> Image:
    """Shade a mesh; red where it sticks out of the true mask, green where that is not covered."""
    vertices_cam = view.camera.to_camera(vertices)
    fragments = rasterize(vertices_cam, faces, view.camera)
    corners = vertices_cam[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    shade = 60 + 170 * facing[np.maximum(fragments.face_id, 0)]
    image = np.zeros((*mask.shape, 3))
    image[fragments.mask] = shade[fragments.mask, None]
    image[fragments.mask & (mask < 0.5)] *= (0.3, 0.3, 1.0)
    image[~fragments.mask & (mask > 0.5)] = (0, 130, 0)
    return cv2.resize(image.astype(np.uint8), (TILE_PX, TILE_PX))


if __name__ == '__main__':
    main()
