"""
Time of the refinement: soft silhouettes, a gradient iteration, a whole second-order refinement.

Run: python benchmarks/refinement.py. The candidates take turns, round after round, so that a busy
machine slows all of them alike. Printed are the median over the rounds, the fastest round, and the
time that all threads together spent computing, which other processes slow least. The dense
reference runs once, and PyTorch3D once where it can be imported.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.common.refinement_samples import RefinementSampler
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.refinement import soft_silhouette_pytorch3d
from realhands_ros.refinement.energy import Energy, EnergyConfig
from realhands_ros.refinement.gradient_descent import GradientDescent, GradientDescentConfig
from realhands_ros.refinement.hand_estimate import HandEstimate
from realhands_ros.refinement.hand_state import sharp_state
from realhands_ros.refinement.optimiser import Deadline
from realhands_ros.refinement.refinement_model import RefinementModel
from realhands_ros.refinement.refiner import HandRefiner
from realhands_ros.refinement.silhouette_settings import Renderer
from realhands_ros.refinement.view_set import ViewSet

Job = Callable[[], object]


@dataclass(frozen=True)
class Duration:
    """Milliseconds of a job: median and shortest on the clock, median over all its threads."""

    median: float
    fastest: float
    computing: float


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
    durations = measure(jobs, args.rounds)
    print(f'{"milliseconds":58} {"median":>8} {"fastest":>8} {"computing":>9}')
    for name, found in durations.items():
        print(f'{name:58} {found.median:8.2f} {found.fastest:8.2f} {found.computing:9.2f}')
    if not args.skip_reference:
        print('\nforward + backward at sigma 1e-4 of other implementations on the same mesh')
        for size, estimate in estimates.items():
            ours = durations[f'one view, {size}, sigma 0.0001: forward + backward']
            compare(model, estimate, ours.median)


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
    start = sharp_state(energy, energy.pose(estimate.parameters))
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


def measure(jobs: dict[str, Job], rounds: int) -> dict[str, Duration]:
    """Return how long every job takes."""
    for job in jobs.values():
        job()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            times[name].append(clocked(job))
    return {name: summary(values) for name, values in times.items()}


def clocked(job: Job) -> tuple[float, float]:
    """Return the milliseconds a job takes, and those its threads compute."""
    start, start_cpu = time.perf_counter(), time.process_time()
    job()
    return (time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3


def summary(values: list[tuple[float, float]]) -> Duration:
    wall, computing = np.array(values).T
    return Duration(float(np.median(wall)), float(wall.min()), float(np.median(computing)))


def compare(model: RefinementModel, estimate: HandEstimate, ours: float) -> None:
    """Print the time of the other renderers, and as multiples of ours."""
    others: dict[str, Renderer] = {'tensor operations': 'torch', 'dense reference': 'reference'}
    if soft_silhouette_pytorch3d.available():
        others['PyTorch3D'] = 'pytorch3d'
    for name, renderer in others.items():
        theirs, _ = clocked(rendering(model, estimate, 1e-4, renderer))
        size = estimate.views[0].camera.width
        print(f'{size} {name:54} {theirs:9.1f} ms  {theirs / ours:7.0f} x ours')
    if 'PyTorch3D' not in others:
        print(f'{estimate.views[0].camera.width} PyTorch3D is not installed')


if __name__ == '__main__':
    main()
