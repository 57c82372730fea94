"""What never changes about a hand model's meshes: triangles, texture coordinates and their key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.model_file import load_hand_model_data
from realhands_ros.hand.topology import Handedness
from realhands_ros.hand.uv_atlas import atlas_key, load_uv_atlas


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


def load_mesh_topology(folder: Path | str, handedness: Handedness) -> MeshTopology:
    """Read the topology of the model in ``folder``; raise ModelFileError when it is damaged."""
    faces = load_hand_model_data(folder, handedness).faces
    atlas = load_uv_atlas(folder, handedness)
    return MeshTopology(faces, atlas.uv, atlas.face_uv, atlas_key(faces, atlas.uv, atlas.face_uv))
