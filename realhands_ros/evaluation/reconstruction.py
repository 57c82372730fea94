"""A hand that some method reconstructed, and how much of it the method finds out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh

FloatArray = NDArray[np.float64]


class Knows(IntEnum):
    """How much of a hand a method finds out; each level includes those before it."""

    FORM = 0
    ORIENTATION = 1
    POSITION = 2


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """
    A reconstructed hand in the rig's frame, metres.

    ``keypoints`` (21, 3); ``vertices`` (778, 3), None for methods without a mesh; ``root_aa``
    (3,): axis-angle of the wrist, None if the method has none.
    """

    keypoints: FloatArray
    vertices: FloatArray | None = None
    root_aa: FloatArray | None = None
    knows: Knows = Knows.POSITION

    @classmethod
    def from_mesh(cls, mesh: HandMesh) -> Reconstruction:
        """Take over what the pipeline made."""
        return cls(
            np.asarray(mesh.keypoints_cam, np.float64),
            np.asarray(mesh.vertices_cam, np.float64),
            np.asarray(mesh.pose_aa[:3], np.float64),
        )
