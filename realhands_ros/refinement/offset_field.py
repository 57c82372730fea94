"""
Vertex offsets that meet the contours and are smooth everywhere else (the dv of the paper's eq. 1).

The offsets are taken as a Gaussian random field on the mesh, each coordinate with the covariance

    C = spread^2 (I + length^2 L)^-2, scaled to a mean variance of spread^2,

L the mesh's Laplacian in units of a mean edge, and the contour distances as measurements of it
with an error of some pixels. The most likely field moves what is measured and takes the
neighbourhood along, which keeps fingers round: nothing else tells a silhouette fit not to shave a
rim off them. It plays the part of L_v and L_lap of the paper's eq. 5, whose vertex-by-vertex
descent takes too many steps for a camera frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.refinement.contour_matching import ContourPairs
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.mesh_terms import IntArray
from realhands_ros.refinement.normal_equations import solve_positive

# Reliability below which a pair of contour points is no measurement.
_MIN_RELIABILITY = 0.05


class Measurements(NamedTuple):
    """
    One measurement for each vertex that meets a contour, of one view.

    ``slopes[i]`` (3,) takes the offset of vertex ``vertices[i]`` to a distance in pixels, which
    should change by ``-distance[i]``; ``reliability[i]`` in (0, 1].
    """

    vertices: NDArray[np.intp]
    slopes: FloatArray
    distance: FloatArray
    reliability: FloatArray


class OffsetField:
    """
    The random field of vertex offsets of one mesh.

    ``edges`` (E, 2) connect ``num_vertices`` vertices. ``spread_m`` is how far vertices typically
    are from where the model has them and ``length_edges`` over how many edges they agree on it.
    """

    def __init__(
        self, edges: IntArray, num_vertices: int, *, spread_m: float, length_edges: float
    ) -> None:
        laplacian = np.zeros((num_vertices, num_vertices))
        laplacian[edges[:, 0], edges[:, 1]] = laplacian[edges[:, 1], edges[:, 0]] = -1.0
        laplacian[np.diag_indices(num_vertices)] = -laplacian.sum(axis=1)
        smooth = np.linalg.inv(np.eye(num_vertices) + length_edges**2 * laplacian)
        covariance = smooth @ smooth
        self._covariance: FloatArray = covariance * (spread_m**2 / covariance.diagonal().mean())

    def fit(self, pairs: list[ContourPairs], error_px: float) -> FloatArray:
        """
        Return the most likely offsets (V, 3), metres, given the pairs of contour points.

        ``error_px`` is the standard deviation of a contour's place.
        """
        per_view = [measurements(view_pairs, len(self._covariance)) for view_pairs in pairs]
        vertices, slopes, distance, reliability = (
            np.concatenate(of_views) for of_views in zip(*per_view, strict=True)
        )
        offsets: FloatArray = _posterior_mean(
            self._covariance, vertices, slopes, distance, reliability, error_px
        )
        return offsets


def measurements(pairs: ContourPairs, num_vertices: int) -> Measurements:
    """Give every pair to the vertex it moves most, and average what a vertex got."""
    return Measurements(
        *_mean_by_vertex(
            pairs.vertices, pairs.slopes, pairs.distance, pairs.reliability, num_vertices
        )
    )


@numba.njit(nogil=True, cache=True)
def _mean_by_vertex(  # type: ignore[no-untyped-def]
    vertices, slopes, distance, reliability, num_vertices
):
    """Return what Measurements holds, of pairs as ContourPairs has them."""
    count, total = np.zeros(num_vertices, dtype=np.intp), np.zeros(num_vertices)
    sums = np.zeros((num_vertices, 4))
    for i in range(len(distance)):
        vertex = vertices[i, _most_moved_corner(slopes[i])]
        count[vertex] += 1
        total[vertex] += reliability[i]
        for axis in range(3):
            # All of a pair's movement is ascribed to one vertex: its neighbours move along.
            slope = slopes[i, 0, axis] + slopes[i, 1, axis] + slopes[i, 2, axis]
            sums[vertex, axis] += reliability[i] * slope
        sums[vertex, 3] += reliability[i] * distance[i]
    measured = np.flatnonzero(total > _MIN_RELIABILITY * count)
    means = sums[measured] / total[measured].reshape(-1, 1)
    return (
        measured,
        np.ascontiguousarray(means[:, :3]),
        means[:, 3].copy(),
        total[measured] / count[measured],
    )


@numba.njit(nogil=True, inline='always')
def _most_moved_corner(slopes):  # type: ignore[no-untyped-def]
    """Return which of a pair's vertices moves its distance most; ``slopes`` (3, 3)."""
    most, largest = 0, -1.0
    for corner in range(3):
        square = slopes[corner, 0] ** 2 + slopes[corner, 1] ** 2 + slopes[corner, 2] ** 2
        if square > largest:
            most, largest = corner, square
    return most


@numba.njit(nogil=True, cache=True)
def _posterior_mean(  # type: ignore[no-untyped-def]
    covariance, vertices, slopes, distance, reliability, error_px
):
    """Return ``-C A^T (A C A^T + R)^-1 d`` for measurements A of the offsets with errors R."""
    count = len(vertices)
    lower = np.zeros((count, count))
    for i in range(count):
        x, y, z = slopes[i, 0], slopes[i, 1], slopes[i, 2]
        row = covariance[vertices[i]]
        for j in range(i + 1):
            along = x * slopes[j, 0] + y * slopes[j, 1] + z * slopes[j, 2]
            lower[i, j] = along * row[vertices[j]]
        lower[i, i] += error_px * error_px / reliability[i]
    pull = solve_positive(lower, distance)
    offsets = np.zeros((3, covariance.shape[0]))
    for i in range(count):
        row = covariance[vertices[i]]
        for axis in range(3):
            along = slopes[i, axis] * pull[i]
            for v in range(len(row)):
                offsets[axis, v] -= row[v] * along
    return np.ascontiguousarray(offsets.T)
