"""
Inverse kinematics: the hand model fitted to detected keypoints, without looking at the image.

Two steps. The model is fitted to points in space: the triangulated keypoints of two views, or
MediaPipe's world landmarks of one, placed where its 2D keypoints say. Then the refinement's
Levenberg-Marquardt, with its keypoint term and priors but no silhouette, fits all 2D keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.baselines.mediapipe_points import (
    triangulated_keypoints,
    world_landmarks_in_rig,
)
from realhands_ros.evaluation.baselines.point_fit import PointFit
from realhands_ros.evaluation.reconstruction import Reconstruction
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.mirror import mirror_axis_angle, mirror_points
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.hand_observation import HandObservation
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import Handedness
from realhands_ros.handnet.placement import place_by_keypoints
from realhands_ros.handnet.view_input import view_input
from realhands_ros.refinement.energy import EnergyConfig
from realhands_ros.refinement.levenberg_marquardt import LevenbergMarquardtConfig
from realhands_ros.refinement.refiner import RefinementConfig
from realhands_ros.refinement.stage import RefinementStage

FloatArray = NDArray[np.float64]

_KEYPOINTS_ONLY = RefinementConfig(
    # There is nothing to trust but the keypoints.
    energy=replace(EnergyConfig.for_exact_keypoints(), silhouette=0.0),
    levenberg_marquardt=LevenbergMarquardtConfig(
        keypoint_iterations=20, iterations=0, offset_iterations=0
    ),
)
# Where a single view's hand is looked for first, metres before the camera.
_ARM_LENGTH_M = 0.4


class InverseKinematics:
    """A Method: the model fitted to MediaPipe's keypoints."""

    def __init__(self, models: dict[Handedness, HandModelData]) -> None:
        """Prepare for both hands of a model."""
        self._models = {
            side: FastHandModel(data, dtype=np.float64) for side, data in models.items()
        }
        self._fit = PointFit(models['right'])
        self._refine = RefinementStage(models['right'], _KEYPOINTS_ONLY)

    def __call__(
        self, observation: HandObservation, cameras: Sequence[PinholeCamera]
    ) -> Reconstruction | None:
        """Return the fitted hand, None where too little was detected."""
        points = triangulated_keypoints(observation, cameras)
        if points is None:
            points = world_landmarks_in_rig(observation, cameras)
        if points is None:
            return None
        mesh = self._posed(observation, points)
        if len(observation.views) == 1:
            mesh = _placed(mesh, observation, cameras[0])
        return Reconstruction.from_mesh(self._refine(mesh, cameras))

    def _posed(self, observation: HandObservation, points: FloatArray) -> HandMesh:
        """Return the hand fitted to points (21, 3) of the rig's frame."""
        is_left = observation.handedness == 'left'
        found = self._fit(mirror_points(points) if is_left else points)
        pose, translation = found.pose_aa, found.translation
        if is_left:
            pose, translation = mirror_axis_angle(pose), mirror_points(translation)
        posed = self._models[observation.handedness].forward(pose, found.shape, translation)
        return HandMesh(
            id=observation.id,
            handedness=observation.handedness,
            vertices_cam=posed.vertices,
            keypoints_cam=posed.keypoints,
            pose_aa=pose,
            shape=found.shape,
            translation=translation,
            topology_key='',
            views=observation.views,
        )


def _placed(mesh: HandMesh, observation: HandObservation, camera: PinholeCamera) -> HandMesh:
    """Return the hand moved to where one view's keypoints see it."""
    view = observation.views[0]
    assert view.crop is not None
    seen = view_input(view, None, camera, observation.handedness, view.crop.shape[0])
    middle = mesh.keypoints_cam.mean(axis=0)
    in_front = camera.rotation.T @ (np.array([0.0, 0.0, _ARM_LENGTH_M]) - camera.translation)
    shift = place_by_keypoints([seen], mesh.keypoints_cam, in_front - middle)
    return replace(
        mesh,
        vertices_cam=mesh.vertices_cam + shift,
        keypoints_cam=mesh.keypoints_cam + shift,
        translation=mesh.translation + shift,
    )
