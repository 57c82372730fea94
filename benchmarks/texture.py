"""
Quality and time of the texture on a synthetic film, beside the paper's ways of keeping an atlas.

Run: python benchmarks/texture.py --sheet atlases.png. The hands of a stereo film are seen through
crops of 224 pixels and their true silhouettes. Of every frame, the textured hands are re-rendered
and compared with the crops inside the silhouette:

    live    after the frame went into the atlas, both views
    next    before it went in
    novel   in the right view, of an atlas that only the left view goes into

PSNR is that of the mean squared error over all frames and, in brackets, of the worst twentieth of
them; 'inside' leaves out the two pixels along the silhouette, where lens and sensor mix hand and
background, which the last frame's projection copies and a clean atlas cannot have. SSIM is the
mean over the silhouette.

Poses are the true ones, then those of the refinement that begins at disturbed ones and, with
--pipeline, those of the whole pipeline with the shipped weights.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.common.refinement_samples import disturb_hand, disturb_keypoints
from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandTexture, HandView, MeshStage
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import crop_affine, crop_image
from realhands_ros.geometry.mirror import mirror_axis_angle, mirror_points
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.hand.sheets import HandPoser
from realhands_ros.pipeline import HandPipeline
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage
from realhands_ros.synthesis.camera_effects import develop
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.film import Film
from realhands_ros.synthesis.scene import HandTruth, Label
from realhands_ros.texture.atlas import AveragingConfig
from realhands_ros.texture.display import TextureRenderer
from realhands_ros.texture.stage import TextureStage, TextureStageConfig

Image = NDArray[np.uint8]
T = TypeVar('T')

CROP_PX, CROP_MARGIN = 224, 1.5
# A hand of which fewer keypoints lie in an image is not shown to the stage.
MIN_KEYPOINTS = 12
METHODS = {
    'last frame': AveragingConfig('exponential', 1.0),
    'paper, smoothing 0.5': AveragingConfig('exponential', 0.5),
    'realhands': AveragingConfig(),
}
COVERAGE_FRAMES = 30


@dataclass(frozen=True, eq=False)
class FilmedFrame:
    """True meshes with crops, true silhouettes by handedness and eye, and the whole images."""

    meshes: tuple[HandMesh, ...]
    masks: dict[tuple[Handedness, int], Image]
    images: tuple[Image, Image]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--rate', type=float, default=10.0, help='frames a second of the film')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--hands', type=int, choices=(1, 2), default=2)
    parser.add_argument('--resolution', default='HD720')
    parser.add_argument('--pipeline', action='store_true', help="also with the pipeline's poses")
    parser.add_argument('--only-time', action='store_true', help='leave the quality out')
    parser.add_argument('--sheet', type=Path, metavar='OUT.png', help='draw atlases, novel views')
    args = parser.parse_args(argv)
    settings = FilmSettings(
        seconds=args.frames / args.rate,
        rate=args.rate,
        seed=args.seed,
        hands=args.hands,
        resolution=args.resolution,
    )
    film = Film(settings)
    frames = list(filmed(film, settings.num_frames))
    print(f'{len(frames)} frames at {args.rate:g} Hz, seed {args.seed}, {args.resolution}\n')
    true_meshes = [frame.meshes for frame in frames]
    if args.only_time:
        print_time(true_meshes, film.rig.views)
        return
    poses = {'true poses': true_meshes, 'refined poses': list(refined(frames, film))}
    if args.pipeline:
        poses["the pipeline's poses"] = list(piped(frames, film))
    for name, meshes in poses.items():
        print_quality(name, meshes, frames, film.rig.views)
    print_coverage(true_meshes, film.rig.views)
    print_time(true_meshes, film.rig.views)
    if args.sheet:
        draw_sheet(args.sheet, true_meshes, film.rig.views)


def filmed(film: Film, count: int) -> Iterator[FilmedFrame]:
    """Render the film, and cut out the hands."""
    renderer = FastRenderer()
    for index in range(count):
        frame = film.frame(index)
        views = renderer.render(frame.scene)
        left, right = (image[..., ::-1] for image in develop(views, frame.scene.effects))
        images = np.ascontiguousarray(left), np.ascontiguousarray(right)
        meshes, masks = [], {}
        for number, hand in enumerate(frame.hands):
            own = Label.HAND if number == 0 else Label.OTHER_HAND
            labels = [np.where(view.labels == own, 255, 0).astype(np.uint8) for view in views]
            seen = tuple(
                hand_view(hand, camera, image, mask)
                for camera, image, mask in zip(film.rig.views, images, labels, strict=True)
            )
            masks |= {(hand.handedness, eye): mask for eye, mask in enumerate(labels)}
            if any(view.crop is not None for view in seen):
                meshes.append(true_mesh(hand, seen))
        yield FilmedFrame(tuple(meshes), masks, images)


def hand_view(hand: HandTruth, camera: PinholeCamera, image: Image, mask: Image) -> HandView:
    keypoints = camera.project(hand.keypoints)
    inside = ((keypoints >= 0) & (keypoints < [camera.width, camera.height])).all(axis=1)
    view = HandView(keypoints, inside.astype(np.float64))
    if inside.sum() < MIN_KEYPOINTS or not mask.any():
        return view
    affine = crop_affine(keypoints, CROP_PX, CROP_MARGIN, camera.intrinsics)
    return replace(
        view,
        crop_affine=affine,
        crop=crop_image(image, affine, CROP_PX),
        silhouette=crop_image(mask, affine, CROP_PX),
    )


def true_mesh(hand: HandTruth, views: tuple[HandView, ...]) -> HandMesh:
    return HandMesh(
        id=f'the {hand.handedness} hand',
        handedness=hand.handedness,
        vertices_cam=hand.vertices,
        keypoints_cam=hand.keypoints,
        pose_aa=hand.pose_aa,
        translation=hand.translation,
        topology_key='',
        shape=hand.shape,
        stage=MeshStage.GROUND_TRUTH,
        views=views,
    )


def refined(frames: Sequence[FilmedFrame], film: Film) -> Iterator[tuple[HandMesh, ...]]:
    """Disturb every frame's meshes and keypoints as a network would, and refine them."""
    data = load_hand_model_data(default_model_folder(), 'right')
    exact = RefinementConfig(energy=EnergyConfig(keypoint_marks='exact'))
    model, stage = FastHandModel(data), RefinementStage(data, exact)
    rng = np.random.default_rng(0)
    for frame in frames:
        meshes = []
        for mesh in frame.meshes:
            is_left = mesh.handedness == 'left'
            pose, place = mesh.pose_aa, mesh.translation
            if is_left:
                pose, place = mirror_axis_angle(pose), mirror_points(place)
            pose, shape, place = disturb_hand(rng, model, pose, mesh.shape, place)
            output = model.forward(pose, shape, place)
            vertices, keypoints = output.vertices, output.keypoints
            if is_left:
                pose, place = mirror_axis_angle(pose), mirror_points(place)
                vertices, keypoints = mirror_points(vertices), mirror_points(keypoints)
            views = []
            for view in mesh.views:
                detected, scores = disturb_keypoints(rng, np.asarray(view.keypoints_px))
                views.append(replace(view, keypoints_px=detected, keypoint_scores=scores))
            start = replace(
                mesh, pose_aa=pose, shape=shape, translation=place, vertices_cam=vertices,
                keypoints_cam=keypoints, views=tuple(views), stage=MeshStage.REGRESSED,
            )  # fmt: skip
            meshes.append(stage(start, film.rig.views))
        yield tuple(meshes)


