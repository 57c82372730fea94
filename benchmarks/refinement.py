"""
Time of the refinement: soft silhouettes, a gradient iteration, a whole second-order refinement.

Run: python benchmarks/refinement.py. The candidates take turns, round after round, so that a busy
machine slows all of them alike; every figure is the median over the rounds. The dense reference
runs once, and PyTorch3D once where it can be imported.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from realhands_ros.evaluation.refinement_samples import RefinementSampler
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.refinement import soft_silhouette_pytorch3d
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.hand_estimate import HandEstimate
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.optimiser import Deadline
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.refiner import HandRefiner
from realhands_ros.refinement.soft_silhouette import Renderer
from realhands_ros.refinement.view_set import ViewSet

Job = Callable[[], object]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--folder', default=None, help='model folder (default: the open hand)')
    parser.add_argument('--rounds', type=int, default=40)
    parser.add_argument('--seed', type=int, default=3, help='of the hand that is refined')
    parser.add_argument('--skip-reference', action='store_true', help='it takes half a minute')
    args = parser.parse_args(argv)
    data = load_hand_model_data(args.folder or default_model_folder())
    model = RefinementModel(data)
    print(f'{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}\n')
    estimates = {
        size: RefinementSampler(data, size=size).draw(args.seed).estimate for size in (224, 112)
    }
    jobs = {}
    for size, estimate in estimates.items():
        for sigma in (1e-4, 1e-5):
            jobs[f'one view, {size}, sigma {sigma:g}: forward + backward'] = rendering(
                model, estimate, sigma, 'cpu'
            )
    jobs |= whole_refinements(model, estimates[224], HandRefiner(data))
    medians = measure(jobs, args.rounds)
    for name, milliseconds in medians.items():
        print(f'{name:58} {milliseconds:9.2f} ms')
    if not args.skip_reference:
        print('\nforward + backward at sigma 1e-4 of other implementations on the same mesh')
        for size, estimate in estimates.items():
            ours = medians[f'one view, {size}, sigma 0.0001: forward + backward']
            compare(model, estimate, ours)


def rendering(
    model: RefinementModel, estimate: HandEstimate, sigma: float, renderer: Renderer
) -> Job:
    """Return one view's silhouette, its squared error, and the gradient by the vertices."""
    views = ViewSet(estimate.views[:1])
    energy = Energy(model, views, EnergyConfig(renderer=renderer), estimate.parameters)
    vertices_px = energy.pose(estimate.parameters).vertices_px
    return lambda: energy.silhouettes.evaluate(vertices_px, sigma, with_gradient=True)


def whole_refinements(
    model: RefinementModel, estimate: HandEstimate, refiner: HandRefiner
) -> dict[str, Job]:
    """Return a stereo gradient iteration, three of them, and the default refinement."""
    energy = Energy(model, ViewSet(estimate.views), EnergyConfig(), estimate.parameters)
    start = sharp_state(energy, estimate.parameters)
    descent = GradientDescentConfig(iterations=1)
    once, thrice = GradientDescent(descent), GradientDescent(replace(descent, iterations=3))
    return {
        'stereo, 224: one gradient iteration, all terms': lambda: once.minimise(
            energy, start, Deadline(None)
        ),
        'stereo, 224: three gradient iterations': lambda: thrice.minimise(
            energy, start, Deadline(None)
        ),
        'stereo, 224: Levenberg-Marquardt, checked and guarded': lambda: refiner.refine(estimate),
    }


def measure(jobs: dict[str, Job], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of every job."""
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            times[name].append(milliseconds(job))
    return {name: float(np.median(values)) for name, values in times.items()}


def milliseconds(job: Job) -> float:
    start = time.perf_counter()
    job()
    return (time.perf_counter() - start) * 1e3


def compare(model: RefinementModel, estimate: HandEstimate, ours: float) -> None:
    """Print the time of the other renderers, and as multiples of ours."""
    others: dict[str, Renderer] = {'tensor operations': 'torch', 'dense reference': 'reference'}
    if soft_silhouette_pytorch3d.available():
        others['PyTorch3D'] = 'pytorch3d'
    for name, renderer in others.items():
        theirs = milliseconds(rendering(model, estimate, 1e-4, renderer))
        size = estimate.views[0].camera.width
        print(f'{size} {name:54} {theirs:9.1f} ms  {theirs / ours:7.0f} x ours')
    if 'PyTorch3D' not in others:
        print(f'{estimate.views[0].camera.width} PyTorch3D is not installed')


if __name__ == '__main__':
    main()
