"""
The metrics of the evaluation, in one place.

Each is documented with its formula, unit and source where it is defined: points (MPJPE, MPVPE, PA,
PCK, AUC, F-score), masks (IoU, accuracy, boundary F) and sequences (jitter, bones, tracking, wrist
rotation, latency).
"""

from realhands_ros.evaluation.mask_metrics import boundary_f, mask_iou, pixel_accuracy
from realhands_ros.evaluation.point_metrics import (
    FREIHAND_PCK_THRESHOLDS,
    f_score,
    mean_position_error,
    pck,
    pck_auc,
    point_errors,
    procrustes_aligned,
    root_relative,
)
from realhands_ros.evaluation.sequence_metrics import (
    TrackedHand,
    TrackingCounter,
    TrackingCounts,
    bone_length_variation,
    jitter_rms,
    latency_percentiles,
    match_hands,
    rotation_error,
    tracking_counts,
)

__all__ = [
    'FREIHAND_PCK_THRESHOLDS',
    'TrackedHand',
    'TrackingCounter',
    'TrackingCounts',
    'bone_length_variation',
    'boundary_f',
    'f_score',
    'jitter_rms',
    'latency_percentiles',
    'mask_iou',
    'match_hands',
    'mean_position_error',
    'pck',
    'pck_auc',
    'pixel_accuracy',
    'point_errors',
    'procrustes_aligned',
    'root_relative',
    'rotation_error',
    'tracking_counts',
]
