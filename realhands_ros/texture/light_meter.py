"""The light in each view of one frame, found by comparing what it shows with the atlas."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.texel_table import TexelTable
from realhands_ros.texture.shading import fit_shading
from realhands_ros.texture.view_kernels import Layout, SeenView, look_at_faces

FloatArray = NDArray[np.float64]

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
        Return the shading of both views, (2, 9, 3); see shading.py.

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
