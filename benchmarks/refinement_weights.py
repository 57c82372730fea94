"""
What the refinement's settings are worth on photographs and on renderings with truth together.

Run: python benchmarks/refinement_weights.py --dataset DIR --photographs FOLDER... Detector and
network look at every hand once, and each set of settings refines what they gave. Printed are, of
the photographs whose joints are marked, the 2D errors of the mesh in per cent of the larger side
of the marked hand, and of the renderings, for one and two views in which the hand was found:
PA-MPVPE, wrist, error of the bends of each finger summed (median), error of the length from wrist
to knuckle (median), and the share flagged LOW_CONFIDENCE among hands within 10 mm and beyond 30
mm, vertices relative to the wrist.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.data.hands import HandMesh, MeshFlag
from realhands_ros.data.topology import NUM_KEYPOINTS
from realhands_ros.data.truth import TrueHand
from realhands_ros.evaluation.image_folder import ImageFolder
from realhands_ros.evaluation.methods import Reconstruction
from realhands_ros.evaluation.scores import hand_scores
from realhands_ros.evaluation.sources.held_out import BOTH, RIGHT, HeldOutHands
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.handnet.stage import HandNetStage, HandNetStageConfig
from realhands_ros.keypoints.keypoint_marks import marks_matrix
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.keypoints.stage import KeypointStageConfig
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage

FloatArray = NDArray[np.float64]
Cameras = tuple[PinholeCamera, ...]

_FINGERS = ((1, 2, 3, 4), *((0, k, k + 1, k + 2, k + 3) for k in (5, 9, 13, 17)))
_RIGHT_MM, _WRONG_MM = 10.0, 30.0
# A mesh whose middle lies farther from that of the marked joints, in hands, is another hand's.
_SAME_HAND = 0.5


@dataclass(frozen=True, eq=False)
class Marked:
    """A hand of a photograph: regressed mesh, camera, marked joints (21, 2), NaN where not."""

    mesh: HandMesh
    cameras: Cameras
    joints_px: FloatArray


@dataclass(frozen=True, eq=False)
class Rendered:
    """A hand of a rendering: regressed mesh, cameras, truth."""

    mesh: HandMesh
    cameras: Cameras
    truth: TrueHand


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--dataset', type=Path, default=None, help='held-out synthetic hands')
    parser.add_argument('--samples', type=int, default=None, help='only the first ones')
    parser.add_argument('--skip', type=int, default=0, help='leave out the first ones')
    parser.add_argument(
        '--photographs', type=Path, nargs='*', default=[], help='annotated folders'
    )
    parser.add_argument('--weights', type=Path, default=None, help='network (default: shipped)')
    parser.add_argument('--only-default', action='store_true')
    args = parser.parse_args(argv)
    handnet = HandNetStageConfig(args.weights)
    photographs = {folder.name: marked_hands(folder, handnet) for folder in args.photographs}
    renderings = (
        rendered_hands(args.dataset, handnet, args.samples, args.skip) if args.dataset else {}
    )
    energies = {'default': EnergyConfig()} if args.only_default else settings()
    for name, hands in photographs.items():
        shifted = detector_error(hands, np.linalg.inv(marks_matrix('mediapipe')))
        print(
            f'{name}: {len(hands)} hands found, detected keypoints off by '
            f'{detector_error(hands, np.eye(NUM_KEYPOINTS)):.2f} %, where their marks put the '
            f"model's joints {shifted:.2f} %"
        )
    for name, energy in {'regressed': None, **energies}.items():
        print_row(name, energy, photographs, renderings)


def settings() -> dict[str, EnergyConfig]:
    """Return the default and what is changed in it, one thing at a time."""
    default = EnergyConfig()
    return {
        'default': default,
        'exact marks': replace(default, keypoint_marks='exact'),
        'half the trust in keypoints': replace(default, keypoints=0.5 * default.keypoints),
        'twice': replace(default, keypoints=2.0 * default.keypoints),
        'four times': replace(default, keypoints=4.0 * default.keypoints),
        'hidden keypoints as good as seen': replace(default, hidden_noise=0.0),
        'keypoints not robust': replace(default, keypoint_scale=100.0),
        'no world landmarks': replace(default, world_landmarks=0.0),
        'world landmarks three times': replace(
            default, world_landmarks=3.0 * default.world_landmarks
        ),
        'no silhouettes': replace(default, silhouette=0.0),
        'start held half as much': replace(
            default,
            start_fingers=0.5 * default.start_fingers,
            start_root=0.5 * default.start_root,
        ),
        'start held alike in stereo': replace(default, start_in_stereo=1.0),
        'half the shape prior': replace(default, shape_prior=0.5 * default.shape_prior),
    }


def marked_hands(folder: Path, handnet: HandNetStageConfig) -> list[Marked]:
    """Return the hands of a folder's pictures that have marked joints and were found."""
    keypoints = KeypointStageConfig(still_images=True)
    hands = []
    with HandPipeline(PipelineConfig(keypoints, handnet, refinement=None)) as pipeline:
        for seen in tqdm(ImageFolder(folder), unit='image', dynamic_ncols=True):
            meshes = pipeline(seen.frame).regressed
            pipeline.reset()
            camera = seen.frame.cameras[0]
            for truth in seen.truth or ():
                joints = truth.keypoints_px(0, camera)
                mesh = nearest(meshes, joints)
                if mesh is not None:
                    hands.append(Marked(mesh, (camera,), joints))
    return hands


