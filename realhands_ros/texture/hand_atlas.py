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
from realhands_ros.texture.atlas_kernels import AtlasState
from realhands_ros.texture.light_meter import LightMeter
from realhands_ros.texture.shading import NUM_COEFFICIENTS, gains
from realhands_ros.texture.view_kernels import Layout, SeenView

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]


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
    """
    One hand's atlas; starts out unseen.

    ``picture`` is the atlas as it is now, ``shading`` (2, 9, 3) that of each view, the left first;
    see shading.py. Pictures of earlier frames stay as they were.
    """

    def __init__(
        self, table: TexelTable, faces: NDArray[np.int64], config: AveragingConfig
    ) -> None:
        """Begin unseen; ``table`` is the layout of the atlas on the mesh's ``faces`` (F, 3)."""
        self._layout = Layout(faces, table.starts, table.barycentric, table.texels)
        self._config = config
        self._light_meter = LightMeter(table, faces)
        count, size = len(table.texels), table.size
        self._colours = np.zeros((count, 3), np.float32)
        self._confidence = np.zeros(count, np.float32)
        self.shading = np.zeros((2, NUM_COEFFICIENTS, 3))
        self.picture = AtlasPicture(
            np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8), 0.0
        )

    def update(self, views: tuple[SeenView, SeenView], normals: FloatArray) -> None:
        """Average one frame's views in; ``normals`` (778, 3) of the vertices, rig's frame."""
        colours, coverage_map = self.picture.colours.copy(), self.picture.coverage_map.copy()
        state = AtlasState(
            self._colours, self._confidence, colours.reshape(-1, 3), coverage_map.reshape(-1)
        )
        if self._is_plain:
            rate = np.float32(self._config.exponential_rate)
            run_shared(atlas_kernels.smooth_exponentially, self._layout, views, rate, state)
        else:
            self.shading = self._light_meter(
                views, normals, self._colours, self._confidence, self.shading
            )
            run_shared(
                atlas_kernels.average_into,
                self._layout,
                views,
                np.stack([gains(shading, normals) for shading in self.shading]),
                np.float32(self._config.most_confidence),
                np.float32(self._config.outlier_step),
                state,
            )
        self._set_picture(colours, coverage_map)

    def load(self, colours: Image, coverage_map: Image) -> None:
        """Take up the colours (T, T, 3) and coverage map (T, T) of a picture of the same size."""
        texels = self._layout.texels
        covered = coverage_map.reshape(-1)[texels].astype(np.float32)
        self._colours[:] = colours.reshape(-1, 3)[texels]
        self._confidence[:] = covered / 255.0 * self._most_confidence
        self.shading[:] = 0.0
        self._set_picture(colours, coverage_map)

    def _set_picture(self, colours: Image, coverage_map: Image) -> None:
        share = np.count_nonzero(coverage_map) / len(self._confidence)
        self.picture = AtlasPicture(colours, coverage_map, share)

    @property
    def _is_plain(self) -> bool:
        return self._config.smoothing == 'exponential'

    @property
    def _most_confidence(self) -> float:
        return 1.0 if self._is_plain else self._config.most_confidence
