"""
The hand model for one hand at a time, without autograd.

Same numbers as HandModel (the tests hold them and smplx together), made for refinement, where a
tape of small tensor operations costs more than the mathematics: forward, vector-Jacobian product
and Jacobian are each one compiled call (kernels in fast_kernels).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from realhands_ros.data.topology import (
    NUM_JOINTS,
    NUM_KEYPOINTS,
    NUM_POSE,
    NUM_SHAPE,
    NUM_VERTICES,
)
from realhands_ros.errors import ConfigError
from realhands_ros.hand import fast_kernels
from realhands_ros.hand.fast_kernels import NUM_PARAMETERS, ModelArrays, PosedState
from realhands_ros.hand.model_file import NUM_POSE_FEATURES, HandModelData

Array = NDArray[Any]

_NUM_DIRECTIONS = NUM_SHAPE + NUM_POSE_FEATURES


@dataclass(frozen=True, eq=False)
class FastHandOutput:
    """
    One posed hand, metres.

    ``vertices`` (778, 3); ``joints`` (16, 3) in MANO's order; ``keypoints`` (21, 3) in
    MediaPipe's. ``state`` is what ``vjp`` and ``jacobian`` go on from.
    """

    vertices: Array
    joints: Array
    keypoints: Array
    state: PosedState


@dataclass(frozen=True, eq=False)
class HandGradient:
    """Gradient of a scalar by ``pose_aa`` (48,), ``shape`` (10,) and ``translation`` (3,)."""

    pose_aa: Array
    shape: Array
    translation: Array


@dataclass(frozen=True, eq=False)
class HandJacobian:
    """
    Derivatives by the 61 parameters: pose 0..47, shape 48..57, translation 58..60.

    ``vertices`` (778, 3, 61) and ``keypoints`` (21, 3, 61). Gauss-Newton's J^T J over all
    coordinates is ``rows.T @ rows`` with ``rows = vertices.reshape(-1, 61)``.
    """

    vertices: Array
    keypoints: Array


class FastHandModel:
    """
    Forward pass and derivatives of one hand, compiled.

    Holds no state between calls, so that threads may share it; the kernels release the GIL. The
    first call of each method compiles it (seconds; kept on disk for the next process).
    """

    def __init__(self, data: HandModelData, *, dtype: DTypeLike = np.float32) -> None:
        """Lay the model's arrays out for the kernels; ``dtype`` is that of all results."""
        self.data = data
        self.dtype = np.dtype(dtype)
        self._model = _model_arrays(data, self.dtype)

    def forward(
        self, pose_aa: ArrayLike, shape: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)
    ) -> FastHandOutput:
        """
        Pose the hand.

        ``pose_aa`` (48,) axis-angle relative to the flat hand, radians, root first; ``shape``
        (10,); ``translation`` (3,) metres. All as HandModel.forward has them. Raises ConfigError
        for other sizes.
        """
        state = _empty_state(self.dtype)
        output = FastHandOutput(
            vertices=np.empty((NUM_VERTICES, 3), self.dtype),
            joints=np.empty((NUM_JOINTS, 3), self.dtype),
            keypoints=np.empty((NUM_KEYPOINTS, 3), self.dtype),
            state=state,
        )
        fast_kernels.forward(
            self._model,
            _checked('pose_aa', pose_aa, np.float64, (NUM_POSE,)),
            _checked('shape', shape, np.float64, (NUM_SHAPE,)),
            _checked('translation', translation, np.float64, (3,)),
            state,
            output.vertices,
            output.joints,
            output.keypoints,
        )
        return output

    def vjp(
        self,
        output: FastHandOutput,
        grad_vertices: ArrayLike | None = None,
        grad_keypoints: ArrayLike | None = None,
    ) -> HandGradient:
        """
        Return the gradient of a scalar L by the parameters (vector-Jacobian product).

        ``grad_vertices`` (778, 3) is dL/dvertices and ``grad_keypoints`` (21, 3) dL/dkeypoints at
        ``output``; one left out counts as zero. Raises ConfigError for other sizes.
        """
        gradient = np.empty(NUM_PARAMETERS, self.dtype)
        fast_kernels.vector_jacobian_product(
            self._model,
            output.state,
            self._gradient('grad_vertices', grad_vertices, NUM_VERTICES),
            self._gradient('grad_keypoints', grad_keypoints, NUM_KEYPOINTS),
            gradient,
        )
        pose, shape, translation = np.split(gradient, (NUM_POSE, NUM_POSE + NUM_SHAPE))
        return HandGradient(pose, shape, translation)

    def jacobian(self, output: FastHandOutput) -> HandJacobian:
        """Return all derivatives of vertices and keypoints at ``output``."""
        result = HandJacobian(
            vertices=np.empty((NUM_VERTICES, 3, NUM_PARAMETERS), self.dtype),
            keypoints=np.empty((NUM_KEYPOINTS, 3, NUM_PARAMETERS), self.dtype),
        )
        fast_kernels.jacobian(self._model, output.state, result.vertices, result.keypoints)
        return result

    def _gradient(self, name: str, gradient: ArrayLike | None, points: int) -> Array:
        if gradient is None:
            return np.zeros((points, 3), self.dtype)
        return _checked(name, gradient, self.dtype, (points, 3))


