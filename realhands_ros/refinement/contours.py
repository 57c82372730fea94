"""
Contours of masks, and which point of one belongs to which of another.

A contour is the list of a mask's pixels that touch a pixel outside of it, without those where the
mask is only cut off by the image's border. Two contours made this way from equal masks are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.refinement.hand_estimate import FloatArray

# Blur, in pixels, before the direction of a contour is measured: pixels make stairs.
_NORMAL_BLUR_PX = 1.5


@dataclass(frozen=True, eq=False)
class Contour:
    """
    The contour of a mask: ``pixels`` (N, 2) int (x, y), outward ``normals`` (N, 2) of length one.

    ``nearest`` (H, W) is the index of the contour's pixel that is nearest to each pixel of the
    image. A mask without a contour has N = 0, and its ``nearest`` means nothing.
    """

    pixels: NDArray[np.int32]
    normals: FloatArray
    nearest: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of pixels."""
        return len(self.pixels)


def find_contour(mask: NDArray[np.bool_]) -> Contour:
    """Return the contour of a mask (H, W)."""
    inside = mask.astype(np.uint8)
    # Beyond the border the mask goes on as it is, so that the border makes no contour.
    inner = cv2.erode(inside, _CROSS, borderType=cv2.BORDER_REPLICATE)
    is_contour = inside != inner
    rows, columns = np.nonzero(is_contour)
    _, labels = cv2.distanceTransformWithLabels(
        (~is_contour).astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    # OpenCV numbers the zero pixels from one, row by row, as nonzero lists them.
    return Contour(
        pixels=np.stack([columns, rows], axis=1).astype(np.int32),
        normals=_outward_normals(inside, rows, columns),
        nearest=labels - 1,
    )


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def _outward_normals(
    mask: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> FloatArray:
    blurred = cv2.GaussianBlur(
        mask.astype(np.float32), (0, 0), _NORMAL_BLUR_PX, borderType=cv2.BORDER_REPLICATE
    )
    height, width = mask.shape
    right, left = np.minimum(columns + 1, width - 1), np.maximum(columns - 1, 0)
    below, above = np.minimum(rows + 1, height - 1), np.maximum(rows - 1, 0)
    slope = np.stack(
        [
            blurred[rows, left] - blurred[rows, right],
            blurred[above, columns] - blurred[below, columns],
        ],
        axis=1,
    ).astype(np.float64)
    normals: FloatArray = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return normals
