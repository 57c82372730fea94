"""What the refinement takes and gives: the parameters of one hand, and what its views observed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.topology import NUM_KEYPOINTS, NUM_POSE, NUM_SHAPE, NUM_VERTICES

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
        pose, shape, translation = np.split(vector, (NUM_POSE, NUM_POSE + NUM_SHAPE))
        return replace(self, pose_aa=pose, shape=shape, translation=translation)

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
    with ``keypoint_scores`` (21,) in [0, 1], or None. Raises ConfigError for wrong shapes.
    """

    camera: PinholeCamera
    target: FloatImage | None = None
    keypoints_px: FloatArray | None = None
    keypoint_scores: FloatArray | None = None

    def __post_init__(self) -> None:
        """Convert to float arrays of the right shape; scores default to one."""
        if self.target is not None:
            size = (self.camera.height, self.camera.width)
            target = _array('target', self.target, size).astype(np.float32)
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


def _array(name: str, value: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = np.ascontiguousarray(value, dtype=np.float64)
    if array.shape != shape:
        message = f'{name} must have shape {shape}, found {array.shape}'
        raise ConfigError(message)
    return array
