"""
The small linear algebra of Gauss-Newton, compiled.

A matrix library does a few of these steps faster on an idle machine, but it starts threads for
them and waits until they run: many milliseconds where the other cores are busy.
"""

from __future__ import annotations

import numba
import numpy as np

_FASTMATH = {'reassoc', 'contract'}


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def normal_equations(rows, error, weight):  # type: ignore[no-untyped-def]
    """
    Return the Hessian (P, P) and gradient (P,) of ``sum_i weight_i error_i^2``.

    ``rows`` (N, P) are the derivatives of the errors (N,).
    """
    parameters = rows.shape[1]
    hessian, gradient = np.zeros((parameters, parameters)), np.zeros(parameters)
    for i in range(rows.shape[0]):
        add_square(rows[i], error[i], weight[i], hessian, gradient)
    mirror_lower(hessian)
    return hessian, gradient


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def add_square(row, error, weight, hessian, gradient):  # type: ignore[no-untyped-def]
    """
    Add the derivatives of ``weight error^2`` to a gradient (P,) and a Hessian's lower triangle.

    ``row`` (P,) are the derivatives of the error. Those that are zero cost nothing: a point on a
    finger does not depend on the other fingers' joints.
    """
    twice = 2.0 * weight
    for p in range(len(row)):
        pull = twice * row[p]
        if pull == 0.0:
            continue
        gradient[p] += pull * error
        for q in range(p + 1):
            hessian[p, q] += pull * row[q]


@numba.njit(nogil=True, cache=True)
def mirror_lower(matrix):  # type: ignore[no-untyped-def]
    """Make a matrix (P, P) of which the lower triangle is known symmetric."""
    for p in range(matrix.shape[0]):
        for q in range(p):
            matrix[q, p] = matrix[p, q]


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model='numpy')
def solve_positive(matrix, right):  # type: ignore[no-untyped-def]
    """
    Return x (N,) of ``matrix @ x = right`` for a symmetric, positive definite matrix (N, N).

    By Cholesky's decomposition, of the lower triangle; NaN where the matrix is not positive
    definite.
    """
    factor = _cholesky(matrix)
    n = len(right)
    x = right.copy()
    for i in range(n):
        known = 0.0
        for k in range(i):
            known += factor[i, k] * x[k]
        x[i] = (x[i] - known) / factor[i, i]
    for i in range(n - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]
    return x


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model='numpy')
def _cholesky(matrix):  # type: ignore[no-untyped-def]
    """Return the lower triangle L (N, N) with L L^T = ``matrix``, column by column."""
    n = len(matrix)
    factor = np.zeros((n, n))
    for j in range(n):
        factor[j, j] = np.sqrt(matrix[j, j] - _known(factor, j, j))
        inverse = 1.0 / factor[j, j]
        # Four rows at a time read row j once for all.
        fours = j + 1 + (n - j - 1) // 4 * 4
        for i in range(j + 1, fours, 4):
            known0, known1, known2, known3 = 0.0, 0.0, 0.0, 0.0
            for k in range(j):
                known0 += factor[i, k] * factor[j, k]
                known1 += factor[i + 1, k] * factor[j, k]
                known2 += factor[i + 2, k] * factor[j, k]
                known3 += factor[i + 3, k] * factor[j, k]
            factor[i, j] = (matrix[i, j] - known0) * inverse
            factor[i + 1, j] = (matrix[i + 1, j] - known1) * inverse
            factor[i + 2, j] = (matrix[i + 2, j] - known2) * inverse
            factor[i + 3, j] = (matrix[i + 3, j] - known3) * inverse
        for i in range(fours, n):
            factor[i, j] = (matrix[i, j] - _known(factor, i, j)) * inverse
    return factor


@numba.njit(nogil=True, inline='always')
def _known(factor, i, j):  # type: ignore[no-untyped-def]
    """Return what the columns before j make up of element (i, j) of L L^T."""
    total = 0.0
    for k in range(j):
        total += factor[i, k] * factor[j, k]
    return total
