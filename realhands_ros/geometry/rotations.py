"""
Rotations as axis-angle vectors and matrices, numpy arrays, by scipy's Rotation.

An axis-angle vector's direction is the axis and its length the angle in radians; a matrix R takes
column vectors: ``x' = R x``. tensor_rotations.py has them on tensors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]


def axis_angle_to_matrix(axis_angle: ArrayLike) -> FloatArray:
    """Return the matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians."""
    vectors = np.asarray(axis_angle, dtype=np.float64)
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return np.asarray(matrices, dtype=np.float64).reshape(*vectors.shape[:-1], 3, 3)


def matrix_to_axis_angle(matrices: ArrayLike) -> FloatArray:
    """Return the axis-angle vectors (..., 3), of length at most pi, of matrices (..., 3, 3)."""
    stacked = np.asarray(matrices, dtype=np.float64)
    vectors = Rotation.from_matrix(stacked.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(vectors, dtype=np.float64).reshape(*stacked.shape[:-2], 3)
