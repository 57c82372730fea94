"""The running average of one hand's skin, texel by texel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.geometry.texel_table import TexelTable
from realhands_ros.texture import atlas_kernels
from realhands_ros.texture.shading import NUM_COEFFICIENTS, fit_shading, gains
from realhands_ros.texture.view_sampler import Samples

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

# Threads that share the texels.
_THREADS = 2
# Every so many texels are looked at to find the shading.
_SHADING_STRIDE = 97
# With fewer known texels among them the shading is fitted to an even skin of the mean tone.
_MIN_KNOWN = 25
# Colours (0..255) darker than this are mostly noise, brighter ones burnt out.
_DARKEST, _BRIGHTEST = 10.0, 250.0


@dataclass(frozen=True)
class AveragingConfig:
    """
    How colours are averaged.

    ``smoothing``: 'confidence' or the paper's 'exponential' with ``exponential_rate``.
    ``most_confidence``: a texel's weights add up to no more than this, so that skin may change:
    the newest frame's share of a well-seen texel is at least 1 / (most_confidence + 1).
    ``outlier_step``: colours (0..255) this far from the mean are doubted; ``patience``: weight of
    outliers, in well-seen frames, after which even the surest texel begins anew.
    """

    smoothing: Literal['confidence', 'exponential'] = 'confidence'
    exponential_rate: float = 0.5
    most_confidence: float = 4.0
    outlier_step: float = 45.0
    patience: float = 2.0


class AtlasPicture(NamedTuple):
    """Colours (T, T, 3) uint8 RGB, coverage map (T, T) uint8 and the share of texels seen."""

    colours: Image
    coverage_map: Image
    coverage: float


class HandAtlas:
    """One hand's atlas; starts out unseen."""

    def __init__(
        self, table: TexelTable, faces: NDArray[np.int64], config: AveragingConfig
    ) -> None:
        """Begin unseen; ``table`` is the layout of the atlas on the mesh's ``faces`` (F, 3)."""
        self._table = table
        self._faces = faces
        few = slice(None, None, _SHADING_STRIDE)
        self._few_corners = faces[table.face[few]]
        self._few_barycentric = table.barycentric[few].astype(np.float64)
        self._config = config
        count = len(table.texels)
        self._colours = np.zeros((count, 3), np.float32)
        self._confidence = np.zeros(count, np.float32)
        self._distrust = np.zeros(count, np.float32)
        # Of each view, the left first; see shading.py.
        self.shading = np.zeros((2, NUM_COEFFICIENTS, 3))

    def update(self, samples: Samples, normals: FloatArray) -> None:
        """Average one frame's samples in; ``normals`` (778, 3) of the vertices, rig's frame."""
        if self._config.smoothing == 'exponential':
            self._in_threads(
                lambda first, last: atlas_kernels.smooth_exponentially(
                    first,
                    last,
                    samples.colours,
                    samples.weights,
                    self._config.exponential_rate,
                    self._colours,
                    self._confidence,
                )
            )
            return
        self._update_shading(samples, normals)
        vertex_gains = np.stack([gains(shading, normals) for shading in self.shading])
        self._in_threads(
            lambda first, last: atlas_kernels.average_into(
                first,
                last,
                self._table.face,
                self._table.barycentric,
                self._faces,
                samples.colours,
                samples.weights,
                vertex_gains,
                self._config.most_confidence,
                self._config.outlier_step,
                self._config.patience,
                self._colours,
                self._confidence,
                self._distrust,
            )
        )

    def picture(self) -> AtlasPicture:
        """Return the atlas as it is now."""
        size = self._table.size
        colours = np.zeros((size, size, 3), np.uint8)
        coverage_map = np.zeros((size, size), np.uint8)
        seen = atlas_kernels.write_picture(
            self._table.texels,
            self._colours,
            self._confidence,
            self._most_confidence,
            colours.reshape(-1, 3),
            coverage_map.reshape(-1),
        )
        return AtlasPicture(colours, coverage_map, seen / len(self._table.texels))

    def load(self, colours: Image, coverage_map: Image) -> None:
        """Take up the colours (T, T, 3) and coverage map (T, T) of a picture of the same size."""
        covered = coverage_map.reshape(-1)[self._table.texels].astype(np.float32)
        self._colours[:] = colours.reshape(-1, 3)[self._table.texels]
        self._confidence[:] = covered / 255.0 * self._most_confidence
        self._distrust[:] = 0.0
        self.shading[:] = 0.0

    @property
    def _most_confidence(self) -> float:
        exponential = self._config.smoothing == 'exponential'
        return 1.0 if exponential else self._config.most_confidence

    def _in_threads(self, work) -> None:  # type: ignore[no-untyped-def]
        bounds = np.linspace(0, len(self._table.texels), _THREADS + 1).astype(np.int64)
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, bounds[:-1], bounds[1:]))

    def _update_shading(self, samples: Samples, normals: FloatArray) -> None:
        """Find how bright each view shows the skin that is known."""
        few = slice(None, None, _SHADING_STRIDE)
        confidence = self._confidence[few].astype(np.float64)
        own = self._colours[few].astype(np.float64)
        weights = samples.weights[:, few].astype(np.float64)
        colours = samples.colours[:, few].astype(np.float64)
        if np.count_nonzero((confidence > 0.0) & (weights.max(axis=0) > 0.0)) < _MIN_KNOWN:
            own[:] = _mean_tone(colours, weights)
            confidence[:] = 1.0
        normals = np.einsum('nk,nkc->nc', self._few_barycentric, normals[self._few_corners])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        for view in range(len(weights)):
            usable = (weights[view] > 0.0) & (confidence > 0.0)
            usable &= (colours[view].min(axis=1) > _DARKEST) & (own.min(axis=1) > _DARKEST)
            usable &= colours[view].max(axis=1) < _BRIGHTEST
            ratios = np.log(colours[view, usable] / own[usable])
            trust = weights[view, usable] * np.minimum(confidence[usable], 1.0)
            self.shading[view] = fit_shading(normals[usable], ratios, trust, self.shading[view])


def _mean_tone(colours: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the median colour (3,) of what the first view that sees anything shows."""
    for view_colours, view_weights in zip(colours, weights, strict=True):
        if view_weights.any():
            return np.asarray(np.median(view_colours[view_weights > 0.0], axis=0))
    return np.full(3, 128.0)