def _checked(name: str, value: ArrayLike, dtype: DTypeLike, expected: tuple[int, ...]) -> Array:
    """Return a fresh contiguous array, which a kernel may overwrite."""
    array = np.array(value, dtype, order='C')
    if array.shape != expected:
        message = f'{name} has shape {array.shape}; one hand takes {expected}'
        raise ConfigError(message)
    return array


def _model_arrays(data: HandModelData, dtype: np.dtype[Any]) -> ModelArrays:
    directions = np.concatenate([data.shapedirs, data.posedirs], axis=2)
    directions = directions.reshape(-1, _NUM_DIRECTIONS)
    vertex_ids, joint_ids = np.nonzero(data.skin_weights)
    pose_directions = _pose_directions(data)
    return ModelArrays(
        template=data.v_template.ravel().astype(dtype),
        directions=np.ascontiguousarray(directions.T, dtype),
        joint_template=data.joint_regressor @ data.v_template,
        joint_directions=np.einsum('jv,vcs->jcs', data.joint_regressor, data.shapedirs),
        skin_starts=np.searchsorted(vertex_ids, np.arange(NUM_VERTICES + 1)),
        skin_joints=np.ascontiguousarray(joint_ids),
        skin_weights=data.skin_weights[vertex_ids, joint_ids].astype(dtype),
        shape_directions=np.ascontiguousarray(data.shapedirs, dtype),
        pose_starts=np.cumsum([0] + [len(vertices) for vertices, _ in pose_directions]),
        pose_vertices=np.concatenate([vertices for vertices, _ in pose_directions]),
        pose_directions=np.concatenate(
            [directions.reshape(-1, 9, 3) for _, directions in pose_directions]
        ).astype(dtype),
    )


def _pose_directions(data: HandModelData) -> list[tuple[Array, Array]]:
    """Return for joints 1..15 the vertices (N,) that they blend and their directions (9, N, 3)."""
    found = []
    for directions in np.split(np.moveaxis(data.posedirs, 2, 0), NUM_JOINTS - 1):
        vertices = np.flatnonzero(directions.any(axis=(0, 2)))
        found.append((vertices, directions[:, vertices]))
    return found


def _empty_state(dtype: np.dtype[Any]) -> PosedState:
    return PosedState(
        rotations=np.empty((NUM_JOINTS, 3, 3)),
        left_jacobians=np.empty((NUM_JOINTS, 3, 3)),
        global_rotations=np.empty((NUM_JOINTS, 3, 3)),
        rest_joints=np.empty((NUM_JOINTS, 3)),
        posed_joints=np.empty((NUM_JOINTS, 3)),
        transforms=np.empty((NUM_JOINTS, 3, 4), dtype),
        coefficients=np.empty(_NUM_DIRECTIONS, dtype),
        v_posed=np.empty((NUM_VERTICES, 3), dtype),
        blended=np.empty((NUM_VERTICES, 3, 3), dtype),
    )
