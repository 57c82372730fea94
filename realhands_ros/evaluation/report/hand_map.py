"""The mean error of each vertex, as colours on the hand."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.portrait import grid, label, portrait

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

_SIZE = 300
_BAR_PX = 60
_STEP_MM = 2.0


def draw_hand_map(errors_mm: FloatArray, data: HandModelData) -> bytes:
    """
    Return a PNG of the flat hand from palm and back, coloured by ``errors_mm`` (778,).

    Dark is zero; bright is the next even number of millimetres above the largest error.
    """
    top = max(_STEP_MM, _STEP_MM * float(np.ceil(errors_mm.max() / _STEP_MM)))
    colours = _colours(errors_mm / top)
    pictures = [
        label(
            portrait(
                data.v_template, data.faces, data.handedness, view,
                size=_SIZE, vertex_colours=colours,
            ),
            view,
        )
        for view in ('palm', 'back')
    ]  # fmt: skip
    picture = grid([[*pictures, _scale_bar(top)]])
    done, png = cv2.imencode('.png', picture[..., ::-1])
    assert done
    return bytes(png.tobytes())


def _colours(shares: FloatArray) -> Image:
    """Return RGB colours (N, 3) of numbers (N,) in 0..1."""
    grey = np.clip(255.0 * shares, 0, 255).astype(np.uint8)[:, None]
    bgr = np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS), np.uint8)
    return bgr[:, 0, ::-1]


def _scale_bar(top: float) -> Image:
    bar = np.full((_SIZE, _BAR_PX, 3), 255, np.uint8)
    height = _SIZE - 60
    bar[30 : 30 + height, 8:22] = _colours(np.linspace(1.0, 0.0, height))[:, None]
    for text, row in ((f'{top:.0f} mm', 24), ('0', 30 + height + 14)):
        cv2.putText(
            bar, text, (6, row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA
        )
    return bar
