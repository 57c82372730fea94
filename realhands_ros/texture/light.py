"""How bright each camera shows the skin: shading models, and the light in each view."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.geometry.rasterizer import TexelTable
from realhands_ros.texture.views import Layout, SeenView, look_at_faces

# How bright each camera shows the skin, as a function of where the skin faces.
#
# A colour in an image is the skin's own colour times light, exposure and white balance. Of these
# the atlas is to hold the first. The logarithm of the rest is modelled, for each channel, as a
# quadratic of the surface normal (in the rig's frame), which holds a soft environment and the
# diffuse part of a lamp; what it does not hold (highlights, cast shadows) is outlying and weighs
# little. The light changes slowly, so each frame's coefficients are drawn to those of the frame
# before, all but the constant one, which follows the exposure.


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


@numba.njit(nogil=True, cache=True)
def quadratic_basis(normals: FloatArray) -> FloatArray:
    """Return the nine functions of unit normals (N, 3) that span those up to order 2, (N, 9)."""
    basis = np.empty((len(normals), NUM_COEFFICIENTS))
    for n in range(len(normals)):
        x, y, z = normals[n, 0], normals[n, 1], normals[n, 2]
        basis[n, 0] = 1.0
        basis[n, 1], basis[n, 2], basis[n, 3] = x, y, z
        basis[n, 4], basis[n, 5], basis[n, 6] = x * y, y * z, x * z
        basis[n, 7], basis[n, 8] = x * x - y * y, z * z - 1 / 3
    return basis


@numba.njit(nogil=True, cache=True)
def gains(coefficients: FloatArray, normals: FloatArray) -> NDArray[np.float32]:
    """
    Return by what a skin's own colour is to be multiplied, (N, 3), RGB.

    ``coefficients`` (9, 3) of one camera; ``normals`` (N, 3) unit, in the rig's frame.
    """
    limit = np.log(_LARGEST_GAIN)
    basis = quadratic_basis(normals)
    result = np.empty((len(normals), 3), np.float32)
    for n in range(len(normals)):
        for channel in range(3):
            logarithm = _fitted(basis, coefficients, n, channel)
            result[n, channel] = np.exp(min(max(logarithm, -limit), limit))
    return result


@numba.njit(nogil=True, cache=True)
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
    residuals = np.empty(len(basis))
    for channel in range(3):
        for n in range(len(basis)):
            residuals[n] = log_ratios[n, channel] - _fitted(basis, last, n, channel)
        if len(residuals):
            coefficients[0, channel] += np.median(residuals)
    _fit(basis, log_ratios, weights, last, coefficients)
    return coefficients


@numba.njit(nogil=True, cache=True)
def _fitted(basis, coefficients, n, channel):  # type: ignore[no-untyped-def]
    """Return the fitted log ratio; in a loop, since BLAS threads cost more than they save."""
    total = 0.0
    for i in range(NUM_COEFFICIENTS):
        total += basis[n, i] * coefficients[i, channel]
    return total


@numba.njit(nogil=True, cache=True)
def _fit(basis, log_ratios, weights, last, coefficients):  # type: ignore[no-untyped-def]
    """Improve ``coefficients`` (9, 3)."""
    count = basis.shape[1]
    for _ in range(_ITERATIONS):
        system = np.zeros((count, count))
        moments = np.zeros((count, 3))
        for n in range(len(basis)):
            residual = 0.0
            for channel in range(3):
                fitted = _fitted(basis, coefficients, n, channel)
                residual = max(residual, abs(log_ratios[n, channel] - fitted))
            weight = weights[n] / (1.0 + (residual / _LOG_RATIO_SPREAD) ** 2)
            for i in range(count):
                share = weight * basis[n, i]
                for j in range(i + 1):
                    system[i, j] += share * basis[n, j]
                for channel in range(3):
                    moments[i, channel] += share * log_ratios[n, channel]
        for i in range(count):
            for j in range(i):
                system[j, i] = system[i, j]
        _solve_tied(system, moments, last, coefficients)


@numba.njit(nogil=True, cache=True)
def _solve_tied(system, moments, last, coefficients):  # type: ignore[no-untyped-def]
    """Solve for grey and hue, each with its ties to the last coefficients and an even light."""
    count = len(system)
    grey_and_hue = np.zeros((2, count, 3))
    for part in range(2):
        strength = 1.0 if part == 0 else _TIE_OF_HUE
        tied = system.copy()
        target = np.empty((count, 3))
        for i in range(count):
            to_last = _TIE_TO_LAST_CONSTANT if i == 0 else strength * _TIE_TO_LAST
            tied[i, i] += to_last + (0.0 if i == 0 else strength * _TIE_TO_EVEN)
            grey_moment, grey_last = moments[i].mean(), last[i].mean()
            for channel in range(3):
                if part == 0:
                    target[i, channel] = grey_moment + to_last * grey_last
                else:
                    target[i, channel] = (moments[i, channel] - grey_moment) + to_last * (
                        last[i, channel] - grey_last
                    )
        grey_and_hue[part] = np.linalg.solve(tied, target)
    coefficients[:] = grey_and_hue[0] + grey_and_hue[1]


# The light in each view of one frame, found by comparing what it shows with the atlas.

# Every so many texels are looked at to find the shading.
_STRIDE = 97
# With fewer known texels among them the shading is fitted to an even skin of the mean tone.
_MIN_KNOWN = 25
# Colours (0..255) darker than this are mostly noise, brighter ones burnt out.
_DARKEST, _BRIGHTEST = 10.0, 250.0


class LightMeter:
    """Finds the shading of the views of one hand at a few of its texels."""

    def __init__(self, table: TexelTable, faces: NDArray[np.int64]) -> None:
        """``table`` is the layout of the atlas on the mesh's ``faces`` (F, 3)."""
        self._few = slice(None, None, _STRIDE)
        texels = table.texels[self._few].copy()
        # A texel a face.
        self._layout = Layout(
            faces[table.face[self._few]],
            np.arange(len(texels) + 1),
            table.barycentric[self._few].copy(),
            texels,
        )

    def __call__(
        self,
        views: tuple[SeenView, SeenView],
        normals: FloatArray,
        colours: NDArray[np.float32],
        confidence: NDArray[np.float32],
        last: FloatArray,
    ) -> FloatArray:
        """
        Return the shading of both views, (2, 9, 3); see texture/light.py.

        ``normals`` (778, 3) of the vertices in the rig's frame; ``colours`` (N, 3) and
        ``confidence`` (N,) of the atlas' texels; ``last`` (2, 9, 3) the shading of the frame
        before.
        """
        own, known = colours[self._few].copy(), confidence[self._few].copy()
        seen = np.empty((len(views), *own.shape), np.float32)
        weights = np.empty((len(views), len(own)), np.float32)
        for view, view_seen, view_weights in zip(views, seen, weights, strict=True):
            look_at_faces(view, self._layout, 0, len(own), view_seen, view_weights)
        if np.count_nonzero((known > 0.0) & (weights.max(axis=0) > 0.0)) < _MIN_KNOWN:
            own[:] = _mean_tone(seen, weights)
            known[:] = 1.0
        few_normals = _at_texels(normals, self._layout.faces, self._layout.barycentric)
        return np.stack(
            [
                _fit_view(seen[view], weights[view], own, known, few_normals, last[view])
                for view in range(len(views))
            ]
        )


