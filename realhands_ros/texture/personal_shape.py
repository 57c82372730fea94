"""
The shape of one user's hand, settled over good frames and then held.

A hand does not change its shape from frame to frame; estimates of it do. Their mean over some
fifty good frames is better than any of them, and a held shape leaves less to go wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.hand_mesh import HandMesh, MeshFlag, MeshStage
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import NUM_SHAPE, NUM_VERTICES

FloatArray = NDArray[np.float64]

_BAD_FLAGS = (
    MeshFlag.SCALE_PRIOR
    | MeshFlag.EXTRAPOLATED
    | MeshFlag.TRUNCATED
    | MeshFlag.NOT_REFINED
    | MeshFlag.LOW_CONFIDENCE
)
_GOOD_STAGES = (MeshStage.REFINED, MeshStage.GROUND_TRUTH)
# Overlap of mesh and mask, where it is known, of a frame that says something about the shape.
_GOOD_IOU = 0.8


class CalibrationState(IntEnum):
    """How far the personal shape is."""

    COLLECTING = 0
    HELD = 1


@dataclass(frozen=True, eq=False)
class ShapeEstimate:
    """
    A user's hand: shape (10,), and what the model cannot express.

    ``offsets`` (778, 3) metres are added to the vertices of the flat rest pose, so that they turn
    with the bones; ``frames`` is the number of good frames that went in.
    """

    shape: FloatArray
    offsets: FloatArray
    frames: int

    @classmethod
    def unknown(cls) -> ShapeEstimate:
        """Return the model's mean hand, of which nothing was seen."""
        return cls(np.zeros(NUM_SHAPE), np.zeros((NUM_VERTICES, 3)), 0)


class PersonalShape:
    """The shape of one user's right or left hand."""

    def __init__(self, data: HandModelData, frames_needed: int) -> None:
        """Begin with the model ``data`` of that hand; hold after ``frames_needed`` good frames."""
        self._model = FastHandModel(data, dtype=np.float64)
        self.frames_needed = frames_needed
        self.estimate = ShapeEstimate.unknown()

    @property
    def state(self) -> CalibrationState:
        """Return whether the shape is held."""
        is_held = self.estimate.frames >= self.frames_needed
        return CalibrationState.HELD if is_held else CalibrationState.COLLECTING

    def reset(self) -> None:
        """Start over."""
        self.estimate = ShapeEstimate.unknown()

    def load(self, estimate: ShapeEstimate) -> None:
        """Take up a saved estimate; it is held if enough frames went into it."""
        self.estimate = estimate

    def observe(self, mesh: HandMesh) -> bool:
        """Take a refined mesh into account; return whether it was good enough and still needed."""
        if self.state is CalibrationState.HELD or not _is_good(mesh):
            return False
        share = 1.0 / (self.estimate.frames + 1)
        shape = np.asarray(mesh.shape, dtype=np.float64)
        offsets = self._in_rest_pose(mesh)
        self.estimate = ShapeEstimate(
            self.estimate.shape + share * (shape - self.estimate.shape),
            self.estimate.offsets + share * (offsets - self.estimate.offsets),
            self.estimate.frames + 1,
        )
        return True

    def apply(self, mesh: HandMesh) -> HandMesh:
        """
        Return the mesh with the personal shape in its pose, the wrist where it was.

        As long as nothing is held, the mesh is returned as it is.
        """
        if self.state is not CalibrationState.HELD:
            return mesh
        wrist = self._model.forward(mesh.pose_aa, mesh.shape, mesh.translation).joints[0]
        posed = self._model.forward(mesh.pose_aa, self.estimate.shape)
        translation = wrist - posed.joints[0]
        offsets = np.einsum('vij,vj->vi', posed.state.blended, self.estimate.offsets)
        return replace(
            mesh,
            shape=self.estimate.shape,
            translation=translation,
            vertex_offsets=offsets.astype(np.float32),
            vertices_cam=(posed.vertices + translation + offsets).astype(np.float32),
            keypoints_cam=(posed.keypoints + translation).astype(np.float32),
        )

    def _in_rest_pose(self, mesh: HandMesh) -> FloatArray:
        """Return the mesh's vertex offsets turned back with their bones, (778, 3)."""
        if mesh.vertex_offsets is None:
            return np.zeros((NUM_VERTICES, 3))
        turned = self._model.forward(mesh.pose_aa, mesh.shape).state.blended
        offsets = np.asarray(mesh.vertex_offsets, dtype=np.float64)
        return np.asarray(np.linalg.solve(turned, offsets[..., None])[..., 0])


def _is_good(mesh: HandMesh) -> bool:
    if mesh.stage not in _GOOD_STAGES or mesh.flags & _BAD_FLAGS:
        return False
    if np.isfinite(mesh.silhouette_iou) and mesh.silhouette_iou < _GOOD_IOU:
        return False
    finite = np.isfinite(mesh.shape).all() and np.isfinite(mesh.pose_aa).all()
    return bool(finite and (mesh.vertex_offsets is None or np.isfinite(mesh.vertex_offsets).all()))
