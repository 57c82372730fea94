"""Rigid and similarity alignment of corresponding points (orthogonal Procrustes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from realhands_ros.arrays import FloatArray

# FreiHAND's evaluation adds this to both norms; points that all coincide then align to the
# target's centre instead of to NaN.
_NORM_EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class Similarity:
    """
    The map ``x -> scale * rotation @ x + translation``, one or a batch.

    ``scale`` (...), ``rotation`` (..., 3, 3), ``translation`` (..., 3). ``rotation`` is
    orthogonal; its determinant is -1 when a reflection was allowed and fitted better.
    """

    scale: FloatArray
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: ArrayLike) -> FloatArray:
        """Map points (..., N, 3)."""
        turned = np.asarray(points, dtype=np.float64) @ np.swapaxes(self.rotation, -1, -2)
        mapped: FloatArray = self.scale[..., None, None] * turned + self.translation[..., None, :]
        return mapped


def align_points(
    source: ArrayLike,
    target: ArrayLike,
    *,
    with_scale: bool = True,
    allow_reflection: bool = False,
) -> Similarity:
    """
    Return the map of ``source`` onto ``target``, both (..., N, 3), with least squared distance.

    ``with_scale=False`` keeps lengths (rigid alignment). By default the rotation is a proper one
    (Kabsch; Umeyama 1991). ``allow_reflection=True`` is FreiHAND's protocol (centre, normalise by
    the Frobenius norm, ``scipy.linalg.orthogonal_procrustes``): it never checks the determinant,
    so a mirrored hand aligns perfectly; report the proper number beside it.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_centre, target_centre = source.mean(-2), target.mean(-2)
    source_unit, source_norm = _normalised(source - source_centre[..., None, :])
    target_unit, target_norm = _normalised(target - target_centre[..., None, :])
    u, singular_values, vt = np.linalg.svd(np.swapaxes(target_unit, -1, -2) @ source_unit)
    signs = np.ones_like(singular_values)
    if not allow_reflection:
        # The axis with the smallest singular value is the cheapest to turn round.
        signs[..., 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * signs[..., None, :]) @ vt
    scale = np.ones(source_norm.shape)
    if with_scale:
        scale = (singular_values * signs).sum(-1) * target_norm / source_norm
    turned_centre = (rotation @ source_centre[..., None])[..., 0]
    return Similarity(scale, rotation, target_centre - scale[..., None] * turned_centre)


def _normalised(centred: FloatArray) -> tuple[FloatArray, FloatArray]:
    norm = np.linalg.norm(centred, axis=(-2, -1)) + _NORM_EPSILON
    return centred / norm[..., None, None], norm
