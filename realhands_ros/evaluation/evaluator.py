"""Scores of meshes against the ground truth, frame by frame, and the result made of them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_VERTICES, Handedness
from realhands_ros.data.truth import Mask, TrackedTruth, TrueHand
from realhands_ros.evaluation import result
from realhands_ros.evaluation.methods import PoseLevel, Reconstruction
from realhands_ros.evaluation.metrics import (
    FREIHAND_PCK_THRESHOLDS,
    TrackedHand,
    TrackingCounter,
    match_hands,
    pck,
    point_errors,
    procrustes_aligned,
    root_relative,
)
from realhands_ros.evaluation.pictures import ExtremeFrames
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.scores import (
    ALL_METRICS,
    Scores,
    Tracks,
    detection_scores,
    fit_scores,
    hand_scores,
    known_keypoints,
    picture_mask_scores,
    picture_projection_scores,
    projection_scores,
)
from realhands_ros.geometry.camera import PinholeCamera

# Errors summed over all hands: by vertex and keypoint, and as PCK curves.


_MM = 1000.0
_WRIST = 0
_CURVES = ('vertices_aligned', 'keypoints_aligned', 'vertices_relative')


class ErrorMaps:
    """
    Means over hands with a true mesh.

    ``vertices`` (778,) and ``keypoints`` (21,): distance in mm after alignment by a rotation.
    ``curves``: the PCK at FREIHAND_PCK_THRESHOLDS of vertices and keypoints after FreiHAND's
    alignment, and of vertices relative to the wrist.
    """

    def __init__(self) -> None:
        self._count = 0
        self._vertices = np.zeros(NUM_VERTICES)
        self._keypoints = np.zeros(NUM_KEYPOINTS)
        self._curves = {name: np.zeros(len(FREIHAND_PCK_THRESHOLDS)) for name in _CURVES}

    def add(self, found: Reconstruction, truth: TrueHand) -> None:
        """Add the errors of a hand; one without a mesh, or whose truth has none, is skipped."""
        if found.vertices is None or truth.vertices is None:
            return
        self._count += 1
        self._vertices += _aligned_errors(found.vertices, truth.vertices, mirror=False)
        self._keypoints += _aligned_errors(found.keypoints, truth.keypoints, mirror=False)
        relative = point_errors(
            root_relative(found.vertices, found.keypoints[_WRIST]),
            root_relative(truth.vertices, truth.keypoints[_WRIST]),
        )
        errors = (
            _aligned_errors(found.vertices, truth.vertices, mirror=True),
            _aligned_errors(found.keypoints, truth.keypoints, mirror=True),
            relative,
        )
        for name, values in zip(_CURVES, errors, strict=True):
            self._curves[name] += pck(values)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the means by name, none at all without a hand."""
        if not self._count:
            return {}
        sums = {
            'vertices_mm': _MM * self._vertices,
            'keypoints_mm': _MM * self._keypoints,
            **{f'pck_{name}': curve for name, curve in self._curves.items()},
        }
        return {name: total / self._count for name, total in sums.items()}


def _aligned_errors(found: FloatArray, truth: FloatArray, *, mirror: bool) -> FloatArray:
    return point_errors(procrustes_aligned(found, truth, allow_reflection=mirror), truth)


# A table of numbers that grows row by row and costs eight bytes a cell.


class Columns:
    """Rows of named numbers; NaN where a row lacks a name that another row has."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._rows = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row."""
        for name in row:
            if name not in self._columns:
                self._columns[name] = array('d', [float('nan')]) * self._rows
        for name, column in self._columns.items():
            column.append(row.get(name, float('nan')))
        self._rows += 1

    def arrays(self) -> dict[str, FloatArray]:
        """Return a copy of each column, (rows,)."""
        return {name: np.array(column, np.float64) for name, column in self._columns.items()}


# A mesh is matched to the true hand whose keypoints are nearest in the left image, within this
# share of the true hand's box. Errors in depth do not change the match.
_SAME_HAND = 0.5
# Frames are ranked by the first of these metrics that the first hand has.
_RANKED_BY = ('pa_mpvpe_proper', 'pa_mpjpe_proper', 'keypoints_px', 'silhouette_iou')
# The key of scores that belong to the network's masks and to no stage.
_SILHOUETTES = 'silhouettes'
# A true hand that is not found counts as a miss when every view shows this share of its keypoints.
_DUE_SHARE = 0.6


