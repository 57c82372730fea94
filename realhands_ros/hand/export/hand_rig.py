"""One person's hand as a rig: mesh with texture, skeleton, skin weights, shape directions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.normals import vertex_normals
from realhands_ros.hand.mesh_topology import load_mesh_topology
from realhands_ros.hand.model_file import load_hand_model_data
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.hand.topology import (
    FINGER_NAMES,
    NUM_SHAPE,
    NUM_VERTICES,
    TIP_VERTEX_IDS,
    Handedness,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HandRig:
    """
    A hand in its flat rest pose, in the model's frame (right hand: fingers -x, palm -y).

    ``vertices`` and ``normals`` (778, 3) metres; ``joints`` (16, 3) and ``tips`` (5, 3, in
    FINGER_NAMES order); ``faces`` (1538, 3); ``skin_weights`` (778, 16); ``shape_directions``
    (10, 778, 3), the displacement per unit of each further change of shape; ``uv`` (M, 2), (0, 0)
    the bottom-left corner, and ``face_uv`` (1538, 3); ``atlas`` (T, T, 3) uint8 RGB. ``skeleton``
    is that of the model's right hand of mean shape, by which all angles are measured.
    """

    handedness: Handedness
    vertices: FloatArray
    normals: FloatArray
    joints: FloatArray
    tips: FloatArray
    faces: IntArray
    skin_weights: FloatArray
    shape_directions: FloatArray
    uv: FloatArray
    face_uv: IntArray
    atlas: Image
    skeleton: HandSkeleton

    @classmethod
    def of(
        cls,
        folder: Path | str,
        handedness: Handedness,
        *,
        shape: ArrayLike,
        offsets: ArrayLike,
        atlas: Image,
    ) -> HandRig:
        """
        Make the rig of a person's hand.

        ``folder`` holds the hand model; ``shape`` (10,); ``offsets`` (778, 3) metres are added to
        the rest pose. Raises ModelFileError when there is no model and ConfigError for arrays of
        another shape.
        """
        shape, offsets = np.asarray(shape, np.float64), np.asarray(offsets, np.float64)
        if shape.shape != (NUM_SHAPE,) or offsets.shape != (NUM_VERTICES, 3):
            message = (
                f'shape (10,) and offsets (778, 3) are needed, not {shape.shape}, {offsets.shape}'
            )
            raise ConfigError(message)
        data = load_hand_model_data(folder, handedness)
        topology = load_mesh_topology(folder, handedness)
        shaped = data.v_template + data.shapedirs @ shape
        vertices = shaped + offsets
        return cls(
            handedness=handedness,
            vertices=vertices,
            normals=vertex_normals(vertices, data.faces),
            joints=data.joint_regressor @ shaped,
            tips=vertices[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]],
            faces=data.faces,
            skin_weights=data.skin_weights,
            shape_directions=np.moveaxis(data.shapedirs, 2, 0),
            uv=topology.uv.astype(np.float64),
            face_uv=topology.face_uv.astype(np.int64),
            atlas=atlas,
            skeleton=HandSkeleton.from_model(load_hand_model_data(folder, 'right')),
        )

    def split_at_seams(self) -> tuple[IntArray, IntArray, IntArray]:
        """
        Return vertices that have one uv each: their vertex (S,), their uv (S,), and faces (F, 3).

        A vertex on a seam of the atlas comes twice.
        """
        pairs = np.stack([self.faces.ravel(), self.face_uv.ravel()], axis=1)
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return unique[:, 0], unique[:, 1], inverse.reshape(self.faces.shape)


@dataclass(frozen=True, eq=False)
class HandAnimation:
    """
    Poses of one hand over time.

    ``times`` (K,) seconds, ascending from 0; ``pose_aa`` (K, 48) relative to the flat hand;
    ``translation`` (K, 3) metres of the posed model in the left optical frame.
    """

    times: FloatArray
    pose_aa: FloatArray
    translation: FloatArray
