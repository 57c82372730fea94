"""Hands as plain arrays: what a stage observed, reconstructed or painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_SHAPE, Handedness

# One reconstructed hand, and what each camera saw of it, as plain arrays.
#
# The dataclasses mirror msg/HandMesh.msg and msg/HandView.msg; the stages pass them on and only
# the nodes turn them into messages. Metres, radians, the left optical frame; pixels of the
# rectified images with the centre of the top-left pixel at (0, 0).

# Of either precision: stages compute in float64, messages hold float32.
Floats = NDArray[np.floating[Any]]


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

    keypoints_px: Floats
    keypoint_scores: Floats
    crop_affine: Floats | None = None
    crop: NDArray[np.uint8] | None = None
    silhouette: NDArray[np.uint8] | None = None
    weak_camera: Floats | None = None


@dataclass(frozen=True)
class HandMesh:
    """
    One hand as a metric mesh in the left optical frame.

    ``vertices_cam`` (778, 3), ``keypoints_cam`` (21, 3), ``pose_aa`` (48,) relative to the flat
    hand, ``shape`` (10,), ``translation`` (3,), ``vertex_offsets`` (778, 3) or None. ``id`` is the
    track's random text. ``reprojection_error_px`` and ``silhouette_iou`` are NaN when unknown.
    ``world_landmarks`` are those of the observation, see HandObservation; empty when not kept.
    """

    id: str
    handedness: Handedness
    vertices_cam: Floats
    keypoints_cam: Floats
    pose_aa: Floats
    translation: Floats
    topology_key: str
    shape: Floats = field(default_factory=lambda: np.zeros(NUM_SHAPE, np.float32))
    keypoint_scores: Floats = field(default_factory=lambda: np.ones(NUM_KEYPOINTS, np.float32))
    vertex_offsets: Floats | None = None
    wrist_covariance: Floats | None = None
    handedness_score: float = 1.0
    score: float = 1.0
    stage: MeshStage = MeshStage.UNKNOWN
    flags: MeshFlag = MeshFlag.NONE
    reprojection_error_px: float = float('nan')
    silhouette_iou: float = float('nan')
    views: tuple[HandView, ...] = ()
    world_landmarks: tuple[FloatArray | None, ...] = ()


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


# One hand as the keypoint stage sees it, as plain arrays; mirrors msg/HandObservation.msg.


@dataclass(frozen=True)
class HandObservation:
    """
    One hand of one frame, before any 3D.

    ``views`` has one entry a camera, the left first; a view that lost the hand has scores of 0.
    ``world_landmarks`` are the detector's own 3D guess, one (21, 3) array or None a view: metres,
    in the axes of the camera that took the image, relative to any point.
    """

    id: str
    handedness: Handedness
    views: tuple[HandView, ...]
    handedness_score: float = 1.0
    score: float = 1.0
    world_landmarks: tuple[NDArray[np.floating[Any]] | None, ...] = (None, None)


# The texture of one hand at one moment; mirrors msg/HandTexture.msg.

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HandTexture:
    """
    What is known of one hand's skin after a frame.

    ``id``, ``handedness`` and ``topology_key`` are those of the mesh that went in last.
    ``colours`` (T, T, 3) uint8 RGB, the first row being the top of the atlas (v = 1): what was
    seen, zeros where nothing was. ``coverage_map`` (T, T) uint8: 0 where the skin was never seen
    or the atlas is unused, else 1..255 for how sure the colour is. ``coverage`` is the share of
    the used texels that have been seen, in [0, 1]. ``shading`` (2, 9, 3) tells how bright each
    camera showed the skin (texture/light.py): the atlas holds the skin's own colour, free of it.
    ``updated`` tells whether the last frame contributed; ``note`` says why not.
    """

    id: str
    handedness: Handedness
    topology_key: str
    colours: Image
    coverage_map: Image
    coverage: float
    shading: NDArray[np.float64]
    updated: bool
    note: str
    fill: Callable[[Image, Image], Image] = field(repr=False)

    @cached_property
    def atlas(self) -> Image:
        """
        Return the atlas for display, (T, T, 3) uint8 RGB: unseen skin filled in, gutters too.

        It is computed when it is first asked for (some milliseconds), so ask at the rate at which
        it is shown, not for every frame.
        """
        return self.fill(self.colours, self.coverage_map)


@dataclass(frozen=True, eq=False)
class MeshTopology:
    """
    The topology of one model and handedness; mirrors msg/HandTopology.msg.

    ``faces`` (1538, 3) counter-clockwise seen from outside; ``uv`` (M, 2) in [0, 1], (0, 0) being
    the atlas's bottom-left corner; ``face_uv`` (1538, 3) the uv of each corner of each face;
    ``key`` the digest of the three, by which meshes name their topology.
    """

    faces: NDArray[np.int64]
    uv: NDArray[np.float32]
    face_uv: NDArray[np.int32]
    key: str


# The colours that tell left from right wherever hands are drawn.

# RGB.
SIDE_COLOURS: dict[Handedness, tuple[int, int, int]] = {
    'right': (245, 190, 140),
    'left': (140, 190, 245),
}
