"""
The scores of one reconstructed hand against the true one, under names that results are kept by.

Averaged over hands they are the figures of the tables. The area under the PCK curve may be
averaged too: all hands have equally many points, so the mean of their areas is the area of the
curve of all points together, as FreiHAND computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.metrics import (
    f_score,
    mean_position_error,
    pck_auc,
    point_errors,
    procrustes_aligned,
    root_relative,
    rotation_error,
)
from realhands_ros.evaluation.reconstruction import Knows, Reconstruction
from realhands_ros.evaluation.tracked_truth import TrueHand

FloatArray = NDArray[np.float64]
Scores = dict[str, float]

_MM = 1000.0
_WRIST = 0


@dataclass(frozen=True)
class Metric:
    """
    How a score is named and read.

    ``title`` heads a column; ``unit`` is empty for a plain number; ``higher`` tells that more is
    better; ``meaning`` is one line for a legend.
    """

    title: str
    unit: str
    meaning: str
    higher: bool = False
    digits: int = 1

    @property
    def heading(self) -> str:
        """Return title and unit."""
        return f'{self.title} {self.unit}'.strip()

    def text(self, value: float) -> str:
        """Return a value in the metric's usual precision, a dash where there is none."""
        return '–' if not np.isfinite(value) else f'{value:.{self.digits}f}'


def _share(title: str, meaning: str) -> Metric:
    return Metric(title, '', meaning, higher=True, digits=3)


HAND_METRICS: dict[str, Metric] = {
    'pa_mpvpe': Metric('PA-MPVPE', 'mm', 'vertices after FreiHAND alignment (may mirror)'),
    'pa_mpvpe_proper': Metric('PA-MPVPE proper', 'mm', 'vertices after alignment by a rotation'),
    'pa_mpjpe': Metric('PA-MPJPE', 'mm', '21 keypoints after FreiHAND alignment'),
    'pa_mpjpe_proper': Metric('PA-MPJPE proper', 'mm', 'keypoints after alignment by a rotation'),
    'f5': _share('F@5', 'F-score of aligned vertices at 5 mm'),
    'f15': _share('F@15', 'F-score of aligned vertices at 15 mm'),
    'auc': _share('AUC', 'area under the PCK curve of aligned vertices, 0 to 50 mm'),
    'auc_keypoints': _share('AUC keypoints', 'the same of aligned keypoints'),
    'mpvpe': Metric('MPVPE', 'mm', 'vertices relative to the wrist'),
    'mpjpe': Metric('MPJPE', 'mm', 'keypoints relative to the wrist'),
    'auc_relative': _share('AUC wrist-rel.', 'area under the PCK curve, vertices rel. to wrist'),
    'mpvpe_abs': Metric('MPVPE abs', 'mm', 'vertices in the left optical frame'),
    'mpjpe_abs': Metric('MPJPE abs', 'mm', 'keypoints in the left optical frame'),
    'f5_raw': _share('F@5 raw', 'F-score at 5 mm without alignment'),
    'f15_raw': _share('F@15 raw', 'F-score at 15 mm without alignment'),
    'wrist': Metric('wrist', 'mm', 'distance of the wrist from where it is'),
    'centre': Metric('centre', 'mm', 'distance of the mean of the vertices from where it is'),
    'wrist_rotation': Metric('wrist rot.', 'deg', 'angle between the wrists'),
}


def hand_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    """Return what can be said of one hand, by the names of HAND_METRICS; millimetres, degrees."""
    scores = _form_scores(found, truth)
    if found.knows >= Knows.ORIENTATION:
        scores |= _orientation_scores(found, truth)
    if found.knows >= Knows.POSITION:
        scores |= _position_scores(found, truth)
    return scores


def _form_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    keypoints = procrustes_aligned(found.keypoints, truth.keypoints, allow_reflection=True)
    proper = procrustes_aligned(found.keypoints, truth.keypoints, allow_reflection=False)
    scores = {
        'pa_mpjpe': _MM * mean_position_error(keypoints, truth.keypoints),
        'pa_mpjpe_proper': _MM * mean_position_error(proper, truth.keypoints),
        'auc_keypoints': pck_auc(point_errors(keypoints, truth.keypoints)),
    }
    if found.vertices is not None and truth.vertices is not None:
        vertices = procrustes_aligned(found.vertices, truth.vertices, allow_reflection=True)
        proper = procrustes_aligned(found.vertices, truth.vertices, allow_reflection=False)
        scores |= {
            'pa_mpvpe': _MM * mean_position_error(vertices, truth.vertices),
            'pa_mpvpe_proper': _MM * mean_position_error(proper, truth.vertices),
            'f5': f_score(vertices, truth.vertices, 0.005),
            'f15': f_score(vertices, truth.vertices, 0.015),
            'auc': pck_auc(point_errors(vertices, truth.vertices)),
        }
    return scores


def _orientation_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    wrist, true_wrist = found.keypoints[_WRIST], truth.keypoints[_WRIST]
    keypoints = root_relative(found.keypoints, wrist)
    scores = {'mpjpe': _MM * mean_position_error(keypoints, truth.keypoints - true_wrist)}
    if found.vertices is not None and truth.vertices is not None:
        errors = point_errors(root_relative(found.vertices, wrist), truth.vertices - true_wrist)
        scores |= {'mpvpe': _MM * float(errors.mean()), 'auc_relative': pck_auc(errors)}
    if found.root_aa is not None and truth.root_aa is not None:
        angle = rotation_error(found.root_aa, truth.root_aa)
        scores['wrist_rotation'] = float(np.rad2deg(angle))
    return scores


def _position_scores(found: Reconstruction, truth: TrueHand) -> Scores:
    wrist = np.linalg.norm(found.keypoints[_WRIST] - truth.keypoints[_WRIST])
    scores = {
        'wrist': _MM * float(wrist),
        'mpjpe_abs': _MM * mean_position_error(found.keypoints, truth.keypoints),
    }
    if found.vertices is not None and truth.vertices is not None:
        centre = found.vertices.mean(axis=0) - truth.vertices.mean(axis=0)
        scores |= {
            'centre': _MM * float(np.linalg.norm(centre)),
            'mpvpe_abs': _MM * mean_position_error(found.vertices, truth.vertices),
            'f5_raw': f_score(found.vertices, truth.vertices, 0.005),
            'f15_raw': f_score(found.vertices, truth.vertices, 0.015),
        }
    return scores
