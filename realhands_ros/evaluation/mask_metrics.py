"""Agreement of two binary masks (H, W): IoU, pixel accuracy, boundary F."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

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
