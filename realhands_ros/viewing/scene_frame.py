"""The content of a viewer at one stamp: images, hands, and numbers to plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import HandMesh, HandObservation
from realhands_ros.data.truth import TrackedTruth
from realhands_ros.evaluation.metrics import mean_position_error, procrustes_aligned, root_relative
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.pipeline import FrameResult

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """
    The content of a viewer at one stamp.

    ``images`` (H, W, 3) BGR, one a camera, may be missing. ``meshes`` are those of the last stage
    that ran, in the left optical frame, ``regressed`` those before the refinement.
    ``observations`` are drawn for hands without a mesh. ``atlases``: (T, T, 3) RGB by the id of a
    mesh. ``truth``: the true hands, where they are known. ``plots``: values by path, such as
    'latency/handnet'.
    """

    stamp_ns: int
    images: tuple[Image, ...] = ()
    cameras: tuple[PinholeCamera, ...] = ()
    meshes: tuple[HandMesh, ...] = ()
    regressed: tuple[HandMesh, ...] = ()
    observations: tuple[HandObservation, ...] = ()
    atlases: Mapping[str, Image] = field(default_factory=dict)
    truth: tuple[TrackedTruth, ...] = ()
    plots: Mapping[str, float] = field(default_factory=dict)


def frame_of_result(
    result: FrameResult,
    images: tuple[Image, ...],
    cameras: tuple[PinholeCamera, ...],
    truth: tuple[TrackedTruth, ...] = (),
) -> SceneFrame:
    """Return the scene of a result of the pipeline."""
    latency = {f'latency/{stage}': value for stage, value in result.latency_ms.items()}
    latency['latency/all_stages'] = sum(result.latency_ms.values())
    return SceneFrame(
        stamp_ns=result.stamp_ns,
        images=images,
        cameras=cameras,
        meshes=result.meshes,
        regressed=result.regressed if result.refined else (),
        observations=result.observations,
        atlases={texture.id: texture.atlas for texture in result.textures},
        truth=truth,
        plots=latency | quality_plots(result.meshes, truth),
    )


def quality_plots(meshes: Sequence[HandMesh], truth: Sequence[TrackedTruth]) -> dict[str, float]:
    """
    Return silhouette IoU and reprojection error of meshes, and their errors where truth is known.

    Errors are millimetres: of the vertices in the left optical frame (``vertices``), relative to
    the wrist (``root_relative``) and after Procrustes alignment (``aligned``); of the keypoints
    where the true vertices are not known. A mesh is compared with the nearest true hand of its
    side.
    """
    plots: dict[str, float] = {}
    for key, mesh in zip(hand_keys(meshes), meshes, strict=True):
        if np.isfinite(mesh.silhouette_iou):
            plots[f'silhouette_iou/{key}'] = mesh.silhouette_iou
        if np.isfinite(mesh.reprojection_error_px):
            plots[f'reprojection_px/{key}'] = mesh.reprojection_error_px
        true = _nearest(mesh, truth)
        if true is not None and np.isfinite(mesh.vertices_cam).all():
            errors = _errors_mm(mesh, true)
            plots |= {f'error_mm/{key}/{name}': value for name, value in errors.items()}
    return plots


def hand_keys(meshes: Sequence[HandMesh]) -> list[str]:
    """Return a key for each mesh: its side; the second of a side is numbered 2, and so on."""
    keys: list[str] = []
    for number, mesh in enumerate(meshes):
        earlier = sum(other.handedness == mesh.handedness for other in meshes[:number])
        keys.append(f'{mesh.handedness}_{earlier + 1}' if earlier else mesh.handedness)
    return keys


def _nearest(mesh: HandMesh, truth: Sequence[TrackedTruth]) -> TrackedTruth | None:
    def distance(true: TrackedTruth) -> float:
        assert true.hand is not None
        return float(np.linalg.norm(true.hand.keypoints[0] - mesh.keypoints_cam[0]))

    same = [true for true in truth if true.hand and true.handedness == mesh.handedness]
    return min(same, key=distance, default=None)


def _errors_mm(mesh: HandMesh, true: TrackedTruth) -> dict[str, float]:
    assert true.hand is not None
    wrist, true_wrist = mesh.keypoints_cam[0], true.hand.keypoints[0]
    found, expected, name = mesh.vertices_cam, true.hand.vertices, 'vertices'
    if expected is None:
        found, expected, name = mesh.keypoints_cam, true.hand.keypoints, 'keypoints'
    aligned = procrustes_aligned(found, expected, allow_reflection=False)
    errors = {
        name: mean_position_error(found, expected),
        'root_relative': mean_position_error(
            root_relative(found, wrist), root_relative(expected, true_wrist)
        ),
        'aligned': mean_position_error(aligned, expected),
    }
    return {key: 1e3 * value for key, value in errors.items()}
