"""The scores of a mask, by the names that results are kept under."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.hand_scores import Metric, Scores
from realhands_ros.evaluation.metrics import boundary_f, mask_iou, pixel_accuracy

BoolArray = NDArray[np.bool_]

# DAVIS takes 0.8 % of the image's diagonal.
_TOLERANCE = 0.008

MASK_METRICS: dict[str, Metric] = {
    'iou': Metric('IoU', '', 'of the silhouette with the true mask', higher=True, digits=3),
    'accuracy': Metric('accuracy', '', 'share of right pixels', higher=True, digits=3),
    'boundary_f': Metric('boundary F', '', 'F-measure of the outlines', higher=True, digits=3),
}


def mask_scores(found: BoolArray, truth: BoolArray) -> Scores:
    """Return the scores of a mask (H, W), by the names of MASK_METRICS."""
    tolerance = max(1.0, _TOLERANCE * float(np.hypot(truth.shape[0], truth.shape[1])))
    return {
        'iou': mask_iou(found, truth),
        'accuracy': pixel_accuracy(found, truth),
        'boundary_f': boundary_f(found, truth, tolerance),
    }
