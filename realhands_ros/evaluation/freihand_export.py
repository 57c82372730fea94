"""
The file that FreiHAND's challenge takes.

A zip file with ``pred.json`` in it: a list of two lists, the joints (21, 3) and the vertices
(778, 3) of every image in the order of the set, metres in the camera's frame. Their fingertips are
vertices 744, 320, 443, 555 and 672, of which the last two differ from ours.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.baselines.mean_shape import mean_hand
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.topology import KEYPOINT_NAMES

# FreiHAND's fingertip vertices.
_TIPS = {'thumb': 744, 'index': 320, 'middle': 443, 'ring': 555, 'little': 672}
_TIP_KEYPOINTS = [KEYPOINT_NAMES.index(f'{finger}_tip') for finger in _TIPS]
_NAME = 'pred.json'
# Micrometres are enough, and make the file a third smaller.
_DIGITS = 6


class FreiHandExport:
    """Collects predictions; an image without one gets the mean hand."""

    def __init__(self, data: HandModelData) -> None:
        """Take the mean hand from a right hand model."""
        mean = mean_hand(data)
        assert mean.vertices is not None
        self._mean = mean.keypoints.astype(np.float32), mean.vertices.astype(np.float32)
        self._joints: list[NDArray[np.float32]] = []
        self._vertices: list[NDArray[np.float32]] = []

    def add(self, mesh: HandMesh | None) -> None:
        """Add the next image's mesh, or None."""
        keypoints, vertices = self._mean
        if mesh is not None:
            keypoints = np.asarray(mesh.keypoints_cam, np.float32)
            vertices = np.asarray(mesh.vertices_cam, np.float32)
        joints = keypoints.copy()
        joints[_TIP_KEYPOINTS] = vertices[list(_TIPS.values())]
        self._joints.append(joints)
        self._vertices.append(vertices)

    def write(self, path: Path) -> None:
        """Write the zip file; DatasetError when that is not possible."""
        content = [_rounded(self._joints), _rounded(self._vertices)]
        try:
            with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(_NAME, json.dumps(content))
        except OSError as error:
            message = f'{path} cannot be written ({error.strerror or error})'
            raise DatasetError(message) from error


def _rounded(arrays: list[NDArray[np.float32]]) -> list[list[list[float]]]:
    # Rounded as float64: float32 would be printed with all the digits of its double.
    return [np.round(array.astype(np.float64), _DIGITS).tolist() for array in arrays]
