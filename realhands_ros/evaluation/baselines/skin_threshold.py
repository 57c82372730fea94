"""Segmentation by skin colour: thresholds in HSV, the paper's first baseline (Table 3)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Kolkur et al., "Human skin detection using RGB, HSV and YCbCr color models", 2017: hue 0 to 50
# degrees, saturation 0.23 to 0.68. OpenCV counts hue in steps of two degrees.
_LOWEST = (0, round(0.23 * 255), 0)
_HIGHEST = (25, round(0.68 * 255), 255)


def skin_mask(image_bgr: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of an image (H, W, 3) that have the colour of skin, (H, W)."""
    hsv = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)
    return np.asarray(cv2.inRange(hsv, np.array(_LOWEST), np.array(_HIGHEST)) > 0)
