"""
How bright each camera shows the skin, as a function of where the skin faces.

A colour in an image is the skin's own colour times light, exposure and white balance. Of these the
atlas is to hold the first. The logarithm of the rest is modelled, for each channel, as a quadratic
of the surface normal (in the rig's frame), which holds a soft environment and the diffuse part of
a lamp; what it does not hold (highlights, cast shadows) is outlying and weighs little. The light
changes slowly, so each frame's coefficients are drawn to those of the frame before, all but the
constant one, which follows the exposure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NUM_COEFFICIENTS = 9

# Weight of the ties, in numbers of texels, to the frame before and (all but the first coefficient)
# to a light that is the same from everywhere.
_TIE_TO_LAST, _TIE_TO_LAST_CONSTANT, _TIE_TO_EVEN = 6.0, 0.2, 1.5
# The hue of light varies less than its strength over directions: its ties are so much stronger.
_TIE_OF_HUE = 8.0
# Log ratios further than about this from the fit count little.
_LOG_RATIO_SPREAD = 0.3
_ITERATIONS = 3
# No light is further from the atlas than this factor, either way.
_LARGEST_GAIN = 4.0


def quadratic_basis(normals: FloatArray) -> FloatArray:
    """Return the nine functions of unit normals (N, 3) that span those up to order 2, (N, 9)."""
    x, y, z = normals.T
    return np.stack(
        [np.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, z * z - 1 / 3], axis=1
    )


def gains(coefficients: FloatArray, normals: FloatArray) -> NDArray[np.float32]:
    """
    Return by what a skin's own colour is to be multiplied, (N, 3), RGB.

    ``coefficients`` (9, 3) of one camera; ``normals`` (N, 3) unit, in the rig's frame.
    """
    limit = np.log(_LARGEST_GAIN)
    logarithm = np.clip(quadratic_basis(normals) @ coefficients, -limit, limit)
    return np.exp(logarithm).astype(np.float32)


def fit_shading(
    normals: FloatArray, log_ratios: FloatArray, weights: FloatArray, last: FloatArray
) -> FloatArray:
    """
    Return the coefficients (9, 3) of one camera.

    ``log_ratios`` (N, 3) of seen to own colours at texels with ``normals`` (N, 3), which count by
    ``weights`` (N,); ``last`` (9, 3) are the coefficients of the frame before. Fitted by iterated
    reweighting with Cauchy's weights; channels share them.
    """
    basis = quadratic_basis(normals)
    coefficients = last.copy()
    # The exposure may have jumped: the first residuals are taken about their median.
    if len(log_ratios):
        coefficients[0] += np.median(log_ratios - basis @ last, axis=0)
    grey = log_ratios.mean(axis=1, keepdims=True)
    grey_last = last.mean(axis=1, keepdims=True)
    for _ in range(_ITERATIONS):
        residual = np.abs(log_ratios - basis @ coefficients).max(axis=1)
        weighted = basis * (weights / (1.0 + (residual / _LOG_RATIO_SPREAD) ** 2))[:, None]
        normal_matrix = weighted.T @ basis
        coefficients = _tied_solution(normal_matrix, weighted.T @ grey, grey_last, 1.0)
        coefficients = coefficients + _tied_solution(
            normal_matrix, weighted.T @ (log_ratios - grey), last - grey_last, _TIE_OF_HUE
        )
    return coefficients


def _tied_solution(
    normal_matrix: FloatArray, moments: FloatArray, last: FloatArray, strength: float
) -> FloatArray:
    """Solve for coefficients (9, C) that are tied to the last ones and to an even light."""
    to_last = np.full(NUM_COEFFICIENTS, strength * _TIE_TO_LAST)
    to_last[0] = _TIE_TO_LAST_CONSTANT
    to_even = np.full(NUM_COEFFICIENTS, strength * _TIE_TO_EVEN)
    to_even[0] = 0.0
    system = normal_matrix + np.diag(to_last + to_even)
    return np.asarray(np.linalg.solve(system, moments + to_last[:, None] * last))
