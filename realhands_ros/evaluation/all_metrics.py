"""Every metric of a result by its name, for columns, legends and thresholds."""

from __future__ import annotations

from realhands_ros.evaluation.hand_scores import HAND_METRICS, Metric
from realhands_ros.evaluation.observation_scores import (
    DETECTION_METRICS,
    FIT_METRICS,
    PROJECTION_METRICS,
)
from realhands_ros.evaluation.track_scores import TRACK_METRICS

COUNT_METRICS: dict[str, Metric] = {
    'frames': Metric('frames', '', 'frames that were evaluated', higher=True, digits=0),
    'hands': Metric('hands', '', 'hands that were reconstructed', higher=True, digits=0),
    'true_hands': Metric('true hands', '', 'hands in the truth, seen well enough', digits=0),
    'matched': Metric('matched', '', 'reconstructed hands with a true one', higher=True, digits=0),
    'misses': Metric('misses', '', 'true hands that were not found', digits=0),
    'false_hands': Metric('false hands', '', 'reconstructed hands without a true one', digits=0),
    'id_switches': Metric('id switches', '', 'true hands that changed their identity', digits=0),
    'handedness_errors': Metric(
        'wrong side', '', 'left taken for right, or the reverse', digits=0
    ),
    'rejected': Metric('rejected', '', 'detected hands that gave no mesh', digits=0),
    'skipped': Metric('skipped', '', 'messages or pictures that gave no frame', digits=0),
}
TIME_METRICS: dict[str, Metric] = {
    'latency_p50': Metric('p50', 'ms', 'time of all stages for a frame, median'),
    'latency_p95': Metric('p95', 'ms', 'the same, 95th percentile'),
    'latency_p99': Metric('p99', 'ms', 'the same, 99th percentile'),
    'dropped': Metric('dropped', '', 'share of the camera frames without a result', digits=3),
    'fps': Metric('frames/s', '', 'frames a second, reading included', higher=True),
}
ALL_METRICS: dict[str, Metric] = {
    **HAND_METRICS,
    **PROJECTION_METRICS,
    **FIT_METRICS,
    **TRACK_METRICS,
    **DETECTION_METRICS,
    **COUNT_METRICS,
    **TIME_METRICS,
}
