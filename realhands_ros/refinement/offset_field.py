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
        per_view = [_measurements(view_pairs) for view_pairs in pairs]
        offsets: FloatArray = _posterior_mean(
            self._covariance,
            np.concatenate([view.vertices for view in per_view]),
            np.concatenate([view.slopes for view in per_view]),
            np.concatenate([view.distance for view in per_view]),
            np.concatenate([view.reliability for view in per_view]),
            error_px,
        )
        return offsets


def _measurements(pairs: ContourPairs) -> Measurements:
    """Give every pair to the vertex it moves most, and average what a vertex got."""
    corner = np.square(pairs.slopes).sum(axis=2).argmax(axis=1)
    pair = np.arange(len(corner))
    vertices, member = np.unique(pairs.vertices[pair, corner], return_inverse=True)
    count = np.bincount(member)
    total = np.maximum(np.bincount(member, pairs.reliability), 1e-9)

    def mean(values: FloatArray) -> FloatArray:
        averaged: FloatArray = np.bincount(member, pairs.reliability * values) / total
        return averaged

    # All of a pair's movement is ascribed to one vertex, since its neighbours move along.
    slopes = pairs.slopes.sum(axis=1)
    reliability = total / count
    reliable = reliability > _MIN_RELIABILITY
    return Measurements(
        vertices[reliable].astype(np.intp),
        np.stack([mean(slopes[:, axis]) for axis in range(3)], axis=1)[reliable],
        mean(pairs.distance)[reliable],
        reliability[reliable],
    )


@numba.njit(nogil=True, cache=True)
def _posterior_mean(  # type: ignore[no-untyped-def]
    covariance, vertices, slopes, distance, reliability, error_px
):
    """Return ``-C A^T (A C A^T + R)^-1 d`` for measurements A of the offsets with errors R."""
    count = len(vertices)
    measured = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            along = 0.0
            for axis in range(3):
                along += slopes[i, axis] * slopes[j, axis]
            measured[i, j] = measured[j, i] = along * covariance[vertices[i], vertices[j]]
        measured[i, i] += error_px * error_px / reliability[i]
    pull = solve_positive(measured, distance)
    offsets = np.zeros((covariance.shape[0], 3))
    for i in range(count):
        x, y, z = slopes[i] * pull[i]
        row = covariance[vertices[i]]
        for v in range(len(row)):
            offsets[v, 0] -= row[v] * x
            offsets[v, 1] -= row[v] * y
            offsets[v, 2] -= row[v] * z
    return offsets
