"""The running average of one hand's skin, texel by texel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.texel_table import TexelTable
from realhands_ros.shared_work import run_shared
from realhands_ros.texture import atlas_kernels
from realhands_ros.texture.shading import NUM_COEFFICIENTS, fit_shading, gains
from realhands_ros.texture.view_sampler import Samples

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

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

    ``smoothing``: ``confidence`` weighs every texel by how well it was seen and averages the
    longer the more; ``exponential`` is the paper's plain moving average (section 3.2) of all that
    the rasterised mesh covers, with the share ``exponential_rate`` for the newest frame (1: the
    last frame alone). ``most_confidence``: a texel's weights (at most 1 for a view) add up to no
    more than this, so that skin may change. ``outlier_step``: a colour (0..255) this far from the
    mean is doubted by half. Raises ConfigError for a value out of range.
    """

    smoothing: Literal['confidence', 'exponential'] = 'confidence'
    exponential_rate: float = 0.5
    most_confidence: float = 4.0
    outlier_step: float = 30.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.smoothing not in ('confidence', 'exponential'):
            message = f'smoothing is {self.smoothing!r}; it is confidence or exponential'
            raise ConfigError(message)
        if not 0.0 < self.exponential_rate <= 1.0:
            message = f'exponential_rate is {self.exponential_rate}; it lies in (0, 1]'
            raise ConfigError(message)
        for name in ('most_confidence', 'outlier_step'):
            if not getattr(self, name) > 0.0:
                message = f'{name} is {getattr(self, name)}; it must be above zero'
                raise ConfigError(message)


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
        # Of each view, the left first; see shading.py.
        self.shading = np.zeros((2, NUM_COEFFICIENTS, 3))

    def update(self, samples: Samples, normals: FloatArray) -> None:
        """Average one frame's samples in; ``normals`` (778, 3) of the vertices, rig's frame."""
        if self._is_plain:
            atlas_kernels.smooth_exponentially(
                samples.colours,
                samples.weights,
                self._config.exponential_rate,
                self._colours,
                self._confidence,
            )
            return
        self._update_shading(samples, normals)
        run_shared(
            atlas_kernels.average_into,
            self._table.face,
            self._table.barycentric,
            self._faces,
            samples.colours,
            samples.weights,
            np.stack([gains(shading, normals) for shading in self.shading]),
            np.float32(self._config.most_confidence),
            np.float32(self._config.outlier_step),
            self._colours,
            self._confidence,
        )

    def picture(self) -> AtlasPicture:
        """Return the atlas as it is now."""
        size = self._table.size
        colours = np.zeros((size, size, 3), np.uint8)
        coverage_map = np.zeros((size, size), np.uint8)
        run_shared(
            atlas_kernels.write_picture,
            self._table.texels,
            self._colours,
            self._confidence,
            self._most_confidence,
            colours.reshape(-1, 3),
            coverage_map.reshape(-1),
        )
        seen = np.count_nonzero(self._confidence)
        return AtlasPicture(colours, coverage_map, seen / len(self._confidence))

    def load(self, colours: Image, coverage_map: Image) -> None:
        """Take up the colours (T, T, 3) and coverage map (T, T) of a picture of the same size."""
        covered = coverage_map.reshape(-1)[self._table.texels].astype(np.float32)
        self._colours[:] = colours.reshape(-1, 3)[self._table.texels]
        self._confidence[:] = covered / 255.0 * self._most_confidence
        self.shading[:] = 0.0

    @property
    def _is_plain(self) -> bool:
        return self._config.smoothing == 'exponential'

    @property
    def _most_confidence(self) -> float:
        return 1.0 if self._is_plain else self._config.most_confidence

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