def piped(frames: Sequence[FilmedFrame], film: Film) -> Iterator[tuple[HandMesh, ...]]:
    """Run the whole pipeline on the images."""
    with HandPipeline() as pipeline:
        for number, frame in enumerate(frames):
            stamp_ns = round(1e9 * film.time(number))
            yield pipeline(StereoFrame(stamp_ns, 'left', frame.images, film.rig.views)).meshes


class Scores:
    """Mean squared errors and structural similarities of re-rendered hands."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        self.inner_errors: list[float] = []
        self.similarities: list[float] = []

    def add(self, shown: NDArray[np.float64], crop: Image, mask: NDArray[np.bool_]) -> None:
        """Compare an RGB rendering (H, W, 3) with a crop (BGR) where ``mask`` (H, W) holds."""
        inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5))) > 0
        if not inner.any():
            return
        true = crop[..., ::-1].astype(np.float64)
        error = np.square(shown - true).mean(axis=2)
        pasted = np.where(mask[..., None], shown, true).round().astype(np.uint8)
        _, similarity = cv2.quality.QualitySSIM_compute(pasted, true.astype(np.uint8))
        self.errors.append(float(error[mask].mean()))
        self.inner_errors.append(float(error[inner].mean()))
        self.similarities.append(float(similarity[mask].mean()))

    def __str__(self) -> str:
        if not self.errors:
            return f'{"nothing to compare":^40}'
        ordered = np.sort(self.errors)
        worst = ordered[-max(1, len(ordered) // 20) :]
        return (
            f'{psnr(ordered):5.1f} ({psnr(worst):4.1f})  {psnr(self.inner_errors):5.1f} inside  '
            f'{np.mean(self.similarities):.3f}'
        )


def psnr(errors: Sequence[float] | NDArray[np.float64]) -> float:
    return float(10 * np.log10(255.0**2 / np.mean(errors)))


def print_quality(
    name: str,
    meshes: Sequence[tuple[HandMesh, ...]],
    frames: Sequence[FilmedFrame],
    cameras: Sequence[PinholeCamera],
) -> None:
    header = ''.join(f'{part:^42}' for part in ('live', 'next', 'novel'))
    print(f'{name:24}{header}\n{"":24}' + f'{"PSNR (worst) dB, inside, SSIM":42}' * 3)
    for method, config in METHODS.items():
        scores = quality(TextureStageConfig(averaging=config), meshes, frames, cameras)
        print(f'  {method:22}' + ''.join(f'{scores[part]!s:42}' for part in scores))
    print()


def quality(
    config: TextureStageConfig,
    meshes: Sequence[tuple[HandMesh, ...]],
    frames: Sequence[FilmedFrame],
    cameras: Sequence[PinholeCamera],
) -> dict[str, Scores]:
    """Return the scores 'live', 'next' and 'novel' of one way of keeping the atlas."""
    both, left_only, renderer = TextureStage(config), TextureStage(config), TextureRenderer()
    scores = {'live': Scores(), 'next': Scores(), 'novel': Scores()}
    last: dict[Handedness, HandTexture] = {}

    def compare(part: str, mesh: HandMesh, texture: HandTexture, eye: int, light: int) -> None:
        view = mesh.views[eye]
        if view.crop is None or view.crop_affine is None:
            return
        height, width = view.crop.shape[:2]
        drawn = renderer.render(
            mesh.vertices_cam,
            mesh.handedness,
            texture.atlas,
            cameras[eye].cropped(view.crop_affine, width, height),
            texture.shading[light],
        )
        true = crop_image(frame.masks[mesh.handedness, eye], view.crop_affine, width)
        scores[part].add(drawn.colours, view.crop, drawn.mask & (true > 250))

    for frame, hands in zip(frames, meshes, strict=True):
        hands = tuple(hand for hand in hands if (hand.handedness, 0) in frame.masks)
        textures = both(hands, cameras)
        from_left = left_only([without_right_view(mesh) for mesh in hands], cameras)
        for mesh, texture, seen_left in zip(hands, textures, from_left, strict=True):
            for eye in range(len(mesh.views)):
                compare('live', mesh, texture, eye, eye)
                if mesh.handedness in last:
                    compare('next', mesh, last[mesh.handedness], eye, eye)
            if len(mesh.views) == 2 and seen_left.updated:
                compare('novel', mesh, seen_left, 1, 0)
            last[mesh.handedness] = texture
    return scores


def without_right_view(mesh: HandMesh) -> HandMesh:
    return replace(mesh, views=mesh.views[:1])


def print_coverage(
    meshes: Sequence[tuple[HandMesh, ...]], cameras: Sequence[PinholeCamera]
) -> None:
    """Print which share of the skin that was ever visible is known after some frames."""
    plain = TextureStage(TextureStageConfig(averaging=METHODS['last frame']))
    ours = TextureStage()
    visible, known = {}, {}
    for hands in meshes[:COVERAGE_FRAMES]:
        for mesh, seen, kept in zip(
            hands, plain(hands, cameras), ours(hands, cameras), strict=True
        ):
            visible[mesh.handedness], known[mesh.handedness] = seen, kept
    for side, seen in visible.items():
        ever = seen.coverage_map > 0
        share = (known[side].coverage_map[ever] > 0).mean()
        print(
            f'{side} hand after {COVERAGE_FRAMES} frames: {seen.coverage:.1%} of the skin was '
            f'visible to a camera, {share:.1%} of that is known'
        )


def print_time(meshes: Sequence[tuple[HandMesh, ...]], cameras: Sequence[PinholeCamera]) -> None:
    """Print how long an update with two crops takes; one hand a frame."""
    seen_twice = [
        hands[:1]
        for hands in meshes
        if hands and all(view.crop is not None for view in hands[0].views)
    ]
    stages = {name: TextureStage(TextureStageConfig(averaging=c)) for name, c in METHODS.items()}
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def measure(name: str, job: Callable[[], T]) -> T:
        start, computing = time.perf_counter(), time.process_time()
        result = job()
        times[name].append((time.perf_counter() - start, time.process_time() - computing))
        return result

    for hands in seen_twice[:5] + seen_twice:
        for name, stage in stages.items():
            texture = measure(name, lambda stage=stage, hands=hands: stage(hands, cameras))[0]
        measure('filling for display', lambda texture=texture: texture.atlas)
    print(f'\n{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}')
    print(
        'update of a 512 x 512 atlas from two crops, ms: fastest, median, computing (all threads)'
    )
    for name, values in times.items():
        elapsed, computing = 1e3 * np.array(values[5:]).T
        print(
            f'  {name:22} {elapsed.min():6.2f} {np.median(elapsed):6.2f} '
            f'{np.median(computing):6.2f}'
        )


def draw_sheet(
    path: Path, meshes: Sequence[tuple[HandMesh, ...]], cameras: Sequence[PinholeCamera]
) -> None:
    """Draw, a row for each method and hand: what was seen, filled atlas, hands in other poses."""
    renderer, rows, tile = TextureRenderer(), [], 256
    for config in METHODS.values():
        stage, last = TextureStage(TextureStageConfig(averaging=config)), {}
        for hands in meshes:
            last |= {texture.handedness: texture for texture in stage(hands, cameras)}
        for side, texture in last.items():
            poser = HandPoser(default_model_folder(), side)
            pictures = [texture.colours, texture.atlas]
            for gesture in ('open', 'rest'):
                vertices = poser.vertices(gesture_angles(gesture))
                pictures += [
                    renderer.novel_view(vertices, side, texture.atlas, view, tile)
                    for view in ('palm', 'back', 'side')
                ]
            rows.append(np.hstack([cv2.resize(p, (tile, tile)) for p in pictures]))
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])
    print(f'\nwrote {path}')


if __name__ == '__main__':
    main()
