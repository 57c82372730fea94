"""The metrics of the evaluation: of points, of masks, and over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.integrate import trapezoid
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import KEYPOINT_PARENTS
from realhands_ros.geometry.alignment import align_points

# Distances between predicted and true points: MPJPE, MPVPE, PCK, AUC, F-score.
#
# All points are metres in one frame, arrays (..., N, 3) or (..., N, 2) in pixels for the 2D ones.
# The protocol is FreiHAND's (Zimmermann et al., ICCV 2019, and its evaluation program) where a
# name says so. MPJPE and MPVPE are one formula, ``mean_i |p_i - q_i|``, applied to the 21
# keypoints and to the 778 vertices.


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


# Agreement of two binary masks (H, W): IoU, pixel accuracy, boundary F.

BoolArray = NDArray[np.bool_]


def mask_iou(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return intersection over union; 1 when both masks are empty."""
    predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
    union = np.count_nonzero(predicted | true)
    return np.count_nonzero(predicted & true) / union if union else 1.0


def pixel_accuracy(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return the share of pixels on which the masks agree."""
    return float((np.asarray(predicted, bool) == np.asarray(true, bool)).mean())


def boundary_f(predicted: ArrayLike, true: ArrayLike, tolerance_px: float) -> float:
    """
    Return the F-measure of the masks' outlines (Perazzi et al., DAVIS, CVPR 2016).

    Precision is the share of predicted outline pixels within ``tolerance_px`` of the true outline,
    recall the other way round. 1 when both masks have no outline, 0 when only one has none.
    """
    outline, true_outline = _outline(np.asarray(predicted, bool)), _outline(np.asarray(true, bool))
    if not outline.any() or not true_outline.any():
        return float(outline.any() == true_outline.any())
    precision = (ndimage.distance_transform_edt(~true_outline)[outline] <= tolerance_px).mean()
    recall = (ndimage.distance_transform_edt(~outline)[true_outline] <= tolerance_px).mean()
    total = float(precision + recall)
    return float(2.0 * precision * recall / total) if total > 0 else 0.0


def _outline(mask: BoolArray) -> BoolArray:
    # Pixels of the mask with a neighbour outside; the image's border does not count as outside.
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=1))


# Metrics over time, and of rotations: jitter, bone lengths, tracking, rotation, latency.

JITTER_WINDOW = 11


def jitter_rms(track: ArrayLike, window: int = JITTER_WINDOW) -> float:
    """
    Return the RMS length of a point's high-frequency motion, in the unit of ``track`` (T, D).

    The high-pass is the track minus its centred moving average over ``window`` frames; the
    half-windows at both ends, where the average is one-sided, are left out. NaN when the track is
    shorter than the window.
    """
    positions = np.asarray(track, np.float64)
    if len(positions) < window:
        return float('nan')
    high_pass = positions - uniform_filter1d(positions, window, axis=0)
    half = window // 2
    inner = high_pass[half : len(positions) - half]
    return float(np.sqrt((inner**2).sum(-1).mean()))


def bone_length_variation(keypoints: ArrayLike) -> float:
    """
    Return how much the bones' lengths vary over a sequence of keypoints (T, 21, 3).

    The coefficient of variation (standard deviation over mean, across time) of each of the 20
    bones, averaged over the bones; 0 for a rigid skeleton.
    """
    points = np.asarray(keypoints, np.float64)
    children = np.arange(1, len(KEYPOINT_PARENTS))
    parents = np.array(KEYPOINT_PARENTS[1:])
    lengths = np.linalg.norm(points[:, children] - points[:, parents], axis=-1)
    return float((lengths.std(0) / lengths.mean(0)).mean())


def rotation_error(predicted_aa: ArrayLike, true_aa: ArrayLike) -> FloatArray:
    """Return the angle in radians between rotations given as axis-angle (..., 3)."""
    predicted = Rotation.from_rotvec(np.asarray(predicted_aa, np.float64).reshape(-1, 3))
    true = Rotation.from_rotvec(np.asarray(true_aa, np.float64).reshape(-1, 3))
    angles = (predicted.inv() * true).magnitude()
    return np.asarray(angles).reshape(np.shape(predicted_aa)[:-1])


@dataclass(frozen=True)
class TrackedHand:
    """One hand in one frame: identity, 'left' or 'right', wrist (3,) metres."""

    id: str
    handedness: str
    wrist: ArrayLike


@dataclass(frozen=True)
class TrackingCounts:
    """
    Matches and errors of a tracker over a sequence.

    ``matched`` pairs of a true and a predicted hand; ``misses`` true hands without a prediction;
    ``false_hands`` predictions without a true hand; ``id_switches`` matches whose predicted
    identity differs from the true hand's previous one (Bernardin and Stiefelhagen, CLEAR MOT,
    2008); ``handedness_errors`` matches with the wrong side.
    """

    matched: int
    misses: int
    false_hands: int
    id_switches: int
    handedness_errors: int


class TrackingCounter:
    """Counts matches, misses and identity switches; ``counts`` is their sum so far."""

    def __init__(self) -> None:
        self.counts = TrackingCounts(0, 0, 0, 0, 0)
        self._last_identity: dict[str, str] = {}

    def add(
        self,
        pairs: Sequence[tuple[int, int]],
        predicted: Sequence[TrackedHand],
        true: Sequence[TrackedHand],
        is_due: Sequence[bool] | None = None,
    ) -> None:
        """
        Count one frame, whose hands were matched as ``pairs`` (row of predicted, row of true).

        ``is_due`` tells which true hands must be found, all by default: one that can hardly be
        seen is no miss, and none of the predictions matched with it is false.
        """
        due = [True] * len(true) if is_due is None else is_due
        found = {row for _, row in pairs}
        old = self.counts
        switches = wrong_side = 0
        for prediction, truth in ((predicted[i], true[j]) for i, j in pairs):
            wrong_side += prediction.handedness != truth.handedness
            switches += self._last_identity.get(truth.id, prediction.id) != prediction.id
            self._last_identity[truth.id] = prediction.id
        self.counts = TrackingCounts(
            old.matched + len(pairs),
            old.misses + sum(wanted and row not in found for row, wanted in enumerate(due)),
            old.false_hands + len(predicted) - len(pairs),
            old.id_switches + switches,
            old.handedness_errors + wrong_side,
        )


def tracking_counts(
    predicted: Iterable[Sequence[TrackedHand]],
    true: Iterable[Sequence[TrackedHand]],
    max_distance: float = 0.1,
) -> TrackingCounts:
    """
    Match hands frame by frame (least total wrist distance, at most ``max_distance`` metres).

    ``predicted`` and ``true`` hold the hands of each frame; both have the same number of frames.
    """
    counter = TrackingCounter()
    for predictions, truths in zip(predicted, true, strict=True):
        wrists, true_wrists = (
            np.array([hand.wrist for hand in hands], np.float64).reshape(-1, 3)
            for hands in (predictions, truths)
        )
        distances = np.linalg.norm(wrists[:, None] - true_wrists[None], axis=-1)
        counter.add(match_hands(distances, max_distance), predictions, truths)
    return counter.counts


def match_hands(distances: ArrayLike, max_distance: float) -> list[tuple[int, int]]:
    """
    Return pairs (row, column) of ``distances`` (P, T) with the least sum, none above the limit.

    As many pairs as possible come first, whatever the sum.
    """
    table = np.asarray(distances, np.float64)
    # A pair beyond the limit must never displace one within it, however the sums fall.
    rows, columns = linear_sum_assignment(np.where(table <= max_distance, table, 1e6))
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if table[row, column] <= max_distance
    ]


def latency_percentiles(latencies: ArrayLike) -> dict[str, float]:
    """Return p50, p95 and p99 (linearly interpolated) in the input's unit; NaN if empty."""
    values = np.ravel(np.asarray(latencies, np.float64))
    percentiles = np.percentile(values, (50, 95, 99)) if values.size else np.full(3, np.nan)
    return dict(zip(('p50', 'p95', 'p99'), percentiles.tolist(), strict=True))
