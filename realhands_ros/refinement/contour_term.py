"""
The silhouette term as Gauss-Newton wants it: distances between two contours.

For sharp silhouettes L_sil is the area in which mask and target differ, and that area is the
distance d between the two contours, integrated along them. So ``L_sil ~ sum |d| ds / area``, which
iteratively reweighted least squares minimises as ``sum d^2 ds / (max(|d|, kink) area)``. Unlike
the derivatives of a soft silhouette, which end a few pixels from the contour, d knows how far away
the target is.

Pairs go both ways, from contour points of the mesh to the nearest of the target (what sticks out
is pulled in) and back (what the mesh leaves uncovered pulls it), each counting half; d is measured
along the target's normal. Pairs whose contours face different ways are left out, and pairs far
apart count less: they are holes, or an arm that the target has and the mesh has not.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.rasterizer import NO_FACE
from realhands_ros.refinement.contours import contour_of, nearest
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray
from realhands_ros.refinement.normal_equations import normal_equations
from realhands_ros.refinement.sharp_silhouette import draw_faces

# Distances below this (NDC; half a pixel at 224) count squared rather than by their magnitude.
_KINK_NDC = 0.005
# From about this distance on a pair counts for less (Geman and McClure).
_FAR_NDC = 0.15
# Cosine between outward normals below which two contour points do not belong together.
_MIN_COSINE = 0.5
# The length of a contour that runs in all directions, per pixel of it.
_LENGTH_PER_PIXEL = 1.1
# Every second contour pixel is as good as all of them.
_STRIDE = 2


class SharpView(NamedTuple):
    """
    One view's hard silhouette.

    ``face_id`` (H, W) is the triangle each pixel sees, NO_FACE where none; ``energy`` what the
    pixels in which it differs from the target add to the energy.
    """

    face_id: NDArray[np.int32]
    energy: float


class ContourPairs(NamedTuple):
    """
    Pairs of contour points of one view.

    Pair i adds ``weight[i] * distance[i]**2`` to the energy. Its distance, in pixels, depends on
    the three vertices ``vertices[i]`` (3,) by ``slopes[i]`` (3, 3), pixels a metre.
    """

    vertices: NDArray[np.int32]
    slopes: FloatArray
    distance: FloatArray
    weight: FloatArray


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
            sharp.append(SharpView(face_id, _energy(face_id, target, energy.pixel_weights[view])))
        return sharp

    def pairs(self, posed: PosedHand, sharp: list[SharpView]) -> list[ContourPairs]:
        """Return the pairs of every view."""
        slopes = self._energy.views.jacobian(posed.vertices_px, posed.vertices_depth)
        pairs = []
        for view, seen in enumerate(sharp):
            matched = _match(
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
        weight = float(self._energy.pixel_weights[view].max()) * _LENGTH_PER_PIXEL
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


@numba.njit(nogil=True, cache=True, error_model='numpy')
def _match(  # type: ignore[no-untyped-def]
    face_id, faces, vertices_px, slopes, target_pixels, target_normals, weight, kink, far
):
    """Return the pairs of one view; ``slopes`` (778, 2, 3) are pixels a metre of every vertex."""
    mesh_pixels, mesh_normals = contour_of(face_id != NO_FACE)
    if len(mesh_pixels) == 0 or len(target_pixels) == 0:
        mesh_pixels, target_pixels = mesh_pixels[:0], target_pixels[:0]
    some_mesh, some_target = mesh_pixels[::_STRIDE], target_pixels[::_STRIDE]
    to_target = nearest(some_mesh, target_pixels)
    to_mesh = nearest(some_target, mesh_pixels)
    count = len(some_mesh) + len(some_target)
    vertices = np.empty((count, 3), dtype=np.int32)
    vertex_slopes = np.empty((count, 3, 3))
    distances, weights = np.empty(count), np.empty(count)
    for i in range(count):
        if i < len(some_mesh):
            m, t = i * _STRIDE, to_target[i]
        else:
            t = (i - len(some_mesh)) * _STRIDE
            m = to_mesh[i - len(some_mesh)]
        normal = target_normals[t]
        dx = float(mesh_pixels[m, 0] - target_pixels[t, 0])
        dy = float(mesh_pixels[m, 1] - target_pixels[t, 1])
        distance = dx * normal[0] + dy * normal[1]
        cosine = mesh_normals[m, 0] * normal[0] + mesh_normals[m, 1] * normal[1]
        falloff = 1.0 / (1.0 + (dx * dx + dy * dy) / (far * far))
        # Each of the two directions of pairs counts half.
        counts = 0.5 * _STRIDE * weight * falloff * falloff if cosine > _MIN_COSINE else 0.0
        distances[i] = distance
        weights[i] = counts / max(abs(distance), kink)
        vertices[i] = faces[face_id[mesh_pixels[m, 1], mesh_pixels[m, 0]]]
        shares = _barycentric(mesh_pixels[m], vertices_px, vertices[i])
        for corner in range(3):
            slope = slopes[vertices[i, corner]]
            for axis in range(3):
                along = normal[0] * slope[0, axis] + normal[1] * slope[1, axis]
                vertex_slopes[i, corner, axis] = shares[corner] * along
    return vertices, vertex_slopes, distances, weights


@numba.njit(nogil=True, inline='always', error_model='numpy')
def _barycentric(pixel, vertices_px, corners):  # type: ignore[no-untyped-def]
    a, b, c = vertices_px[corners[0]], vertices_px[corners[1]], vertices_px[corners[2]]
    x, y = pixel[0] - a[0], pixel[1] - a[1]
    double_area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    share_b = (x * (c[1] - a[1]) - y * (c[0] - a[0])) / double_area
    share_c = ((b[0] - a[0]) * y - (b[1] - a[1]) * x) / double_area
    return 1.0 - share_b - share_c, share_b, share_c


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
