"""
The silhouette term as Gauss-Newton wants it: distances between two contours.

For sharp silhouettes L_sil is the area in which mask and target differ, and that area is the
distance d between the two contours, integrated along them. So ``L_sil ~ sum |d| ds / area``, which
iteratively reweighted least squares minimises as ``sum d^2 ds / (max(|d|, kink) area)``. Unlike
the derivatives of a soft silhouette, which end a few pixels from the contour, d knows how far away
the target is.
"""

from __future__ import annotations

import numba
import numpy as np

from realhands_ros.refinement.contour_matching import ContourPairs, match_contours
from realhands_ros.refinement.contours import contour_confidence, contour_of
from realhands_ros.refinement.energy import Energy
from realhands_ros.refinement.hand_estimate import FloatArray, FloatImage
from realhands_ros.refinement.hand_state import HandState
from realhands_ros.refinement.mesh_terms import IntArray
from realhands_ros.refinement.normal_equations import add_square, mirror_lower
from realhands_ros.refinement.parameter_terms import NUM_PARAMETERS

# Distances below this (NDC; half a pixel at 224) count squared rather than by their magnitude.
_KINK_NDC = 0.005
# From about this distance on a pair counts for less (Geman and McClure).
_FAR_NDC = 0.15
# The length of a contour that runs in all directions, per pixel of it.
_LENGTH_PER_PIXEL = 1.1


class ContourTerm:
    """The contours of an energy's targets, to be met by those of the mesh."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        weigh = energy.config.weigh_by_confidence
        self._targets = [_target_contour(target, weigh) for target in energy.views.targets]
        # What a pixel of contour's length counts, view by view.
        largest = energy.silhouettes.pixel_weights.max(axis=(1, 2)).astype(np.float64)
        self._weights = _LENGTH_PER_PIXEL * largest

    def pairs(self, state: HandState) -> list[ContourPairs]:
        """Return the pairs of every view."""
        posed, pairs = state.posed, []
        slopes = self._energy.views.jacobian(posed.vertices_px, posed.vertices_depth)
        px_per_ndc = 1.0 / self._energy.views.ndc_per_px
        for view, face_id in enumerate(state.face_ids):
            pixels, normals, confidence = self._targets[view]
            matched = match_contours(
                face_id, self._energy.model.faces, posed.vertices_px[view], slopes[view],
                pixels, normals, confidence, self._weights[view],
                _KINK_NDC * px_per_ndc, _FAR_NDC * px_per_ndc,
            )  # fmt: skip
            pairs.append(ContourPairs(*matched))
        return pairs

    def normal_equations(
        self, state: HandState, jacobian: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Return Gauss-Newton's Hessian (61, 61) and the gradient (61,) of the silhouette term.

        ``jacobian`` (778, 3, 61) is that of the vertices at the state.
        """
        hessian, gradient = np.zeros((NUM_PARAMETERS, NUM_PARAMETERS)), np.zeros(NUM_PARAMETERS)
        for pairs in self.pairs(state):
            _add_pairs(
                pairs.vertices, pairs.slopes, pairs.distance, pairs.weight, jacobian,
                hessian, gradient,
            )  # fmt: skip
        mirror_lower(hessian)
        return hessian, gradient


def _target_contour(
    target: FloatImage, weigh_by_confidence: bool
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return pixels (N, 2), normals (N, 2) and confidence (N,) of a target's contour."""
    pixels, normals = contour_of(target > 0.5)
    sure = contour_confidence(target, pixels) if weigh_by_confidence else np.ones(len(pixels))
    return pixels, normals, sure


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def _add_pairs(  # type: ignore[no-untyped-def]
    vertices, slopes, distance, weight, jacobian, hessian, gradient
):
    """
    Add what the pairs of one view add to a gradient (61,) and a Hessian's lower triangle.

    The pairs as in ContourPairs; ``jacobian`` (778, 3, 61) is that of the mesh's vertices.
    """
    row = np.empty(len(gradient))
    for i in range(len(weight)):
        if weight[i] == 0.0:
            continue
        a, b, c = vertices[i]
        for k in range(len(row)):
            total = 0.0
            for axis in range(3):
                total += slopes[i, 0, axis] * jacobian[a, axis, k]
                total += slopes[i, 1, axis] * jacobian[b, axis, k]
                total += slopes[i, 2, axis] * jacobian[c, axis, k]
            row[k] = total
        add_square(row, distance[i], weight[i], hessian, gradient)
