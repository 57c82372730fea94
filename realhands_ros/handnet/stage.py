"""The network as a stage of the pipeline: observations of hands to metric meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import HandMesh, HandObservation, HandView, MeshFlag, MeshStage
from realhands_ros.data.topology import NUM_SHAPE, Handedness
from realhands_ros.errors import ConfigError, ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.geometry.rotations import matrix_to_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data, load_uv_atlas
from realhands_ros.handnet.config import REFERENCE_KEYPOINT
from realhands_ros.handnet.loading import default_weights_path, load_predictor
from realhands_ros.handnet.placement import (
    CropCamera,
    place_by_cameras,
    place_by_keypoints,
    regressed_camera,
)
from realhands_ros.handnet.pose_blend import POSE_BLENDS, PoseBlend, right_weights
from realhands_ros.handnet.prediction import Backend, Prediction
from realhands_ros.handnet.view_input import ViewInput, silhouette_in_crop, view_input
from realhands_ros.handnet.weights_info import shape_basis_key
from realhands_ros.keypoints.detection import box_size
from realhands_ros.keypoints.keypoint_marks import KeypointMarks, marks_matrix

FloatArray = NDArray[np.float64]

# A mesh whose keypoints lie this far (share of the keypoints' box) from the detected ones is not
# the hand that was detected.
_DOUBTFUL_ERROR = 0.12
# A hand with more than this share of its vertices outside an image is cut off by it.
_TRUNCATED_SHARE = 0.03


@dataclass(frozen=True)
class HandNetStageConfig:
    """
    How the stage runs.

    ``weights``: a safetensors file, or a network compiled for OpenVINO, .xml (None: the shipped
    light network that suits the backend). ``model_folder``: the hand
    model (None: the open hand). ``pose_blend``: fusion of two views, the paper's ``linear`` one or
    a mean on SO(3). ``placement``: where the hand is, by the network's ``camera`` (eq. 7) or by
    the ``keypoints``, which were marked
    as ``keypoint_marks`` says. ``backend``, ``device`` and ``threads`` as TrainedNetwork has them.
    """

    weights: Path | None = None
    model_folder: Path | None = None
    pose_blend: PoseBlend = 'rotation'
    keypoint_marks: KeypointMarks = 'mediapipe'
    placement: Literal['camera', 'keypoints'] = 'keypoints'
    backend: Backend = 'auto'
    device: str = 'cpu'
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the choices."""
        if self.pose_blend not in POSE_BLENDS or self.placement not in ('camera', 'keypoints'):
            message = (
                f'pose_blend is {self.pose_blend!r} (linear or rotation) and placement is '
                f'{self.placement!r} (camera or keypoints)'
            )
            raise ConfigError(message)


class RejectedHand(NamedTuple):
    """An observation that gave no mesh, and why, in words."""

    id: str
    reason: str


class HandNetResult(NamedTuple):
    """The meshes of one frame, in the order of their observations, and what was rejected."""

    meshes: tuple[HandMesh, ...]
    rejected: tuple[RejectedHand, ...]


@dataclass
class _Seen:
    """A hand's usable views: which of the observation's views they are, and their inputs."""

    observation: HandObservation
    numbers: list[int] = field(default_factory=list)
    views: list[ViewInput] = field(default_factory=list)

    @property
    def rows_with_keypoints(self) -> list[int]:
        """Return which of the views have keypoints; all of them if none has any."""
        rows = range(len(self.views))
        return [row for row in rows if self.views[row].weights.any()] or list(rows)