def _mean_tone(colours: NDArray[np.float32], weights: NDArray[np.float32]) -> FloatArray:
    """Return the median colour (3,) of what the first view that sees anything shows."""
    for view_colours, view_weights in zip(colours, weights, strict=True):
        if view_weights.any():
            return np.asarray(np.median(view_colours[view_weights > 0.0], axis=0), np.float64)
    return np.full(3, 128.0)


@numba.njit(nogil=True, cache=True)
def _at_texels(normals, corners, barycentric):  # type: ignore[no-untyped-def]
    """Return unit normals (N, 3) between those of vertices, as corners and barycentric say."""
    result = np.empty((len(corners), 3))
    for n in range(len(corners)):
        length = 0.0
        for axis in range(3):
            result[n, axis] = (
                barycentric[n, 0] * normals[corners[n, 0], axis]
                + barycentric[n, 1] * normals[corners[n, 1], axis]
                + barycentric[n, 2] * normals[corners[n, 2], axis]
            )
            length += result[n, axis] ** 2
        for axis in range(3):
            result[n, axis] /= max(np.sqrt(length), 1e-9)
    return result


@numba.njit(nogil=True, cache=True)
def _fit_view(seen, weights, own, known, normals, last):  # type: ignore[no-untyped-def]
    """Fit one view's shading (9, 3) to the texels in which what is seen tells of light."""
    usable = np.empty(len(seen), np.bool_)
    for n in range(len(seen)):
        usable[n] = (
            weights[n] > 0.0
            and known[n] > 0.0
            and min(seen[n].min(), own[n].min()) > _DARKEST
            and seen[n].max() < _BRIGHTEST
        )
    log_ratios = np.log(seen[usable] / own[usable].astype(np.float64))
    trust = weights[usable] * np.minimum(known[usable].astype(np.float64), 1.0)
    return fit_shading(normals[usable], log_ratios, trust, last)
