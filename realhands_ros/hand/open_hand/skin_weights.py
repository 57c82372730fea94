"""Skin weights of the model's vertices, carried over from the source's surface."""

from __future__ import annotations

import numpy as np

from realhands_ros.hand.open_hand.source import FloatArray, RiggedHand
from realhands_ros.hand.open_hand.surface import closest_points

# Smaller weights move a vertex by less than a tenth of a millimetre and only cost time.
_NEGLIGIBLE = 2e-3


def transferred_weights(surface: RiggedHand, vertices: FloatArray) -> FloatArray:
    """Return the surface's weights next to ``vertices``, (V, 16); rows sum to 1."""
    points = closest_points(vertices, surface.vertices, surface.faces)
    weights = points.interpolate(surface.skin_weights, surface.faces)
    weights[weights < _NEGLIGIBLE] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
