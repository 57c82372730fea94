"""One pass over held-out hands with all methods of the paper's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh, HandObservation, HandView
from realhands_ros.data.topology import Handedness
from realhands_ros.evaluation.baselines.simple import skin_mask
from realhands_ros.evaluation.evaluator import ErrorMaps
from realhands_ros.evaluation.methods import (
    PoseLevel,
    Reconstruction,
    RefinementVariant,
    refinement_variants,
)
from realhands_ros.evaluation.metrics import mask_iou
from realhands_ros.evaluation.replay import BASELINE_TITLES, make_baselines
from realhands_ros.evaluation.scores import Scores, hand_scores, mask_scores
from realhands_ros.evaluation.sources.held_out import BOTH, RIGHT, HeldOutHand, HeldOutHands
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import projected_mask
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.handnet.stage import HandNetStage, HandNetStageConfig
from realhands_ros.keypoints.observer import CropConfig
from realhands_ros.refinement.stage import RefinementStage

# The scores of several methods on the same hands, one row a hand.


class ScoreBook:
    """
    Scores by method, in the order of the hands.

    Every method has an entry for every hand, an empty one where it gave no result, so that any
    selection of hands can be compared between methods.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Scores]] = {}

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods in the order of their first appearance."""
        return tuple(self._rows)

    def add(self, method: str, scores: Scores | None) -> None:
        """Add a method's scores on the next hand, None where it gave no result."""
        self._rows.setdefault(method, []).append(scores or {})

    def column(self, method: str, metric: str) -> FloatArray:
        """Return a metric hand by hand, NaN where there is none."""
        rows = self._rows.get(method, [])
        return np.array([row.get(metric, np.nan) for row in rows], dtype=np.float64)

    def mean(self, method: str, metric: str, hands: Sequence[bool] | None = None) -> float:
        """Return the mean over the chosen hands that have the metric, NaN if none has."""
        values = self.column(method, metric)
        if hands is not None and len(values):
            values = values[np.asarray(hands, dtype=bool)]
        known = values[np.isfinite(values)]
        return float(known.mean()) if len(known) else float('nan')

    def count(self, method: str, hands: Sequence[bool] | None = None) -> int:
        """Return on how many of the chosen hands the method gave a result."""
        given = np.array([bool(row) for row in self._rows.get(method, [])], dtype=bool)
        if hands is not None and len(given):
            given &= np.asarray(hands, dtype=bool)
        return int(given.sum())


# One pass over held-out hands with all methods of the tables.

# The paper's monocular rows use the right image alone (section 4.4).
VIEWS: dict[str, tuple[int, ...]] = {'mono': (RIGHT,), 'stereo': BOTH}
TRUE_MASKS = 'stereo/true_masks'
BASELINES = {
    'mono': ('mean_shape', 'world_landmarks', 'inverse_kinematics'),
    'stereo': ('triangulation', 'inverse_kinematics'),
}


@dataclass(frozen=True, eq=False)
class Measurements:
    """
    Scores of all methods on all hands.

    ``book``: methods by keys such as ``stereo/network``. ``found_both``: of each hand, whether
    MediaPipe found it in both images; ``found_right`` in the right one. ``networks``: their names,
    the first being the one that is refined and that segments. ``maps``: PCK curves by the same
    keys, of the hands that MediaPipe found in both images.
    """

    networks: tuple[str, ...]
    variants: tuple[RefinementVariant, ...]
    book: ScoreBook = field(default_factory=ScoreBook)
    masks: ScoreBook = field(default_factory=ScoreBook)
    maps: dict[str, ErrorMaps] = field(default_factory=dict)
    found_both: list[bool] = field(default_factory=list)
    found_right: list[bool] = field(default_factory=list)


def measure(
    dataset: Path,
    weights: Mapping[str, Path],
    *,
    samples: int | None = None,
    model_folder: Path | None = None,
) -> Measurements:
    """
    Run baselines, networks and refinements over the hands of a dataset.

    ``weights`` are safetensors files by the names of their networks, the main one first. Raises
    DatasetError, WeightsError, ModelFileError or ConfigError for files that cannot be used.
    """
    folder = model_folder or default_model_folder()
    sides: tuple[Handedness, ...] = ('left', 'right')
    models = {side: load_hand_model_data(folder, side) for side in sides}
    hands = HeldOutHands(dataset, models, samples)
    measuring = _Measuring(models, weights, model_folder)
    for hand in tqdm(hands, unit='hand', dynamic_ncols=True):
        measuring.take(hand)
    return measuring.result


