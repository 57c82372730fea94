"""
The refinement stage: a regressed HandMesh with its views in, a refined HandMesh out.

A left hand is mirrored before the refinement and back after it (geometry/mirror.py), since network
and refinement know right hands only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.data.hands import HandMesh, HandView, MeshFlag, MeshStage
from realhands_ros.data.topology import NUM_VERTICES
from realhands_ros.errors import RealhandsError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import apply_affine
from realhands_ros.geometry.mirror import (
    mirror_axis_angle,
    mirror_camera,
    mirror_pixels,
    mirror_points,
)
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.refinement.hand_estimate import (
    HandEstimate,
    HandParameters,
    Refinement,
    RefinementFlag,
    ViewObservation,
)
from realhands_ros.refinement.refiner import HandRefiner, RefinementConfig

# What the flags of a refinement mean to a consumer of the mesh.
_MESH_FLAGS = {
    RefinementFlag.SCALE_PRIOR: MeshFlag.SCALE_PRIOR,
    RefinementFlag.TRUNCATED: MeshFlag.TRUNCATED,
    RefinementFlag.POOR_FIT: MeshFlag.LOW_CONFIDENCE,
    RefinementFlag.INVALID_PARAMETERS: MeshFlag.LOW_CONFIDENCE,
}


class RefinementStage:
    """Refines meshes; one object serves any number of hands and frames."""

    def __init__(self, data: HandModelData, config: RefinementConfig | None = None) -> None:
        """Prepare for meshes of the right hand model ``data`` and their mirror images."""
        self._refiner = HandRefiner(data, config)

    def __call__(
        self, mesh: HandMesh, cameras: Sequence[PinholeCamera], last: HandMesh | None = None
    ) -> HandMesh:
        """
        Return the refined mesh, or the one that came in with the flag NOT_REFINED.

        In that case its fit to the views is measured all the same, if it can be.

        ``cameras`` are those of ``mesh.views``, in their order; a view without a crop, or that
        cannot be used otherwise, is left out. ``last`` is the refined mesh of the same hand in the
        last frame, if it is to be taken into account. Raises nothing for what a frame may hold.
        """
        try:
            estimate = _estimate(mesh, cameras, last)
        except RealhandsError:
            return replace(mesh, flags=mesh.flags | MeshFlag.NOT_REFINED)
        refinement = self._refiner.refine(estimate)
        flags = _mesh_flags(mesh, refinement, len(estimate.views))
        return _refined_mesh(mesh, refinement, flags)


def _estimate(
    mesh: HandMesh, cameras: Sequence[PinholeCamera], last: HandMesh | None
) -> HandEstimate:
    worlds = (*mesh.world_landmarks, None, None)
    views = [
        _observation(view, view.crop_affine, size, camera, world)
        for view, camera, world in zip(mesh.views, cameras, worlds, strict=False)
        if view.crop_affine is not None and (size := _crop_size(view)) is not None
    ]
    if mesh.handedness == 'left':
        views = [_mirrored_observation(view) for view in views]
    return HandEstimate(
        _parameters(mesh), tuple(views), None if last is None else _parameters(last)
    )


def _crop_size(view: HandView) -> tuple[int, int] | None:
    """Return height and width of a view's crop, or None if the view carries none."""
    for image in (view.silhouette, view.crop):
        if image is not None:
            return image.shape[0], image.shape[1]
    return None


def _observation(
    view: HandView,
    affine: ArrayLike,
    size: tuple[int, int],
    camera: PinholeCamera,
    world: ArrayLike | None,
) -> ViewObservation:
    """Return what one view observed, in the pixels of its crop of ``size`` (height, width)."""
    return ViewObservation(
        camera.cropped(affine, size[1], size[0]),
        None if view.silhouette is None else view.silhouette.astype(np.float32) / 255.0,
        apply_affine(affine, view.keypoints_px),
        np.asarray(view.keypoint_scores, dtype=np.float64),
        None if world is None else np.asarray(world, dtype=np.float64),
    )


def _mirrored_observation(view: ViewObservation) -> ViewObservation:
    return ViewObservation(
        mirror_camera(view.camera),
        None if view.target is None else view.target[:, ::-1],
        None if view.keypoints_px is None else mirror_pixels(view.keypoints_px, view.camera.width),
        view.keypoint_scores,
        None if view.world_landmarks is None else mirror_points(view.world_landmarks),
    )


def _parameters(mesh: HandMesh) -> HandParameters:
    """Return a mesh's parameters, those of the mirrored hand if it is a left one."""
    offsets = mesh.vertex_offsets
    if offsets is None:
        offsets = np.zeros((NUM_VERTICES, 3))
    parameters = HandParameters(mesh.pose_aa, mesh.shape, mesh.translation, offsets)
    return _mirrored(parameters) if mesh.handedness == 'left' else parameters


def _mirrored(parameters: HandParameters) -> HandParameters:
    return HandParameters(
        mirror_axis_angle(parameters.pose_aa),
        parameters.shape,
        mirror_points(parameters.translation),
        mirror_points(parameters.vertex_offsets),
    )


def _mesh_flags(mesh: HandMesh, refinement: Refinement, num_views: int) -> MeshFlag:
    # What the regression said about scale is superseded by how many views were used here.
    flags = mesh.flags & ~(MeshFlag.STEREO | MeshFlag.SCALE_PRIOR | MeshFlag.NOT_REFINED)
    for found, meaning in _MESH_FLAGS.items():
        if found in refinement.flags:
            flags |= meaning
    if not refinement.is_refined:
        return (
            flags | MeshFlag.NOT_REFINED | (mesh.flags & (MeshFlag.STEREO | MeshFlag.SCALE_PRIOR))
        )
    # The network's mesh may have been far from the keypoints: what counts is where this one is.
    judged = np.isfinite(refinement.reprojection_error_px)
    if judged and RefinementFlag.POOR_FIT not in refinement.flags:
        flags &= ~MeshFlag.LOW_CONFIDENCE
    if RefinementFlag.SCALE_PRIOR not in refinement.flags and num_views > 1:
        flags |= MeshFlag.STEREO
    return flags


def _refined_mesh(mesh: HandMesh, refinement: Refinement, flags: MeshFlag) -> HandMesh:
    parameters = refinement.parameters
    vertices, keypoints = refinement.vertices, refinement.keypoints
    if mesh.handedness == 'left':
        parameters = _mirrored(parameters)
        vertices, keypoints = mirror_points(vertices), mirror_points(keypoints)
    return replace(
        mesh,
        vertices_cam=vertices.astype(np.float32),
        keypoints_cam=keypoints.astype(np.float32),
        pose_aa=parameters.pose_aa,
        shape=parameters.shape,
        translation=parameters.translation,
        vertex_offsets=parameters.vertex_offsets.astype(np.float32),
        stage=MeshStage.REFINED if refinement.is_refined else mesh.stage,
        flags=flags,
        silhouette_iou=refinement.silhouette_iou,
        reprojection_error_px=refinement.reprojection_error_px,
    )
