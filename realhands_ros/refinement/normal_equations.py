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
    columns = np.ascontiguousarray(rows.T)
    hessian = np.empty((parameters, parameters))
    gradient = np.empty(parameters)
    weighted = np.empty(rows.shape[0])
    for p in range(parameters):
        total = 0.0
        for i in range(rows.shape[0]):
            weighted[i] = 2.0 * weight[i] * columns[p, i]
            total += weighted[i] * error[i]
        gradient[p] = total
        for q in range(p + 1):
            total = 0.0
            for i in range(rows.shape[0]):
                total += weighted[i] * columns[q, i]
            hessian[p, q] = hessian[q, p] = total
    return hessian, gradient


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH, error_model='numpy')
def solve_positive(matrix, right):  # type: ignore[no-untyped-def]
    """
    Return x (N,) of ``matrix @ x = right`` for a symmetric, positive definite matrix (N, N).

    By Cholesky's decomposition; NaN where the matrix is not positive definite.
    """
    n = len(right)
    factor = np.zeros((n, n))
    x = right.copy()
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
        for k in range(i):
            x[i] -= factor[i, k] * x[k]
        x[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        x[i] /= factor[i, i]
        for k in range(i):
            x[k] -= factor[i, k] * x[i]
    return x