class _Measuring:
    """The methods, and their scores so far."""

    def __init__(
        self,
        models: dict[Handedness, HandModelData],
        weights: Mapping[str, Path],
        model_folder: Path | None,
    ) -> None:
        self._faces = models['right'].faces
        self._networks = {
            name: HandNetStage(HandNetStageConfig(path, model_folder))
            for name, path in weights.items()
        }
        # What the image alone gives is measured for every network, as a modality.
        keys = [key for key in BASELINE_TITLES if key != 'image_alone']
        self._baselines = make_baselines(models, next(iter(self._networks.values())), keys)
        first, path = next(iter(weights.items()))
        self._main = self._networks[first]
        self._as_paper = HandNetStage(
            HandNetStageConfig(path, model_folder, pose_blend='linear', placement='camera')
        )
        variants = refinement_variants()
        self._refinements = {
            variant.name: RefinementStage(models['right'], variant.config)
            for variant in variants
            if variant.config is not None
        }
        self.result = Measurements(tuple(weights), variants)

    def take(self, hand: HeldOutHand) -> None:
        """Run all methods on the next hand."""
        left, right = hand.is_found
        self.result.found_both.append(left and right)
        self.result.found_right.append(right)
        for name, eyes in VIEWS.items():
            self._run_baselines(hand, name, eyes)
            self._run_networks(hand, name, eyes)
            self._run_refinements(hand, name, eyes)
        self._run_refinements(hand, TRUE_MASKS, BOTH, true_masks=True)
        self._run_paper_fusion(hand)
        self._run_masks(hand)

    def _run_baselines(self, hand: HeldOutHand, views: str, eyes: Sequence[int]) -> None:
        observation = hand.observe(eyes, _crop(self._main))
        for name in BASELINES[views]:
            found = self._baselines[name](observation, hand.cameras(eyes))
            self._add(f'{views}/{name}', hand, found)

    def _run_networks(self, hand: HeldOutHand, views: str, eyes: Sequence[int]) -> None:
        for name, stage in self._networks.items():
            for suffix, with_keypoints in (('', True), ('/blind', False)):
                observation = hand.observe(eyes, _crop(stage), with_keypoints=with_keypoints)
                mesh = _regressed(stage, observation, hand.cameras(eyes))
                found = None if mesh is None else Reconstruction.from_mesh(mesh)
                self._add(f'{views}/{name}{suffix}', hand, found)

    def _run_paper_fusion(self, hand: HeldOutHand) -> None:
        observation = hand.observe(BOTH, _crop(self._as_paper))
        mesh = _regressed(self._as_paper, observation, hand.cameras(BOTH))
        found = None if mesh is None else Reconstruction.from_mesh(mesh)
        self._add('stereo/paper_fusion', hand, found)

    def _run_refinements(
        self, hand: HeldOutHand, views: str, eyes: Sequence[int], *, true_masks: bool = False
    ) -> None:
        observation, cameras = hand.observe(eyes, _crop(self._main)), hand.cameras(eyes)
        mesh = _regressed(self._main, observation, cameras)
        if true_masks and mesh is not None:
            mesh = _with_true_masks(hand, mesh, eyes)
        for variant in self.result.variants:
            scores: Scores | None = None
            if mesh is not None:
                stage = self._refinements.get(variant.name)
                refined = mesh if stage is None else stage(mesh, cameras)
                scores = hand_scores(Reconstruction.from_mesh(refined), hand.truth)
                scores['iou'] = self._projected_iou(hand, refined, eyes)
            self.result.book.add(f'{views}/refined/{variant.name}', scores)

    def _run_masks(self, hand: HeldOutHand) -> None:
        """Compare the masks of both views, as crops of the network, with the true ones."""
        mesh = _regressed(self._main, hand.observe(BOTH, _crop(self._main)), hand.cameras(BOTH))
        rows: dict[str, list[Scores]] = {'network': [], 'hsv': []}
        for eye in BOTH if mesh is not None else ():
            view = mesh.views[eye] if mesh is not None else None
            if view is None or view.silhouette is None or view.crop is None:
                continue
            truth = hand.crop_mask(eye, np.asarray(view.crop_affine), len(view.crop))
            rows['network'].append(mask_scores(view.silhouette > 127, truth))
            rows['hsv'].append(mask_scores(skin_mask(view.crop), truth))
        for name, views in rows.items():
            self.result.masks.add(name, _mean_scores(views))

    def _projected_iou(self, hand: HeldOutHand, mesh: HandMesh, eyes: Sequence[int]) -> float:
        """Return the mean IoU of the projected mesh with the true masks, in the crops."""
        overlaps = []
        for view, eye in zip(mesh.views, eyes, strict=True):
            if view.crop_affine is None or view.crop is None:
                continue
            size = len(view.crop)
            affine = np.asarray(view.crop_affine, np.float64)
            camera = hand.sample.views[eye].camera.cropped(affine, size, size)
            vertices = np.asarray(mesh.vertices_cam, np.float64)
            drawn = projected_mask(vertices, self._faces, camera)
            overlaps.append(mask_iou(drawn, hand.crop_mask(eye, affine, size)))
        return float(np.mean(overlaps)) if overlaps else float('nan')

    def _add(self, key: str, hand: HeldOutHand, found: Reconstruction | None) -> None:
        self.result.book.add(key, None if found is None else hand_scores(found, hand.truth))
        if found is not None and all(hand.is_found) and found.level >= PoseLevel.ORIENTATION:
            self.result.maps.setdefault(key, ErrorMaps()).add(found, hand.truth)


def _crop(stage: HandNetStage) -> CropConfig:
    return CropConfig(stage.input_size, stage.crop_margin, stage.crop_upright)


def _regressed(
    stage: HandNetStage, observation: HandObservation, cameras: Sequence[PinholeCamera]
) -> HandMesh | None:
    meshes = stage([observation], cameras).meshes
    return meshes[0] if meshes else None


def _with_true_masks(hand: HeldOutHand, mesh: HandMesh, eyes: Sequence[int]) -> HandMesh:
    """Return a mesh whose views hold the true masks in place of the network's."""
    views = [
        view
        if view.silhouette is None
        else replace(view, silhouette=_true_silhouette(hand, eye, view))
        for view, eye in zip(mesh.views, eyes, strict=True)
    ]
    return replace(mesh, views=tuple(views))


def _true_silhouette(hand: HeldOutHand, eye: int, view: HandView) -> NDArray[np.uint8]:
    assert view.silhouette is not None
    mask = hand.crop_mask(eye, np.asarray(view.crop_affine, np.float64), len(view.silhouette))
    return mask.astype(np.uint8) * np.uint8(255)


def _mean_scores(rows: Sequence[Scores]) -> Scores | None:
    if not rows:
        return None
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