def nearest(meshes: Sequence[HandMesh], joints_px: FloatArray) -> HandMesh | None:
    """Return the mesh whose detected keypoints lie nearest to marked joints, if near enough."""
    known = np.isfinite(joints_px).all(axis=1)
    if not known.any():
        return None
    middle = np.median(joints_px[known], axis=0)

    def distance(mesh: HandMesh) -> float:
        return float(np.linalg.norm(np.median(mesh.views[0].keypoints_px, axis=0) - middle))

    best = min(meshes, key=distance, default=None)
    return best if best and distance(best) < _SAME_HAND * size_px(joints_px) else None


def size_px(joints_px: FloatArray) -> float:
    """Return the larger side of the box of the joints (21, 2) that are marked."""
    return float(np.nanmax(np.nanmax(joints_px, axis=0) - np.nanmin(joints_px, axis=0)))


def error_percent(points_px: FloatArray, joints_px: FloatArray) -> float:
    """Return the mean distance of points (21, 2) from the marked joints, % of the hand."""
    distance = np.linalg.norm(points_px - joints_px, axis=1)
    return float(100.0 * np.nanmean(distance) / size_px(joints_px))


def detector_error(hands: Sequence[Marked], to_joints: FloatArray) -> float:
    """Return the 2D error of the detected keypoints, taken by a matrix (21, 21), % of the hand."""
    errors = [
        error_percent(to_joints @ hand.mesh.views[0].keypoints_px, hand.joints_px)
        for hand in hands
    ]
    return float(np.mean(errors)) if errors else float('nan')


def rendered_hands(
    dataset: Path, handnet: HandNetStageConfig, samples: int | None, skip: int
) -> dict[str, list[Rendered]]:
    """Return the hands that were found in all views, seen by one view and by two."""
    models = {
        side: load_hand_model_data(default_model_folder(), side) for side in ('left', 'right')
    }
    stage = HandNetStage(handnet)
    crop = CropConfig(stage.input_size, stage.crop_margin, stage.crop_upright)
    hands: dict[str, list[Rendered]] = {'one view': [], 'two views': []}
    source = HeldOutHands(dataset, models, samples)
    for hand in islice(tqdm(source, unit='hand', dynamic_ncols=True), skip, None):
        for name, eyes in (('one view', (RIGHT,)), ('two views', BOTH)):
            if not all(hand.is_found[eye] for eye in eyes):
                continue
            cameras = hand.cameras(eyes)
            for mesh in stage([hand.observe(eyes, crop)], cameras).meshes:
                hands[name].append(Rendered(mesh, cameras, hand.truth))
    return hands


def print_row(
    name: str,
    energy: EnergyConfig | None,
    photographs: dict[str, list[Marked]],
    renderings: dict[str, list[Rendered]],
) -> None:
    """Refine everything with one energy (None: not at all) and print what came of it."""
    data = load_hand_model_data(default_model_folder(), 'right')
    stage = None if energy is None else RefinementStage(data, RefinementConfig(energy=energy))
    parts = [f'{name:33}']
    for folder, marked in photographs.items():
        errors = []
        for hand in marked:
            mesh = hand.mesh if stage is None else stage(hand.mesh, hand.cameras)
            points = np.asarray(mesh.keypoints_cam, np.float64)
            errors.append(error_percent(hand.cameras[0].project(points), hand.joints_px))
        parts.append(f'{folder} {np.mean(errors):.2f} %')
    for views, rendered in renderings.items():
        meshes = [
            hand.mesh if stage is None else stage(hand.mesh, hand.cameras) for hand in rendered
        ]
        parts.append(f'{views} {rendering_scores(meshes, rendered)}')
    print('  '.join(parts), flush=True)


def rendering_scores(meshes: Sequence[HandMesh], hands: Sequence[Rendered]) -> str:
    """Return the scores of refined meshes against the truth, in words."""
    rows, bends, lengths, flags = [], [], [], []
    for mesh, hand in zip(meshes, hands, strict=True):
        found, true = np.asarray(mesh.keypoints_cam, np.float64), hand.truth.keypoints
        rows.append(hand_scores(Reconstruction.from_mesh(mesh), hand.truth))
        bends += [abs(bend(found[list(f)]) - bend(true[list(f)])) for f in _FINGERS]
        lengths.append(abs(palm(found) / palm(true) - 1.0))
        flags.append(bool(mesh.flags & MeshFlag.LOW_CONFIDENCE))
    columns = {key: np.array([row[key] for row in rows]) for key in ('pa_mpvpe', 'wrist', 'mpvpe')}
    flagged = np.array(flags)
    right, wrong = columns['mpvpe'] < _RIGHT_MM, columns['mpvpe'] > _WRONG_MM
    return (
        f'({len(rows)}): PA {columns["pa_mpvpe"].mean():.2f} wrist {columns["wrist"].mean():.1f} '
        f'mm, bends {np.median(bends):.1f} deg, length {100 * np.median(lengths):.1f} %, flagged '
        f'{100 * share(flagged[right]):.0f} % of {right.sum()} right and '
        f'{100 * share(flagged[wrong]):.0f} % of {wrong.sum()} wrong'
    )


def share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else float('nan')


def bend(joints: FloatArray) -> float:
    """Return the sum of the angles between the bones of a finger, joints (N, 3); degrees."""
    bones = np.diff(joints, axis=0)
    bones /= np.linalg.norm(bones, axis=1, keepdims=True)
    cosines = np.clip((bones[1:] * bones[:-1]).sum(axis=1), -1.0, 1.0)
    return float(np.rad2deg(np.arccos(cosines)).sum())


def palm(keypoints: FloatArray) -> float:
    """Return the length from the wrist to the middle finger's knuckle."""
    return float(np.linalg.norm(keypoints[9] - keypoints[0]))


if __name__ == '__main__':
    main()
