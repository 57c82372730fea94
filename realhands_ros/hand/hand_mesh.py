"""
One reconstructed hand, and what each camera saw of it, as plain arrays.

The dataclasses mirror msg/HandMesh.msg and msg/HandView.msg; the stages pass them on and only the
nodes turn them into messages. Metres, radians, the left optical frame; pixels of the rectified
images with the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.topology import NUM_KEYPOINTS, NUM_SHAPE, Handedness

FloatArray = NDArray[np.floating[Any]]


class MeshStage(IntEnum):
    """Which stage made a mesh; the values are those of HandMesh.msg."""

    UNKNOWN = 0
    REGRESSED = 1
    REFINED = 2
    GROUND_TRUTH = 3


class MeshFlag(IntFlag):
    """Quality flags of a mesh; the bits are those of HandMesh.msg."""

    NONE = 0
    STEREO = 1
    SCALE_PRIOR = 2
    EXTRAPOLATED = 4
    TRUNCATED = 8
    NOT_REFINED = 16
    LOW_CONFIDENCE = 32


@dataclass(frozen=True)
class HandView:
    """
    What one camera sees of one hand.

    ``keypoints_px`` (21, 2) with NaN where unknown; ``keypoint_scores`` (21,) in [0, 1];
    ``crop_affine`` (2, 3) takes image pixels to crop pixels; ``crop`` (H, W, 3) uint8 in BGR;
    ``silhouette`` (H, W) uint8, the probability that a crop pixel is hand, 0..255;
    ``weak_camera`` (3,) is the network's (s, tx, ty) for the crop.
    """

    keypoints_px: FloatArray
    keypoint_scores: FloatArray
    crop_affine: FloatArray | None = None
    crop: NDArray[np.uint8] | None = None
    silhouette: NDArray[np.uint8] | None = None
    weak_camera: FloatArray | None = None


@dataclass(frozen=True)
class HandMesh:
    """
    One hand as a metric mesh in the left optical frame.

    ``vertices_cam`` (778, 3), ``keypoints_cam`` (21, 3), ``pose_aa`` (48,) relative to the flat
    hand, ``shape`` (10,), ``translation`` (3,), ``vertex_offsets`` (778, 3) or None. ``id`` is the
    track's random text. ``reprojection_error_px`` and ``silhouette_iou`` are NaN when unknown.
    """

    id: str
    handedness: Handedness
    vertices_cam: FloatArray
    keypoints_cam: FloatArray
    pose_aa: FloatArray
    translation: FloatArray
    topology_key: str
    shape: FloatArray = field(default_factory=lambda: np.zeros(NUM_SHAPE, np.float32))
    keypoint_scores: FloatArray = field(default_factory=lambda: np.ones(NUM_KEYPOINTS, np.float32))
    vertex_offsets: FloatArray | None = None
    wrist_covariance: FloatArray | None = None
    handedness_score: float = 1.0
    score: float = 1.0
    stage: MeshStage = MeshStage.UNKNOWN
    flags: MeshFlag = MeshFlag.NONE
    reprojection_error_px: float = float('nan')
    silhouette_iou: float = float('nan')
    views: tuple[HandView, ...] = ()


def with_silhouettes(
    meshes: Sequence[HandMesh], regressed: Sequence[HandMesh]
) -> tuple[HandMesh, ...]:
    """
    Return refined meshes with the views of the regressed ones of the same ids.

    Refinement usually publishes no images; a mesh that has silhouettes of its own keeps its views.
    """
    by_id = {mesh.id: mesh for mesh in regressed}

    def has_silhouette(mesh: HandMesh) -> bool:
        return any(view.silhouette is not None for view in mesh.views)

    return tuple(
        replace(mesh, views=by_id[mesh.id].views)
        if mesh.id in by_id and not has_silhouette(mesh)
        else mesh
        for mesh in meshes
    )
