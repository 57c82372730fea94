"""Steadiness of hands over time, from keypoints that were kept frame by frame."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.evaluation.hand_scores import Metric, Scores
from realhands_ros.evaluation.metrics import bone_length_variation, jitter_rms
from realhands_ros.evaluation.sequence_metrics import JITTER_WINDOW
from realhands_ros.hand.topology import NUM_KEYPOINTS

FloatArray = NDArray[np.float64]

TRACK_METRICS: dict[str, Metric] = {
    'jitter': Metric('jitter', 'mm', 'RMS of keypoints after an 11-frame high-pass', digits=2),
    'jitter_error': Metric(
        'jitter err.',
        'mm',
        'the same of the keypoints less the true ones: no real motion',
        digits=2,
    ),
    'bone_variation': Metric('bones', '%', "coefficient of variation of the bones' lengths"),
}

_MM = 1000.0
_SIZE = NUM_KEYPOINTS * 3


class Tracks:
    """The keypoints of hands, in rows of frame, track and 63 coordinates."""

    def __init__(self) -> None:
        self._keys = array('q')
        self._points = array('f')

    def add(self, frame: int, track: int, keypoints: ArrayLike) -> None:
        """Add keypoints (21, 3) in metres of a track in a frame."""
        self._keys.extend((frame, track))
        self._points.frombytes(np.asarray(keypoints, np.float32).tobytes())

    def scores(self) -> Scores:
        """
        Return jitter (mm) and bone variation (%), by the names of TRACK_METRICS.

        Only runs of consecutive frames of a track are looked at; jitter is the root of the mean
        square over all of them, bone variation the mean over tracks. What cannot be told from so
        few frames is left out.
        """
        keys = np.array(self._keys, np.int64).reshape(-1, 2)
        points = np.array(self._points, np.float64).reshape(-1, NUM_KEYPOINTS, 3)
        squares, lengths, variations = [], [], []
        for track in np.unique(keys[:, 1]):
            rows = np.flatnonzero(keys[:, 1] == track)
            if len(rows) > 1:
                variations.append(bone_length_variation(points[rows]))
            for run in np.split(rows, np.flatnonzero(np.diff(keys[rows, 0]) != 1) + 1):
                if len(run) >= JITTER_WINDOW:
                    squares.append(
                        np.mean([jitter_rms(p) ** 2 for p in points[run].swapaxes(0, 1)])
                    )
                    lengths.append(len(run) - JITTER_WINDOW + 1)
        scores: Scores = {}
        if squares:
            scores['jitter'] = _MM * float(np.sqrt(np.average(squares, weights=lengths)))
        if variations:
            scores['bone_variation'] = 100.0 * float(np.mean(variations))
        return scores
