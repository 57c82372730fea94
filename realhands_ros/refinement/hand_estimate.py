"""What the refinement takes and gives: the parameters of one hand, and what its views observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from realhands_ros.data.topology import NUM_KEYPOINTS, NUM_POSE, NUM_SHAPE, NUM_VERTICES
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera

FloatArray = NDArray[np.float64]
FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class HandParameters:
    """
    The parameters of one hand in the rig's frame (paper, eq. 1, with a metric translation for c).

    ``pose_aa`` (48,) radians relative to the flat hand, root first; ``shape`` (10,);
    ``translation`` (3,) metres; ``vertex_offsets`` (778, 3) metres. Raises ConfigError for arrays
    of another shape; values may be anything.
    """

    pose_aa: FloatArray
    shape: FloatArray
    translation: FloatArray
    vertex_offsets: FloatArray = field(default_factory=lambda: np.zeros((NUM_VERTICES, 3)))

    def __post_init__(self) -> None:
        """Convert to float64 arrays of the right shape."""
        shapes = {
            'pose_aa': (NUM_POSE,),
            'shape': (NUM_SHAPE,),
            'translation': (3,),
            'vertex_offsets': (NUM_VERTICES, 3),
        }
        for name, shape in shapes.items():
            object.__setattr__(self, name, _array(name, getattr(self, name), shape))

    @property
    def vector(self) -> FloatArray:
        """Return pose, shape and translation as one vector (61,), as HandJacobian orders them."""
        return np.concatenate([self.pose_aa, self.shape, self.translation])

    def with_vector(self, vector: FloatArray) -> HandParameters:
        """Return these parameters with pose, shape and translation replaced by a vector (61,)."""
        shape_end = NUM_POSE + NUM_SHAPE
        return HandParameters(
            vector[:NUM_POSE], vector[NUM_POSE:shape_end], vector[shape_end:], self.vertex_offsets
        )

    @property
    def is_finite(self) -> bool:
        """Return whether no value is NaN or infinite."""
        return bool(np.isfinite(self.vector).all() and np.isfinite(self.vertex_offsets).all())


@dataclass(frozen=True)
class ViewObservation:
    """
    What one camera saw of the hand, in the pixels of a crop around it.

    ``camera`` is the camera of the crop (PinholeCamera.cropped). ``target`` (H, W) is the
    probability that a pixel is hand, [0, 1], or None. ``keypoints_px`` (21, 2), NaN where unknown,
    with ``keypoint_scores`` (21,) in [0, 1], or None. ``world_landmarks`` (21, 3) are the
    detector's own 3D guess in metres, in the camera's axes, or None. Raises ConfigError for wrong
    shapes.
    """

    camera: PinholeCamera
    target: FloatImage | None = None
    keypoints_px: FloatArray | None = None
    keypoint_scores: FloatArray | None = None
    world_landmarks: FloatArray | None = None

    def __post_init__(self) -> None:
        """Convert to float arrays of the right shape; scores default to one."""
        if self.target is not None:
            size = (self.camera.height, self.camera.width)
            target = _array('target', self.target, size, np.float32)
            object.__setattr__(self, 'target', target)
        if self.keypoints_px is not None:
            keypoints = _array('keypoints_px', self.keypoints_px, (NUM_KEYPOINTS, 2))
            scores = (
                np.ones(NUM_KEYPOINTS) if self.keypoint_scores is None else self.keypoint_scores
            )
            object.__setattr__(self, 'keypoints_px', keypoints)
            object.__setattr__(
                self, 'keypoint_scores', _array('keypoint_scores', scores, (NUM_KEYPOINTS,))
            )
        if self.world_landmarks is not None:
            world = _array('world_landmarks', self.world_landmarks, (NUM_KEYPOINTS, 3))
            object.__setattr__(self, 'world_landmarks', world)


@dataclass(frozen=True)
class HandEstimate:
    """
    A right hand to be refined: its parameters, its views, and its parameters in the last frame.

    A left hand is mirrored first (geometry/mirror.py), parameters, cameras and crops.
    """

    parameters: HandParameters
    views: tuple[ViewObservation, ...]
    last: HandParameters | None = None


class RefinementFlag(IntFlag):
    """What there is to know about a refinement; NONE is the ordinary stereo case."""

    NONE = 0
    # The parameters that came in are not finite; zeros took their place, nothing was refined.
    INVALID_PARAMETERS = 1
    # A view was left out: the hand is behind its camera or outside its crop, or the size differs.
    VIEW_UNUSABLE = 2
    # A mask was left out: empty, full, or not finite.
    MASK_UNUSABLE = 4
    # Part of the hand lies outside of a crop.
    TRUNCATED = 8
    # One view: distance and size rest on the assumed size of the hand.
    SCALE_PRIOR = 16
    # Neither masks nor keypoints are left to refine by.
    NOTHING_OBSERVED = 32
    # The result was worse than what came in, or no hand; what came in is returned.
    REJECTED = 64
    # Vertex offsets were shortened or left out: too large, or they turned faces inside out.
    OFFSETS_REJECTED = 128
    # Time ran out before the last iteration.
    OUT_OF_TIME = 256
    # Mesh and mask, or mesh and keypoints, still disagree.
    POOR_FIT = 512


# Flags with which the parameters are those that came in.
NOT_REFINED = (
    RefinementFlag.INVALID_PARAMETERS | RefinementFlag.NOTHING_OBSERVED | RefinementFlag.REJECTED
)


@dataclass(frozen=True, eq=False)
class Refinement:
    """
    A refined hand.

    ``vertices`` (778, 3) and ``keypoints`` (21, 3) are metres in the rig's frame, finite always.
    ``silhouette_iou`` is the mean over views of the overlap of mesh and mask, and
    ``reprojection_error_px`` the mean distance of mesh keypoints from detected ones, in pixels of
    the crops, weighted by score; NaN where there is nothing to compare with. ``energy_before`` and
    ``energy_after`` are what the guard compared, NaN where nothing was refined.
    """

    parameters: HandParameters
    vertices: FloatArray
    keypoints: FloatArray
    flags: RefinementFlag
    silhouette_iou: float
    reprojection_error_px: float
    energy_before: float
    energy_after: float
    elapsed_ms: float

    @property
    def is_refined(self) -> bool:
        """Return whether the parameters are better ones than those that came in."""
        return not self.flags & NOT_REFINED


def _array(
    name: str, value: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    array = np.ascontiguousarray(value, dtype=dtype)
    if array.shape != shape:
        message = f'{name} must have shape {shape}, found {array.shape}'
        raise ConfigError(message)
    return array
