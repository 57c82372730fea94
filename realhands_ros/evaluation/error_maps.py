"""Errors summed over all hands: where on the hand they are, and how they are distributed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.metrics import (
    FREIHAND_PCK_THRESHOLDS,
    pck,
    point_errors,
    procrustes_aligned,
    root_relative,
)
from realhands_ros.evaluation.reconstruction import Reconstruction
from realhands_ros.evaluation.tracked_truth import TrueHand
from realhands_ros.hand.topology import NUM_KEYPOINTS, NUM_VERTICES

FloatArray = NDArray[np.float64]

_MM = 1000.0
_WRIST = 0
_CURVES = ('vertices_aligned', 'keypoints_aligned', 'vertices_relative')


class ErrorMaps:
    """
    Means over hands with a true mesh.

    ``vertices`` (778,) and ``keypoints`` (21,): distance in mm after alignment by a rotation.
    ``curves``: the PCK at FREIHAND_PCK_THRESHOLDS of vertices and keypoints after FreiHAND's
    alignment, and of vertices relative to the wrist.
    """

    def __init__(self) -> None:
        self._count = 0
        self._vertices = np.zeros(NUM_VERTICES)
        self._keypoints = np.zeros(NUM_KEYPOINTS)
        self._curves = {name: np.zeros(len(FREIHAND_PCK_THRESHOLDS)) for name in _CURVES}

    def add(self, found: Reconstruction, truth: TrueHand) -> None:
        """Take in a hand; one without a mesh, or whose truth has none, is passed over."""
        if found.vertices is None or truth.vertices is None:
            return
        self._count += 1
        self._vertices += _aligned_errors(found.vertices, truth.vertices, mirror=False)
        self._keypoints += _aligned_errors(found.keypoints, truth.keypoints, mirror=False)
        relative = point_errors(
            root_relative(found.vertices, found.keypoints[_WRIST]),
            root_relative(truth.vertices, truth.keypoints[_WRIST]),
        )
        errors = (
            _aligned_errors(found.vertices, truth.vertices, mirror=True),
            _aligned_errors(found.keypoints, truth.keypoints, mirror=True),
            relative,
        )
        for name, values in zip(_CURVES, errors, strict=True):
            self._curves[name] += pck(values)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the means by name, none at all without a hand."""
        if not self._count:
            return {}
        sums = {
            'vertices_mm': _MM * self._vertices,
            'keypoints_mm': _MM * self._keypoints,
            **{f'pck_{name}': curve for name, curve in self._curves.items()},
        }
        return {name: total / self._count for name, total in sums.items()}


def _aligned_errors(found: FloatArray, truth: FloatArray, *, mirror: bool) -> FloatArray:
    return point_errors(procrustes_aligned(found, truth, allow_reflection=mirror), truth)