class HandNetStage:
    """Turns the hands of one frame into meshes, all crops in one batch."""

    def __init__(self, config: HandNetStageConfig | None = None) -> None:
        """
        Load weights and hand model.

        Raises WeightsError, ModelFileError or ConfigError when they cannot be used.
        """
        self.config = config or HandNetStageConfig()
        self._marks = marks_matrix(self.config.keypoint_marks)
        folder = self.config.model_folder or default_model_folder()
        sides: tuple[Handedness, ...] = ('left', 'right')
        self._models = {side: FastHandModel(load_hand_model_data(folder, side)) for side in sides}
        self._topology_keys = {side: load_uv_atlas(folder, side).key for side in sides}
        self._predict, self.weights_info = load_predictor(
            self.config.weights or default_weights_path(self.config.backend, self.config.device),
            backend=self.config.backend,
            device=self.config.device,
            threads=self.config.threads,
        )

    @property
    def input_size(self) -> int:
        """Return the side of the network's crop in pixels; crops of that size are used as is."""
        return self._predict.config.input_size

    @property
    def crop_margin(self) -> float:
        """Return the side of a crop relative to the keypoints' box that the weights expect."""
        return self._predict.config.crop_margin

    @cached_property
    def shape_carries_over(self) -> bool:
        """
        Return whether the weights know this hand model's shape coefficients.

        They do not when they were trained with another model: hands then start with the mean
        shape, and refinement finds theirs.
        """
        own = shape_basis_key(self._models['right'].data)
        return own == self.weights_info.shape_basis

    def __call__(
        self, observations: Sequence[HandObservation], cameras: Sequence[PinholeCamera]
    ) -> HandNetResult:
        """
        Reconstruct the hands of one frame; never raises for what is in the images.

        ``cameras`` are those of the whole images, one a view, the left first. A view without a
        usable crop is left out; a hand without any is rejected.
        """
        meshes: list[HandMesh] = []
        rejected: list[RejectedHand] = []
        hands = []
        for observation in observations:
            seen, reason = self._usable_views(observation, cameras)
            if seen.views:
                hands.append(seen)
            else:
                rejected.append(RejectedHand(observation.id, reason))
        if hands:
            prediction = self._predict_views([view for hand in hands for view in hand.views])
            start = 0
            for hand in hands:
                rows = slice(start, start + len(hand.views))
                start = rows.stop
                part = _rows_of(prediction, rows)
                if all(np.isfinite(field).all() for field in part):
                    meshes.append(self._mesh(hand, part))
                else:
                    reason = 'the network gave NaN: its weights or the crop are damaged'
                    rejected.append(RejectedHand(hand.observation.id, reason))
        return HandNetResult(tuple(meshes), tuple(rejected))

    def _usable_views(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> tuple[_Seen, str]:
        seen, reason = _Seen(observation), 'it has no view'
        worlds = (*observation.world_landmarks, None, None)
        for number, (view, camera) in enumerate(zip(observation.views, cameras, strict=False)):
            try:
                prepared = view_input(
                    view, worlds[number], camera, observation.handedness, self.input_size
                )
            except ImageError as error:
                reason = str(error)
                continue
            seen.numbers.append(number)
            seen.views.append(prepared)
        return seen, reason

    def _predict_views(self, views: Sequence[ViewInput]) -> Prediction:
        return self._predict(
            np.stack([view.image for view in views]),
            np.stack([view.keypoints for view in views]).astype(np.float32),
            np.stack([view.world for view in views]).astype(np.float32),
            np.array([view.view.half_angle for view in views], dtype=np.float32),
        )

    def _mesh(self, hand: _Seen, prediction: Prediction) -> HandMesh:
        side = hand.observation.handedness
        # A crop without keypoints is where the hand should be, and may show half of it or none:
        # its silhouette tells, but a pose made of it spoils that of the other view.
        rows = hand.rows_with_keypoints
        views = [hand.views[row] for row in rows]
        pose = self._fused_pose(views, _rows_of(prediction, rows), side)
        shape = prediction.shape[rows].mean(axis=0).astype(np.float64)
        if not self.shape_carries_over:
            shape = np.zeros(NUM_SHAPE)
        posed = self._models[side].forward(pose, shape)
        points = posed.keypoints.astype(np.float64)
        cameras = [
            regressed_camera(view, float(scale), centre.astype(np.float64))
            for view, scale, centre in zip(
                hand.views, prediction.scale, prediction.centre, strict=True
            )
        ]
        reference = place_by_cameras(views, [cameras[row] for row in rows])
        translation = reference - points[REFERENCE_KEYPOINT]
        if self.config.placement == 'keypoints':
            translation = place_by_keypoints(views, self._marks @ points, translation)
        mesh = HandMesh(
            id=hand.observation.id,
            handedness=side,
            vertices_cam=posed.vertices + translation.astype(np.float32),
            keypoints_cam=posed.keypoints + translation.astype(np.float32),
            pose_aa=pose,
            translation=translation,
            topology_key=self._topology_keys[side],
            shape=shape,
            keypoint_scores=_best_scores(hand.observation),
            handedness_score=hand.observation.handedness_score,
            score=hand.observation.score,
            stage=MeshStage.REGRESSED,
            views=_with_network_output(hand, prediction, cameras),
        )
        return _judged(mesh, hand, self._marks)

    def _fused_pose(
        self, views: Sequence[ViewInput], prediction: Prediction, side: Handedness
    ) -> FloatArray:
        """Return the pose (48,) in the rig's frame, two views' blended."""
        roots = [
            view.root_to_rig(root)
            for view, root in zip(views, prediction.root.astype(np.float64), strict=True)
        ]
        poses = np.concatenate([matrix_to_axis_angle(roots), prediction.fingers_aa], axis=1)
        pose: FloatArray = poses[0]
        if len(poses) == 2:
            weights = right_weights(prediction.stereo_logits.astype(np.float64))
            pose = POSE_BLENDS[self.config.pose_blend](poses[0], poses[1], weights)
        if side == 'left':
            pose = np.concatenate([pose[:3], mirror_axis_angle(pose[3:])])
        return pose


def _rows_of(prediction: Prediction, rows: slice | list[int]) -> Prediction:
    return Prediction(*(field[rows] for field in prediction))


def _with_network_output(
    hand: _Seen, prediction: Prediction, cameras: Sequence[CropCamera]
) -> tuple[HandView, ...]:
    """Return the observation's views with silhouettes and cameras where the network saw them."""
    views = list(hand.observation.views)
    side = hand.observation.handedness
    for row, number in enumerate(hand.numbers):
        view, camera = views[number], cameras[row]
        assert view.crop is not None
        scale, (x, y) = camera.scale, camera.centre
        views[number] = replace(
            view,
            silhouette=silhouette_in_crop(prediction.silhouette[row], side, view.crop.shape[0]),
            weak_camera=np.array([scale, x / scale, y / scale]),
        )
    return tuple(views)


def _best_scores(observation: HandObservation) -> FloatArray:
    best: FloatArray = np.fmax.reduce([view.keypoint_scores for view in observation.views])
    return np.fmax(best, 0.0)


def _judged(mesh: HandMesh, hand: _Seen, marks: FloatArray) -> HandMesh:
    """Return the mesh with its quality flags and reprojection error."""
    is_measured = len(hand.rows_with_keypoints) == 2
    flags = MeshFlag.STEREO if is_measured else MeshFlag.SCALE_PRIOR
    marked = marks @ mesh.keypoints_cam
    errors = []
    for view in hand.views:
        known = view.weights > 0
        if known.any():
            seen = view.keypoints_px[known]
            error = float(np.hypot(*(view.camera.project(marked[known]) - seen).T).mean())
            errors.append(error)
            if error > _DOUBTFUL_ERROR * box_size(seen):
                flags |= MeshFlag.LOW_CONFIDENCE
        if _share_outside(view.camera, mesh.vertices_cam) > _TRUNCATED_SHARE:
            flags |= MeshFlag.TRUNCATED
    if not errors:
        flags |= MeshFlag.LOW_CONFIDENCE
    error_px = fmean(errors) if errors else float('nan')
    return replace(mesh, flags=flags, reprojection_error_px=error_px)


def _share_outside(camera: PinholeCamera, vertices: NDArray[np.floating[Any]]) -> float:
    """Return the share of vertices (V, 3) that are not before the camera in its image."""
    x, y, z = camera.projection[:, :3] @ vertices.T + camera.projection[:, 3:]
    # Pixels without a division: x / z > -1/2, for z > 0.
    low, right, bottom = -0.5 * z, (camera.width - 0.5) * z, (camera.height - 0.5) * z
    inside = (z > 0.0) & (x > low) & (x < right) & (y > low) & (y < bottom)
    return 1.0 - np.count_nonzero(inside) / len(vertices)
