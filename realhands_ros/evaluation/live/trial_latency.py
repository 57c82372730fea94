"""Latency, rate and drops of each stage of a running system, from what was sent and received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from realhands_ros.evaluation.live.trial import Trial
from realhands_ros.evaluation.metrics import latency_percentiles

# Each stage's result, the result that it is made from (None: the left image) and its name.
_STAGES = (
    ('keypoints', 'hands/observations', None),
    ('handnet', 'hands/mesh_regressed', 'hands/observations'),
    ('refinement', 'hands/mesh', 'hands/mesh_regressed'),
    ('texture', 'hands/texture', 'hands/mesh'),
    ('image to mesh', 'hands/mesh', None),
)
END_TO_END = _STAGES[-1][0]


@dataclass(frozen=True)
class StageLatency:
    """
    One row of the table.

    ``frames``: how many results came; ``rate``: results a second; ``milliseconds``: percentiles
    'p50', 'p95', 'p99' of the time from the stage's input to its result, transport included.
    """

    frames: int
    rate: float
    milliseconds: Mapping[str, float]


@dataclass(frozen=True)
class TrialLatency:
    """``sent``: stereo frames of the recording; ``dropped``: those without a refined mesh."""

    sent: int
    dropped: int
    stages: Mapping[str, StageLatency]


def trial_latency(trial: Trial, image_topic: str) -> TrialLatency:
    """
    Return the latency of each stage.

    A frame begins when its left image, ``image_topic``, is handed to DDS, and ends with the
    arrival of its refined mesh in the recorder's process.
    """
    images = {a.stamp_ns: a.arrived_ns for a in trial.published if a.topic == image_topic}
    seconds = 1e-9 * (max(images.values()) - min(images.values())) if len(images) > 1 else 0.0
    arrived: dict[str, dict[int, int]] = {}
    for arrival in trial.received:
        arrived.setdefault(arrival.topic, {}).setdefault(arrival.stamp_ns, arrival.arrived_ns)
    stages = {}
    for name, result, source in _STAGES:
        begin = images if source is None else arrived.get(source, {})
        end = arrived.get(result, {})
        times = [1e-6 * (end[stamp] - begin[stamp]) for stamp in end if stamp in begin]
        rate = (len(end) - 1) / seconds if seconds and end else float('nan')
        stages[name] = StageLatency(len(end), rate, latency_percentiles(np.array(times)))
    meshes = arrived.get('hands/mesh', {})
    return TrialLatency(len(images), sum(stamp not in meshes for stamp in images), stages)
