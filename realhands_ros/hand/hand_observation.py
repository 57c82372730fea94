"""One hand as the keypoint stage sees it, as plain arrays; mirrors msg/HandObservation.msg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandView
from realhands_ros.hand.topology import Handedness


@dataclass(frozen=True)
class HandObservation:
    """
    One hand of one frame, before any 3D.

    ``views`` has one entry a camera, the left first; a view that lost the hand has scores of 0.
    ``world_landmarks`` are the detector's own 3D guess, one (21, 3) array or None a view: metres,
    in the axes of the camera that took the image, relative to any point.
    """

    id: str
    handedness: Handedness
    views: tuple[HandView, ...]
    handedness_score: float = 1.0
    score: float = 1.0
    world_landmarks: tuple[NDArray[np.floating[Any]] | None, ...] = (None, None)
