"""Latency and drops of a running system, from the arrival times of messages; without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from realhands_ros.errors import DatasetError
from realhands_ros.evaluation.metrics import latency_percentiles
from realhands_ros.evaluation.scores import ALL_METRICS
from realhands_ros.evaluation.summary import text_table

METRICS = ('fps', 'dropped', 'latency_p50', 'latency_p95', 'latency_p99')
# Frames younger than this at the end are not counted: their results may still be on the way.
_GRACE_NS = 500_000_000


class Arrival(NamedTuple):
    """A message: its topic, its stamp, and when it arrived by one clock, both in nanoseconds."""

    topic: str
    stamp_ns: int
    arrived_ns: int


@dataclass(frozen=True)
class LiveStatistics:
    """
    Rate, drops and latency of each topic, relative to the camera's frames.

    ``frames``: how many are counted; ``camera_fps``: frames of the camera a second; ``topics``:
    the figures of METRICS by topic. The latency runs from the arrival of a frame's camera_info to
    that of the message with its stamp, so that no clock of another machine is needed.
    """

    frames: int
    camera_fps: float
    topics: dict[str, dict[str, float]]

    def value(self, metric: str, stage: str | None = None) -> float | None:
        """Return a figure of a topic, of the last one unless one is named; None if absent."""
        topic = stage or list(self.topics)[-1]
        return self.topics.get(topic, {}).get(metric)

    def text(self) -> str:
        """Return a table."""
        rows = [
            (topic, *(ALL_METRICS[name].text(values[name]) for name in METRICS))
            for topic, values in self.topics.items()
        ]
        table = text_table(('topic', *(ALL_METRICS[name].heading for name in METRICS)), rows)
        return f'{self.frames} frames of the camera, {self.camera_fps:.1f} a second\n\n{table}'


def live_statistics(
    arrivals: Sequence[Arrival], camera_topic: str, topics: Sequence[str], end_ns: int
) -> LiveStatistics:
    """
    Return the statistics of what arrived until ``end_ns``; DatasetError without any frame.

    A stamp that the camera repeats counts once. Frames whose camera_info the
    listener missed and frames of the last half second are not counted.
    """
    taken = {a.stamp_ns: a.arrived_ns for a in reversed(arrivals) if a.topic == camera_topic}
    due = {s: at for s, at in taken.items() if at <= end_ns - _GRACE_NS}
    if not due:
        message = (
            f'nothing came on {camera_topic}: is the camera running, in this ROS domain, and is '
            'this its camera_info (--camera-info)?'
        )
        raise DatasetError(message)
    span = 1e-9 * (max(due.values()) - min(due.values()))
    fps = (len(due) - 1) / span if span > 0 else float('nan')
    figures = {topic: _topic_figures(arrivals, topic, due, span) for topic in topics}
    return LiveStatistics(len(due), fps, figures)


def _topic_figures(
    arrivals: Sequence[Arrival], topic: str, due: dict[int, int], span_s: float
) -> dict[str, float]:
    first: dict[int, int] = {}
    for arrival in arrivals:
        if arrival.topic == topic:
            first.setdefault(arrival.stamp_ns, arrival.arrived_ns)
    found = [stamp for stamp in due if stamp in first]
    latencies = [1e-6 * (first[stamp] - due[stamp]) for stamp in found]
    percentiles = latency_percentiles(latencies)
    return {
        'fps': (len(found) - 1) / span_s if span_s > 0 and found else 0.0,
        'dropped': 1.0 - len(found) / len(due),
        **{f'latency_{name}': value for name, value in percentiles.items()},
    }
