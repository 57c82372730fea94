"""
The silhouette term as Gauss-Newton wants it: distances between two contours.

For sharp silhouettes L_sil is the area in which mask and target differ, and that area is the
distance d between the two contours, integrated along them. So ``L_sil ~ sum |d| ds / area``, which
iteratively reweighted least squares minimises as ``sum d^2 ds / (max(|d|, kink) area)``. Unlike
the derivatives of a soft silhouette, which end a few pixels from the contour, d knows how far away
the target is.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.refinement.contour_matching import ContourPairs, match_contours
from realhands_ros.refinement.contours import contour_of
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.normal_equations import normal_equations
from realhands_ros.refinement.sharp_silhouette import draw_faces

# Distances below this (NDC; half a pixel at 224) count squared rather than by their magnitude.
_KINK_NDC = 0.005
# From about this distance on a pair counts for less (Geman and McClure).
_FAR_NDC = 0.15
# The length of a contour that runs in all directions, per pixel of it.
_LENGTH_PER_PIXEL = 1.1


class SharpView(NamedTuple):
    """
    One view's hard silhouette.

    ``face_id`` (H, W) is the triangle each pixel sees, NO_FACE where none; ``energy`` what the
    pixels in which it differs from the target add to the energy.
    """

    face_id: NDArray[np.int32]
    energy: float


class ContourTerm:
    """The contours of an energy's targets, to be met by those of the mesh."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        self._targets = [contour_of(target > 0.5) for target in energy.views.targets]

    def render(self, posed: PosedHand) -> list[SharpView]:
        """Render the sharp silhouette in every view."""
        energy = self._energy
        sharp = []
        for view, target in enumerate(energy.views.targets):
            face_id = draw_faces(
                posed.vertices_px[view], posed.vertices_depth[view], energy.model.faces,
                *target.shape,
            )  # fmt: skip
            sharp.append(
                SharpView(
                    face_id, _energy(face_id, target, energy.silhouettes.pixel_weights[view])
                )
            )
        return sharp

    def pairs(self, posed: PosedHand, sharp: list[SharpView]) -> list[ContourPairs]:
        """Return the pairs of every view."""
        slopes = self._energy.views.jacobian(posed.vertices_px, posed.vertices_depth)
        pairs = []
        for view, seen in enumerate(sharp):
            matched = match_contours(
                seen.face_id, self._energy.model.faces, posed.vertices_px[view], slopes[view],
                *self._targets[view], *self._scales(view),
            )  # fmt: skip
            pairs.append(ContourPairs(*matched))
        return pairs

    def normal_equations(
        self, posed: PosedHand, sharp: list[SharpView], jacobian: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Return Gauss-Newton's Hessian (61, 61) and the gradient (61,) of the silhouette term.

        ``jacobian`` (61, 778, 3) is that of the vertices at ``posed``.
        """
        by_vertex = np.ascontiguousarray(jacobian.transpose(1, 2, 0))
        parts = []
        for pairs in self.pairs(posed, sharp):
            rows = _parameter_rows(pairs.vertices, pairs.slopes, by_vertex)
            parts.append(normal_equations(rows, pairs.distance, pairs.weight))
        return sum(part[0] for part in parts), sum(part[1] for part in parts)

    def _scales(self, view: int) -> tuple[float, float, float]:
        """Return what a pixel of contour's length counts, and kink and far distance in pixels."""
        weight = float(self._energy.silhouettes.pixel_weights[view].max()) * _LENGTH_PER_PIXEL
        ndc_per_px = self._energy.views.ndc_per_px
        return weight, _KINK_NDC / ndc_per_px, _FAR_NDC / ndc_per_px


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def _energy(face_id, target, pixel_weights):  # type: ignore[no-untyped-def]
    energy = np.float32(0.0)
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            seen = np.float32(1.0) if face_id[y, x] >= 0 else np.float32(0.0)
            error = seen - target[y, x]
            energy += pixel_weights[y, x] * error * error
    return float(energy)


@numba.njit(nogil=True, cache=True, fastmath={'reassoc', 'contract'})
def _parameter_rows(vertices, slopes, jacobian):  # type: ignore[no-untyped-def]
    """Return the derivatives (N, 61) of the distances; ``jacobian`` (778, 3, 61)."""
    rows = np.zeros((vertices.shape[0], jacobian.shape[2]))
    for i in range(vertices.shape[0]):
        for corner in range(3):
            for axis in range(3):
                slope = slopes[i, corner, axis]
                moved = jacobian[vertices[i, corner], axis]
                for k in range(moved.shape[0]):
                    rows[i, k] += slope * moved[k]
    return rows
