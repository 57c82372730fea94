"""
Jitter of the mesh of a hand that holds still before a camera that does, in the left image.

    python benchmarks/still_hand.py [--films 6] [--frames 40]

Each film is one moment of a synthetic film: hand, light and room stay, the sensor's noise is new
in each frame. The frames go through the whole pipeline (tracking, network, refinement). Jitter is
the RMS length of what is left of the projected centroid of the mesh's vertices, and of its
keypoints, after a centred mean over 11 frames is taken off, in pixels.
"""

from __future__ import annotations

import argparse

import numpy as np
from tqdm import tqdm

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh
from realhands_ros.evaluation.metrics import JITTER_WINDOW, jitter_rms
from realhands_ros.evaluation.summary import text_table
from realhands_ros.pipeline import HandPipeline
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.film import Film
from realhands_ros.synthesis.film_rendering import render_frame
from realhands_ros.synthesis.motion import HandMotion, HandState

# Hands settle into a film within this time; its first key poses are in view.
_MOMENT_S = 1.0
_FRAME_NS = 33_333_333


class StillMotion(HandMotion):
    """A movement that stays at one moment."""

    def __init__(self, motion: HandMotion) -> None:
        self._state = motion.at(_MOMENT_S)

    def at(self, time: float) -> HandState:
        """Return the one moment."""
        return self._state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--films', type=int, default=6)
    parser.add_argument('--frames', type=int, default=40)
    parser.add_argument('--resolution', default='VGA')
    args = parser.parse_args()
    rows = []
    for seed in tqdm(range(args.films), unit='film'):
        settings = FilmSettings(seconds=args.frames / 30, resolution=args.resolution, seed=seed)
        rows.append((f'film {seed}', *measure(settings)))
    values = np.array([row[1:] for row in rows])
    rows.append(('median', *np.nanmedian(values, axis=0)))
    headings = ('', 'frames with the hand', 'distance m', 'centroid px', 'keypoints px')
    print(text_table(headings, [(name, *(f'{v:.2f}' for v in row)) for name, *row in rows]))


def measure(settings: FilmSettings) -> tuple[float, float, float, float]:
    """Return frames with the hand, its distance and the jitter of centroid and keypoints."""
    film = Film(settings)
    for side, motion in film.motions.items():
        film.motions[side] = StillMotion(motion)
    renderer = FastRenderer()
    meshes: list[HandMesh] = []
    with HandPipeline() as pipeline:
        for index in range(settings.num_frames):
            images = tuple(render_frame(film, index, renderer).images)
            result = pipeline(StereoFrame(index * _FRAME_NS, '', images, film.rig.views))
            meshes += result.refined[:1]
    if len(meshes) < JITTER_WINDOW:
        return float(len(meshes)), np.nan, np.nan, np.nan
    project = film.rig.left.project
    centroids = [project(mesh.vertices_cam).mean(axis=0) for mesh in meshes]
    keypoints = np.array([project(mesh.keypoints_cam) for mesh in meshes])
    of_keypoints = [jitter_rms(track) for track in keypoints.transpose(1, 0, 2)]
    distance = np.mean([mesh.keypoints_cam[0, 2] for mesh in meshes])
    return len(meshes), float(distance), jitter_rms(centroids), float(np.mean(of_keypoints))


if __name__ == '__main__':
    main()
