"""
Distances between predicted and true points: MPJPE, MPVPE, PCK, AUC, F-score.

All points are metres in one frame, arrays (..., N, 3) or (..., N, 2) in pixels for the 2D ones.
The protocol is FreiHAND's (Zimmermann et al., ICCV 2019, and its evaluation program) where a name
says so. MPJPE and MPVPE are one formula, ``mean_i |p_i - q_i|``, applied to the 21 keypoints and
to the 778 vertices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid
from scipy.spatial import cKDTree

from realhands_ros.geometry.alignment import align_points

FloatArray = NDArray[np.float64]

FREIHAND_PCK_THRESHOLDS = np.linspace(0.0, 0.05, 100)


def point_errors(predicted: ArrayLike, true: ArrayLike) -> FloatArray:
    """Return the distance of each predicted point to its true one, (..., N), unit of the input."""
    difference = np.asarray(predicted, np.float64) - np.asarray(true, np.float64)
    return np.asarray(np.linalg.norm(difference, axis=-1))


def mean_position_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return MPJPE (of keypoints) or MPVPE (of vertices): the mean of ``point_errors``."""
    return float(point_errors(predicted, true).mean())


def root_relative(points: ArrayLike, root: ArrayLike) -> FloatArray:
    """Return points (..., N, 3) relative to a root (..., 3), the wrist if nothing else is said."""
    return np.asarray(points, np.float64) - np.asarray(root, np.float64)[..., None, :]


def procrustes_aligned(
    predicted: ArrayLike, true: ArrayLike, *, allow_reflection: bool
) -> FloatArray:
    """
    Return ``predicted`` (..., N, 3) after the best similarity onto ``true``.

    ``allow_reflection=True`` is FreiHAND's protocol (PA), which forgives a mirrored hand;
    ``False`` is the alignment by a proper rotation. Always name which one a figure used.
    """
    return align_points(predicted, true, allow_reflection=allow_reflection).apply(predicted)


def pck(errors: ArrayLike, thresholds: ArrayLike = FREIHAND_PCK_THRESHOLDS) -> FloatArray:
    """Return the share of ``errors`` that are ``<=`` each threshold, (T,)."""
    values = np.sort(np.ravel(errors))
    counts = np.searchsorted(values, np.asarray(thresholds, np.float64), side='right')
    return np.asarray(counts / values.size)


def pck_auc(errors: ArrayLike, thresholds: ArrayLike = FREIHAND_PCK_THRESHOLDS) -> float:
    """
    Return the area under the PCK curve in [0, 1].

    Trapezium rule over the thresholds, divided by their range (FreiHAND: 100 thresholds from 0 to
    50 mm).
    """
    thresholds = np.asarray(thresholds, np.float64)
    area = trapezoid(pck(errors, thresholds), thresholds)
    return float(area / (thresholds[-1] - thresholds[0]))


def f_score(predicted: ArrayLike, true: ArrayLike, threshold: float) -> float:
    """
    Return the F-score of two point sets (N, 3), (M, 3) at a distance threshold.

    The harmonic mean of precision (share of predicted points with a true one nearer than
    ``threshold``, strictly) and recall (the other way round); Knapitsch et al. 2017, as FreiHAND
    computes it: F@5 mm and F@15 mm, per sample, then averaged.
    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    precision = float((cKDTree(true).query(predicted)[0] < threshold).mean())
    recall = float((cKDTree(predicted).query(true)[0] < threshold).mean())
    return 2.0 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