@dataclass
class Numbering:
    """Gives each name a number, in the order of their first appearance."""

    numbers: dict[str, int] = field(default_factory=dict)

    def __call__(self, name: str) -> int:
        """Return the number of a name."""
        return self.numbers.setdefault(name, len(self.numbers))


class FrameEvaluator:
    """
    Collects scores frame by frame.

    ``stages`` are the keys of the stages that are scored, the pipeline's own last; ``faces`` the
    triangles (1538, 3) of either hand; ``baselines`` the keys of methods that are scored beside
    them, where there is truth.
    """

    def __init__(
        self,
        stages: Sequence[str],
        faces: Mapping[Handedness, NDArray[np.int64]],
        baselines: Sequence[str] = (),
    ) -> None:
        self.stages = tuple(stages)
        self.baselines = tuple(baselines)
        self.shared = Columns()
        self.views = Columns()
        self.scores = {key: Columns() for key in (*self.baselines, *self.stages)}
        self.tracks = {stage: Tracks() for stage in self.stages}
        self.track_errors = {stage: Tracks() for stage in self.stages}
        self.maps = {key: ErrorMaps() for key in (*self.baselines, *self.stages)}
        self.tracking = TrackingCounter()
        self.frames = 0
        self.true_hands = 0
        self.has_truth = False
        self.ranked_by: str | None = None
        self.extremes = ExtremeFrames(faces)
        # Which way round a triangle is makes no difference to what it covers.
        self._faces = faces['right']
        self._track_numbers, self._truth_numbers = Numbering(), Numbering()

    def add(
        self,
        frame: StereoFrame,
        meshes: Mapping[str, Sequence[HandMesh]],
        truth: Sequence[TrackedTruth] | None,
        extras: Sequence[Scores] = (),
        baselines: Mapping[str, Sequence[Reconstruction | None]] | None = None,
    ) -> None:
        """
        Score the meshes of each stage, which are in the same order, against the true hands.

        ``truth`` is None for a frame without annotation. ``extras``: further scores of the meshes,
        none at all or one entry a mesh. ``baselines``: the reconstructions of the same hands by
        each baseline, None where it has no result.
        """
        final = meshes[self.stages[-1]]
        for hand in truth or ():
            # Numbered whether found or not, so that two results number hands alike.
            self._truth_numbers(hand.id)
        picture_mask = mask_of_picture(truth)
        pairs = self._matched(frame, final, truth, one_mask=picture_mask is not None)
        errors = []
        for row, mesh in enumerate(final):
            true_hand = None if truth is None or row not in pairs else truth[pairs[row]]
            by_stage = {stage: rows[row] for stage, rows in meshes.items()}
            together: dict[str, Scores] = {}
            if picture_mask is not None:
                # The mask is that of all hands, and is scored with the first of them.
                true_hand = None
                if row == 0:
                    together = self._picture_scores(frame, meshes, picture_mask)
            scores = self._add_hand(frame, by_stage, true_hand, together)
            for key in self.baselines:
                found = None if baselines is None else baselines[key][row]
                self._add_baseline(key, found, true_hand)
            seen = detection_scores(mesh, frame.cameras, true_hand, self._faces)
            seen |= together.get(_SILHOUETTES, {})
            self.views.add(seen | (extras[row] if extras else {}))
            if truth is None or true_hand is not None or together:
                errors += self._error(scores)
            self._add_identity(mesh, truth[pairs[row]] if truth and row in pairs else None)
        self.extremes.offer(self.frames, frame, final, truth or (), errors)
        self.frames += 1

    def track_scores(self) -> dict[str, Scores]:
        """Return the scores of TRACK_METRICS by stage."""
        by_stage = {}
        for stage in self.stages:
            scores = self.tracks[stage].scores()
            errors = self.track_errors[stage].scores()
            if 'jitter' in errors:
                scores['jitter_error'] = errors['jitter']
            by_stage[stage] = scores
        return by_stage

    def _add_identity(self, mesh: HandMesh, truth: TrackedTruth | None) -> None:
        self.shared.add({
            'frame': float(self.frames),
            'track': float(self._track_numbers(mesh.id)),
            'truth': -1.0 if truth is None else float(self._truth_numbers(truth.id)),
            'is_left': float(mesh.handedness == 'left'),
        })  # fmt: skip

    def _matched(
        self,
        frame: StereoFrame,
        meshes: Sequence[HandMesh],
        truth: Sequence[TrackedTruth] | None,
        *,
        one_mask: bool,
    ) -> dict[int, int]:
        """
        Match meshes with true hands and count; return rows of truth by rows of meshes.

        With ``one_mask`` for all hands of the picture, the first mesh stands for all of them.
        """
        if truth is None:
            return {}
        self.has_truth = True
        if one_mask:
            meshes = [replace(mesh, handedness=truth[0].handedness) for mesh in meshes[:1]]
            pairs = [(row, 0) for row in range(len(meshes))]
        else:
            pairs = match_hands(_distances(frame, meshes, truth), _SAME_HAND)
        due = [hand.visible_share >= _DUE_SHARE for hand in truth]
        self.true_hands += sum(due)
        self.tracking.add(
            pairs,
            [TrackedHand(mesh.id, mesh.handedness, mesh.keypoints_cam[0]) for mesh in meshes],
            # The wrists were needed for the matching only.
            [TrackedHand(hand.id, hand.handedness, (0.0, 0.0, 0.0)) for hand in truth],
            due,
        )
        return dict(pairs)

    def _picture_scores(
        self, frame: StereoFrame, meshes: Mapping[str, Sequence[HandMesh]], mask: Mask
    ) -> dict[str, Scores]:
        """Return the scores of all hands of a picture together, by stage and of silhouettes."""
        camera, final = frame.cameras[0], meshes[self.stages[-1]]
        scores = {
            stage: picture_projection_scores(hands, camera, mask, self._faces)
            for stage, hands in meshes.items()
        }
        scores[_SILHOUETTES] = picture_mask_scores(final, mask)
        return scores

    def _add_hand(
        self,
        frame: StereoFrame,
        meshes: Mapping[str, HandMesh],
        truth: TrackedTruth | None,
        together: Mapping[str, Scores],
    ) -> Scores:
        """
        Score one hand at every stage; return the scores of the last.

        ``together`` are scores of all hands, by stage, that are kept with this one.
        """
        scores: Scores = {}
        for stage in self.stages:
            mesh = meshes[stage]
            scores = fit_scores(mesh, frame.cameras, self._faces) | together.get(stage, {})
            if truth is not None:
                scores |= projection_scores(mesh, frame.cameras, truth, self._faces)
            if truth is not None and truth.hand is not None:
                found = Reconstruction.from_mesh(mesh)
                scores |= hand_scores(found, truth.hand)
                self.maps[stage].add(found, truth.hand)
                errors = found.keypoints - truth.hand.keypoints
                self.track_errors[stage].add(self.frames, self._truth_numbers(truth.id), errors)
            self.scores[stage].add(scores)
            track = self._track_numbers(mesh.id)
            self.tracks[stage].add(self.frames, track, mesh.keypoints_cam)
        return scores

    def _add_baseline(
        self, key: str, found: Reconstruction | None, truth: TrackedTruth | None
    ) -> None:
        scores: Scores = {}
        if found is not None and truth is not None and truth.hand is not None:
            scores = hand_scores(found, truth.hand)
            if found.level >= PoseLevel.ORIENTATION:
                self.maps[key].add(found, truth.hand)
        self.scores[key].add(scores)

    def _error(self, scores: Scores) -> list[float]:
        """Return a hand's error by the ranking metric, an empty list where it has none."""
        if self.ranked_by is None:
            self.ranked_by = next((name for name in _RANKED_BY if name in scores), None)
        if self.ranked_by not in scores:
            return []
        value = scores[self.ranked_by]
        return [-value if ALL_METRICS[self.ranked_by].higher else value]


