"""
Rotations as axis-angle vectors, matrices, quaternions and angles, numpy arrays of float64.

An axis-angle vector's direction is the axis and its length the angle in radians; a matrix R takes
column vectors: ``x' = R x``; a quaternion is x y z w; Euler angles turn about x, then about the
turned y, then about the turned z. tensor_rotations.py has the first two on tensors. scipy's
Rotation, which the tests compare with, takes a fifth of a second to import, and a node that is
started anew must be back soon.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray


def _quaternion_products() -> FloatArray:
    """Return the components (16, 4) of the products of i, j, k and 1, each with each."""
    table = np.zeros((4, 4, 4))
    table[3, 3, 3] = 1.0
    for first, second, third in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[first, first, 3] = -1.0
        table[first, 3, first] = table[3, first, first] = 1.0
        table[first, second, third], table[second, first, third] = 1.0, -1.0
    return table.reshape(16, 4)


def _own_products(m: FloatArray) -> FloatArray:
    """Return ``4 q q^T`` (..., 16) of the unit quaternions q of rotation matrices (..., 3, 3)."""
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    symmetric, skew = m + m.swapaxes(-1, -2), m - m.swapaxes(-1, -2)
    xy, xz, yz = symmetric[..., 0, 1], symmetric[..., 0, 2], symmetric[..., 1, 2]
    xw, yw, zw = skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]
    return np.stack([
        1.0 + xx - yy - zz, xy, xz, xw,
        xy, 1.0 - xx + yy - zz, yz, yw,
        xz, yz, 1.0 - xx - yy + zz, zw,
        xw, yw, zw, 1.0 + xx + yy + zz,
    ], axis=-1)  # fmt: skip


_PRODUCTS = _quaternion_products()
# They are linear in the nine elements, and a matrix product takes a fifth of the time.
_PRODUCTS_BESIDE = _own_products(np.zeros((3, 3)))
_PRODUCTS_OF_ELEMENTS = _own_products(np.eye(9).reshape(9, 3, 3)) - _PRODUCTS_BESIDE
_CONJUGATE = np.array([-1.0, -1.0, -1.0, 1.0])
# Of the angle about y, below which the others cannot be told apart.
_NO_COSINE = 1e-7


def axis_angle_to_matrix(axis_angle: ArrayLike) -> FloatArray:
    """Return the matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians."""
    quaternions = axis_angle_to_quaternion(axis_angle)
    axis, w = quaternions[..., :3], quaternions[..., 3, None, None]
    outer = axis[..., :, None] * axis[..., None, :]
    cosine = 2.0 * w**2 - 1.0
    return np.asarray(2.0 * outer + cosine * np.eye(3) + 2.0 * w * _cross_matrix(axis))


def matrix_to_axis_angle(matrices: ArrayLike) -> FloatArray:
    """Return the axis-angle vectors (..., 3), of length at most pi, of rotations (..., 3, 3)."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrices))


def quaternion_to_axis_angle(quaternions: FloatArray) -> FloatArray:
    """Return the axis-angle vectors (..., 3), of length at most pi, of quaternions (..., 4)."""
    # Of a rotation's two quaternions, the one that turns by pi at most.
    quaternions = np.where(quaternions[..., 3:] < 0.0, -quaternions, quaternions)
    axis, w = quaternions[..., :3], quaternions[..., 3:]
    sine = _lengths(axis)
    turns = sine > 0.0
    factor = np.where(turns, 2.0 * reproducible_arctan2(sine, w) / np.where(turns, sine, 1.0), 2.0)
    return np.asarray(factor * axis)


