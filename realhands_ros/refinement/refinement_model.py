"""What the refinement knows of a hand model before it sees a hand."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.topology import FINGER_NAMES, KEYPOINT_NAMES, TIP_VERTEX_IDS
from realhands_ros.hand.fast_model import FastHandModel, FastHandOutput
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.refinement.hand_estimate import FloatArray, HandParameters
from realhands_ros.refinement.mesh_terms import MeshTerms
from realhands_ros.refinement.offset_field import OffsetField

# The fingertip keypoints are vertices and move with their offsets.
TIP_KEYPOINTS = np.array([KEYPOINT_NAMES.index(f'{finger}_tip') for finger in FINGER_NAMES])
TIP_VERTICES = np.array([TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES])

# How far a hand's surface typically is from the model's, and over how many edges that is alike.
_OFFSET_SPREAD_M = 0.002
_OFFSET_LENGTH_EDGES = 3.0


class RefinementModel:
    """A right hand model: compiled layer, triangle list, mesh terms, skeleton, offset field."""

    def __init__(self, data: HandModelData) -> None:
        self.hand = FastHandModel(data)
        self.faces: NDArray[np.int32] = np.ascontiguousarray(data.faces, dtype=np.int32)
        self.mesh_terms = MeshTerms(self.faces, len(data.v_template))
        self.skeleton = HandSkeleton.from_model(data)
        self.offset_field = OffsetField(
            self.mesh_terms.edges,
            len(data.v_template),
            spread_m=_OFFSET_SPREAD_M,
            length_edges=_OFFSET_LENGTH_EDGES,
        )

    def pose(
        self, parameters: HandParameters, output: FastHandOutput | None = None
    ) -> tuple[FastHandOutput, FloatArray, FloatArray]:
        """
        Return the layer's output, and vertices (778, 3) and keypoints (21, 3) with offsets.

        ``output`` is that of the layer where it is known: offsets do not change it.
        """
        if output is None:
            output = self.hand.forward(
                parameters.pose_aa, parameters.shape, parameters.translation
            )
        vertices, keypoints = _with_offsets(
            output.vertices, output.keypoints, parameters.vertex_offsets
        )
        return output, vertices, keypoints


@numba.njit(nogil=True, cache=True)
def _with_offsets(vertices, keypoints, offsets):  # type: ignore[no-untyped-def]
    """Return vertices (778, 3) and keypoints (21, 3) of a hand, moved by vertex offsets."""
    moved = keypoints.astype(np.float64)
    for tip in range(len(TIP_KEYPOINTS)):
        for axis in range(3):
            moved[TIP_KEYPOINTS[tip], axis] += offsets[TIP_VERTICES[tip], axis]
    return vertices + offsets, moved