def mask_of_picture(truth: Sequence[TrackedTruth] | None) -> Mask | None:
    """
    Return the mask (H, W) that holds all hands of a picture, None if there is none such.

    That is the mask of a picture whose only annotation is a mask without keypoints.
    """
    if truth is None or len(truth) != 1 or truth[0].hand is not None:
        return None
    views = truth[0].annotations
    if len(views) != 1 or np.isfinite(views[0].keypoints_px).any():
        return None
    return views[0].mask


def _distances(
    frame: StereoFrame, meshes: Sequence[HandMesh], truth: Sequence[TrackedTruth]
) -> FloatArray:
    """
    Return mean keypoint distances (P, T) in the left image, in sizes of the true hand's box.

    Of a true hand with a mask and no keypoints: the share of the keypoints that lie outside of it.
    """
    camera = frame.cameras[0]
    table = np.full((len(meshes), len(truth)), np.inf)
    for column, true_hand in enumerate(truth):
        true_px = true_hand.keypoints_px(0, camera)
        marked = np.isfinite(true_px).all(axis=1)
        mask = true_hand.annotations[0].mask if true_hand.annotations else None
        if not marked.any():
            if mask is not None:
                table[:, column] = [_share_outside(mesh, camera, mask) for mesh in meshes]
            continue
        box = max(float(np.ptp(true_px[marked], axis=0).max()), 1.0)
        for row, mesh in enumerate(meshes):
            pixels, seen = _seen_keypoints(mesh, camera)
            known = seen & marked
            if not known.any():
                continue
            offset = np.linalg.norm(pixels[known] - true_px[known], axis=1).mean()
            table[row, column] = offset / box
    return table