def multiply_quaternions(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the quaternions (..., 4) of first turning by ``right``, then by ``left``."""
    products = left[..., :, None] * right[..., None, :]
    return np.asarray(products.reshape(*products.shape[:-2], 16) @ _PRODUCTS)


def conjugate_quaternions(quaternions: FloatArray) -> FloatArray:
    """Return the quaternions (..., 4) of the inverse rotations of unit quaternions."""
    return np.asarray(quaternions * _CONJUGATE)


def axis_angle_to_quaternion(axis_angle: ArrayLike) -> FloatArray:
    """Return the unit quaternions (..., 4), x y z w, of axis-angle vectors (..., 3)."""
    vectors = np.asarray(axis_angle, dtype=np.float64)
    half = 0.5 * _lengths(vectors)
    # np.sinc(x) is sin(pi x) / (pi x), and 1 at zero.
    return np.concatenate([0.5 * np.sinc(half / np.pi) * vectors, np.cos(half)], axis=-1)


def matrix_to_quaternion(matrices: ArrayLike) -> FloatArray:
    """
    Return unit quaternions (..., 4), x y z w, of rotation matrices (..., 3, 3).

    The element of largest magnitude is positive. Without loss of digits at any angle: Shepperd,
    "Quaternion from rotation matrix", 1978.
    """
    elements = np.asarray(matrices, dtype=np.float64)
    flat = elements.reshape(*elements.shape[:-2], 9)
    # 4 q q^T, whose every row is a multiple of the quaternion q; the longest one is the best.
    products = (flat @ _PRODUCTS_OF_ELEMENTS + _PRODUCTS_BESIDE).reshape(-1, 4, 4)
    longest = np.argmax(np.diagonal(products, axis1=1, axis2=2), axis=1)
    quaternions = products[np.arange(len(products)), longest].reshape(*flat.shape[:-1], 4)
    return np.asarray(quaternions / _lengths(quaternions))


def euler_to_matrix(angles: ArrayLike) -> FloatArray:
    """Return the matrices (..., 3, 3) of Euler angles (..., 3), about x, y and z, in radians."""
    about_axes = np.asarray(angles, dtype=np.float64)[..., None] * np.eye(3)
    x, y, z = (axis_angle_to_matrix(about_axes[..., axis, :]) for axis in range(3))
    return np.asarray(x @ y @ z)


def reproducible_arctan2(y: FloatArray, x: FloatArray) -> FloatArray:
    """
    Return np.arctan2 (...) of arrays (...), in radians, always to the same bit.

    Of strided arrays numpy computes it in one of two ways, which differ in the last digit, by
    where in memory they happen to lie (numpy 1.26 with AVX-512).
    """
    return np.asarray(np.arctan2(np.asarray(y, order='C'), np.asarray(x, order='C')))


def matrix_to_euler(matrices: ArrayLike) -> FloatArray:
    """
    Return the Euler angles (..., 3), about x, y and z, of rotation matrices (..., 3, 3).

    That about y is a right angle at most. Where it is one, only the sum or the difference of the
    others is known: that about z is then zero.
    """
    m = np.asarray(matrices, dtype=np.float64)
    cosine = np.hypot(m[..., 0, 0], m[..., 0, 1])
    is_known = cosine > _NO_COSINE
    x = reproducible_arctan2(
        *np.where(is_known, (-m[..., 1, 2], m[..., 2, 2]), (m[..., 2, 1], m[..., 1, 1]))
    )
    y = reproducible_arctan2(m[..., 0, 2], cosine)
    z = np.where(is_known, reproducible_arctan2(-m[..., 0, 1], m[..., 0, 0]), 0.0)
    return np.stack([x, y, z], axis=-1)


def _lengths(vectors: FloatArray) -> FloatArray:
    """Return the lengths (..., 1) of vectors (..., N)."""
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True)))


def _cross_matrix(vectors: FloatArray) -> FloatArray:
    """Return the matrices (..., 3, 3) that take the cross product of ``vectors`` with others."""
    x, y, z = (vectors[..., i] for i in range(3))
    zero = np.zeros_like(x)
    rows = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1)
    return np.asarray(rows.reshape(*vectors.shape[:-1], 3, 3))
