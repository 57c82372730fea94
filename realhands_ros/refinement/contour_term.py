"""
The silhouette term as Gauss-Newton wants it: distances between two contours.

For sharp silhouettes L_sil is the area in which mask and target differ, and that area is the
distance d between the two contours, integrated along them. So ``L_sil ~ sum |d| ds / area``, which
iteratively reweighted least squares minimises as ``sum d^2 ds / (max(|d|, kink) area)``. Unlike
the derivatives of a soft silhouette, which end a few pixels from the contour, d knows how far away
the target is.

Pairs go both ways, from every contour point of the mesh to the nearest of the target (what sticks
out is pulled in) and back (what the mesh leaves uncovered pulls it), each counting half; d is
measured along the target's normal. Pairs whose contours face opposite ways are left out, and pairs
far apart count less: they are holes, or an arm that the target has and the mesh has not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.rasterizer import RasterFragments, rasterize
from realhands_ros.refinement.contours import Contour, find_contour
from realhands_ros.refinement.energy import Energy, PosedHand
from realhands_ros.refinement.hand_estimate import FloatArray

# Distances below this (NDC; half a pixel at 224) count squared rather than by their magnitude.
_KINK_NDC = 0.005
_FAR_NDC = 0.15
# Cosine between outward normals below which two contour points can not belong together.
_MIN_COSINE = 0.3
# A diagonal step along a contour is longer than the pixel it counts as.
_LENGTH_PER_PIXEL = 1.1
# Every second contour pixel is as good as all of them.
_STRIDE = 2


@dataclass(frozen=True, eq=False)
class ContourPairs:
    """
    Pairs of contour points of one view.

    The mesh's point of pair i is on face ``face[i]`` at ``barycentric[i]`` (3,) and has to move by
    ``-distance[i]`` pixels along ``normal[i]`` (2,); ``weight[i]`` is what the squared distance
    counts.
    """

    face: NDArray[np.int32]
    barycentric: FloatArray
    normal: FloatArray
    distance: FloatArray
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class SharpView:
    """One view's hard rendering and its contour; ``wrong`` is the energy of its wrong pixels."""

    fragments: RasterFragments
    wrong: float


class ContourTerm:
    """The contours of an energy's targets, to be met by those of the mesh."""

    def __init__(self, energy: Energy) -> None:
        self._energy = energy
        views = energy.views
        self._targets = [find_contour(target > 0.5) for target in views.targets]
        self._kink_px = _KINK_NDC / views.ndc_per_px
        self._far_px = _FAR_NDC / views.ndc_per_px

    def render(self, posed: PosedHand) -> list[SharpView]:
        """Render the sharp silhouette in every view."""
        energy = self._energy
        sharp = []
        for view, camera in enumerate(energy.views.cameras):
            vertices_cam = camera.to_camera(posed.vertices)
            fragments = rasterize(vertices_cam, energy.model.faces, camera)
            error = fragments.mask - energy.views.targets[view]
            wrong = float(np.vdot(energy.pixel_weights[view] * error, error))
            sharp.append(SharpView(fragments, wrong))
        return sharp

    def pairs(self, view: int, sharp: SharpView) -> ContourPairs:
        """Return the pairs of one view."""
        target = self._targets[view]
        mesh = find_contour(sharp.fragments.mask)
        if len(mesh) == 0 or len(target) == 0:
            return _no_pairs()
        forward = np.arange(0, len(mesh), _STRIDE)
        backward = np.arange(0, len(target), _STRIDE)
        mesh_index = np.concatenate([forward, _nearest(mesh, target, backward)])
        target_index = np.concatenate([_nearest(target, mesh, forward), backward])
        pixels = mesh.pixels[mesh_index]
        offset = (pixels - target.pixels[target_index]).astype(np.float64)
        normal = target.normals[target_index]
        distance = (offset * normal).sum(axis=1)
        apart = np.linalg.norm(offset, axis=1) / self._far_px
        cosine = (mesh.normals[mesh_index] * normal).sum(axis=1)
        weight = (cosine > _MIN_COSINE) / (1.0 + apart * apart) ** 2
        weight *= self._unit_weight(view) / np.maximum(np.abs(distance), self._kink_px)
        return ContourPairs(
            face=sharp.fragments.face_id[pixels[:, 1], pixels[:, 0]],
            barycentric=sharp.fragments.barycentric[pixels[:, 1], pixels[:, 0]].astype(np.float64),
            normal=normal,
            distance=distance,
            weight=weight,
        )

    def _unit_weight(self, view: int) -> float:
        """Return what a pixel's length of contour counts in the energy, by one direction."""
        return 0.5 * _STRIDE * _LENGTH_PER_PIXEL * float(self._energy.pixel_weights[view].max())


def _nearest(of: Contour, to: Contour, index: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the index of the nearest pixel of a contour to some pixels of another."""
    pixels = to.pixels[index]
    return of.nearest[pixels[:, 1], pixels[:, 0]]


def _no_pairs() -> ContourPairs:
    return ContourPairs(
        np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 2)), np.zeros(0), np.zeros(0)
    )