def _share_outside(mesh: HandMesh, camera: PinholeCamera, mask: Mask) -> float:
    """Return the share of a hand's keypoints that lie outside of a mask (H, W); 1 without any."""
    pixels, seen = _seen_keypoints(mesh, camera)
    if not seen.any():
        return 1.0
    columns, rows = np.round(pixels[seen]).astype(np.int64).T
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    return 1.0 - float(mask[rows[inside], columns[inside]].sum()) / len(rows)


def _seen_keypoints(mesh: HandMesh, camera: PinholeCamera) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return pixels (21, 2) in the left image, detected or else of the mesh; which are known."""
    known = known_keypoints(mesh.views[0])
    if known.any():
        return np.asarray(mesh.views[0].keypoints_px, np.float64), known
    projected = camera.project(np.asarray(mesh.keypoints_cam, np.float64))
    return projected, np.isfinite(projected).all(axis=1)


# The result of an evaluation, from the scores of its frames.


@dataclass(frozen=True, eq=False)
class Outcome:
    """Scores, titles of the stages, milliseconds by stage, and the number of rejected hands."""

    evaluator: FrameEvaluator
    titles: Mapping[str, str]
    timing: Columns
    rejected: int


def make_result(
    outcome: Outcome,
    about: Mapping[str, Any],
    partial: str | None,
    elapsed_s: float,
    skipped: int,
) -> EvaluationResult:
    """
    Return the result of an evaluation.

    ``about`` names the source and the configuration; ``partial`` says why the evaluation stopped
    early, None if it did not; ``skipped``: number of messages or pictures that gave no frame.
    """
    found = outcome.evaluator
    counts: Counter[str] = Counter()
    counts['frames'], counts['hands'] = found.frames, len(found.shared)
    counts['rejected'], counts['skipped'] = outcome.rejected, skipped
    if found.has_truth:
        counts['true_hands'] = found.true_hands
        counts.update(vars(found.tracking.counts))
    return EvaluationResult(
        about={
            **about,
            'machine': result.machine(),
            'versions': result.versions(),
            'command': result.command(),
        },
        partial=partial,
        stages=outcome.titles,
        hands=found.shared.arrays(),
        scores={
            **{stage: found.scores[stage].arrays() for stage in outcome.titles},
            'views': found.views.arrays(),
        },
        tracks=found.track_scores(),
        maps={stage: found.maps[stage].arrays() for stage in outcome.titles},
        counts=dict(counts),
        timing=outcome.timing.arrays(),
        elapsed_s=elapsed_s,
        pictures=found.extremes.pictures(found.ranked_by),
    )
