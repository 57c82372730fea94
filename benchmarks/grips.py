"""
How well hands that grip are reconstructed, in synthetic films of grasps of all kinds.

    python benchmarks/grips.py [--seeds 1 2] [--seconds 12] [--rate 15] [--motions grips objects]

Renders films, runs them through the whole pipeline (tracking, network, refinement), and prints for
each film and for all of a kind, over the frames in which both cameras see at least 60 % of the
keypoints:

- curl: the angles between a finger's bones at MCP, PIP and DIP added up (for the thumb MCP and
  IP), estimated minus true: median of the absolute error, 95th percentile, and mean (the bias)
- length: wrist to the tip of the middle finger along the bones, estimated over true, minus one
- flagged though right: of the meshes whose keypoints are on average within 10 mm in space, the
  share that is flagged LOW_CONFIDENCE
- PA-MPJPE (proper rotation) and the error of the wrist in space: percentiles and the worst
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, MeshFlag
from realhands_ros.data.topology import FINGER_NAMES
from realhands_ros.evaluation.summary import text_table
from realhands_ros.geometry.alignment import align_points
from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.synthesis.config import MOTIONS, Motion
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.film import Film, FilmSettings
from realhands_ros.synthesis.film_rendering import render_frame

FloatArray = NDArray[np.float64]

LEAST_VISIBLE = 0.6
RIGHT_M = 0.010


@dataclass
class Errors:
    """What was measured, one entry a mesh; ``seen`` counts the frames that show the hand."""

    seen: int = 0
    curl: list[FloatArray] = field(default_factory=list)
    length: list[float] = field(default_factory=list)
    space: list[float] = field(default_factory=list)
    aligned: list[float] = field(default_factory=list)
    wrist: list[float] = field(default_factory=list)
    flagged: list[bool] = field(default_factory=list)

    def add(self, mesh: HandMesh, truth: FloatArray) -> None:
        """Compare a mesh with the true keypoints (21, 3)."""
        found = np.asarray(mesh.keypoints_cam, dtype=np.float64)
        self.curl.append(curls(found) - curls(truth))
        self.length.append(hand_length(found) / hand_length(truth) - 1)
        self.space.append(float(np.linalg.norm(found - truth, axis=1).mean()))
        aligned = align_points(found, truth).apply(found)
        self.aligned.append(float(np.linalg.norm(aligned - truth, axis=1).mean()))
        self.wrist.append(float(np.linalg.norm(found[0] - truth[0])))
        self.flagged.append(bool(mesh.flags & MeshFlag.LOW_CONFIDENCE))

    def joined(self, other: Errors) -> Errors:
        """Return both together."""
        lists = ('curl', 'length', 'space', 'aligned', 'wrist', 'flagged')
        return Errors(
            self.seen + other.seen,
            *(getattr(self, name) + getattr(other, name) for name in lists),
        )


def curls(keypoints: FloatArray) -> FloatArray:
    """Return the bend of thumb, index, middle, ring and little finger (5,) in degrees."""
    values = []
    for finger in range(len(FINGER_NAMES)):
        chain = keypoints[1 + 4 * finger : 5 + 4 * finger]
        if finger > 0:
            chain = np.concatenate([keypoints[:1], chain])
        bones = np.diff(chain, axis=0)
        bones = bones / np.linalg.norm(bones, axis=1, keepdims=True)
        cosines = np.clip((bones[:-1] * bones[1:]).sum(1), -1, 1)
        values.append(np.rad2deg(np.arccos(cosines)).sum())
    return np.array(values)


def hand_length(keypoints: FloatArray) -> float:
    """Return the length from the wrist to the tip of the middle finger along the bones."""
    chain = keypoints[[0, 9, 10, 11, 12]]
    return float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())


def measure(settings: FilmSettings, pipeline: HandPipeline) -> Errors:
    """Run a film of one hand through the pipeline."""
    film, renderer = Film(settings), FastRenderer()
    pipeline.reset()
    errors = Errors()
    for index in tqdm(range(settings.num_frames), unit='frame', leave=False):
        rendered = render_frame(film, index, renderer)
        frame = StereoFrame(
            round(index * 1e9 / settings.rate),
            'left',
            (rendered.images[0], rendered.images[1]),
            film.rig.views,
        )
        meshes = pipeline(frame).meshes
        if not rendered.hands:
            continue
        hand = rendered.hands[0]
        if hand.keypoints_visible.mean(1).min() < LEAST_VISIBLE:
            continue
        errors.seen += 1
        truth = hand.truth.keypoints
        if meshes:
            nearest = min(meshes, key=lambda m: np.linalg.norm(m.keypoints_cam - truth))
            errors.add(nearest, truth)
    return errors


def report(rows: list[tuple[str, Errors]]) -> None:
    """Print the tables."""
    curl_rows, other_rows = [], []
    for name, errors in rows:
        if not errors.curl:
            continue
        curl = np.array(errors.curl)
        curl_rows.append(
            (
                name,
                *(
                    f'{np.median(abs(c)):.0f} / {np.percentile(abs(c), 95):.0f} ({c.mean():+.0f})'
                    for c in curl.T
                ),
                f'{np.median(abs(curl)):.1f} / {np.percentile(abs(curl), 95):.1f} '
                f'({curl.mean():+.1f})',
            )
        )
        right = np.array(errors.space) <= RIGHT_M
        flagged = np.array(errors.flagged)
        length = 100 * np.array(errors.length)
        other_rows.append(
            (
                name,
                f'{len(errors.curl)} of {errors.seen}',
                f'{np.median(abs(length)):.1f} ({length.mean():+.1f})',
                f'{flagged.mean():.0%}',
                f'{flagged[right].mean():.0%} of {right.sum()}' if right.any() else 'none right',
                _percentiles(errors.aligned),
                _percentiles(errors.wrist),
            )
        )
    print('\nCurl error, degrees: p50 / p95 (bias)')
    print(text_table(('film', *FINGER_NAMES, 'all'), curl_rows))
    print('\nLengths in per cent: p50 (bias); errors in mm: p50 / p95 / p99 / worst')
    headings = ('film', 'found', 'length', 'flagged', 'flagged though right', 'PA-MPJPE', 'wrist')
    print(text_table(headings, other_rows))


def _percentiles(metres: list[float]) -> str:
    return ' / '.join(f'{v:.1f}' for v in 1e3 * np.percentile(metres, [50, 95, 99, 100]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--seconds', type=float, default=12.0)
    parser.add_argument('--rate', type=float, default=15.0)
    parser.add_argument('--motions', nargs='+', choices=MOTIONS, default=['grips', 'objects'])
    parser.add_argument('--resolution', default='VGA')
    parser.add_argument('--weights', type=Path, default=None, help='of the network')
    parser.add_argument('--without-refinement', action='store_true')
    args = parser.parse_args()
    network = HandNetStageConfig(weights=args.weights) if args.weights else HandNetStageConfig()
    refinement = None if args.without_refinement else RefinementConfig()
    rows: list[tuple[str, Errors]] = []
    with HandPipeline(PipelineConfig(handnet=network, refinement=refinement)) as pipeline:
        for name in args.motions:
            motion: Motion = name
            total = Errors()
            for seed in args.seeds:
                settings = FilmSettings(
                    seconds=args.seconds,
                    rate=args.rate,
                    resolution=args.resolution,
                    seed=seed,
                    motion=motion,
                )
                errors = measure(settings, pipeline)
                rows.append((f'{motion} {seed}', errors))
                total = total.joined(errors)
            rows.append((f'{motion}, all', total))
    report(rows)


if __name__ == '__main__':
    main()
