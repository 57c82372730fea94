"""The running average of one hand's skin, texel by texel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.cores import next_task, run_shared
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.rasterizer import TexelTable
from realhands_ros.texture.light import NUM_COEFFICIENTS, LightMeter, gains
from realhands_ros.texture.views import Layout, SeenView, look_at_faces

# Compiled kernels of the running average of an atlas.
#
# They are for run_shared: a task is some faces, whose M texels are looked up, blended and averaged
# in passes that stay in the core's cache. A call with arrays costs as much as some texels, hence a
# pass a call. Shapes: N texels, V vertices, F faces, T texels a side. Colours are RGB in 0..255.

# Sums may be reordered; NaN and infinity keep their meaning.
_FASTMATH = {'reassoc', 'contract', 'nsz'}

# Enough that taking a task costs nothing, few enough that both cores end together.
_FACES_A_TASK = 32

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
# How much of the disbelieved weight of an outlier is taken from the confidence in the mean.
_DOUBT = _HALF


class AtlasState(NamedTuple):
    """
    The mean ``colours`` (N, 3) and the ``confidence`` (N,) in it, both float32, and their picture.

    The confidence is the sum of the weights that went in, up to a cap. ``picture`` (T * T, 3) and
    ``coverage_map`` (T * T,) are uint8, 0 where nothing was seen.
    """

    colours: NDArray[np.float32]
    confidence: NDArray[np.float32]
    picture: NDArray[np.uint8]
    coverage_map: NDArray[np.uint8]


@numba.njit(nogil=True, cache=True)
def average_into(  # type: ignore[no-untyped-def]
    layout, views, vertex_gains, most_confidence, outlier_step, atlas, counter_address
):
    """
    Average both ``views`` into all texels, each by its weight.

    ``vertex_gains`` (2, V, 3): how much brighter than the atlas a view shows the hand, at its
    vertices. A colour that is ``outlier_step`` off the mean counts half, one further off less, but
    it shakes the confidence in the mean: a texel that is seen wrongly once hardly changes, one
    that has changed follows after some frames.
    """
    colours, weights = _space_for_a_task(layout.starts)
    while True:
        first_face, last_face = _next_faces(counter_address, len(layout.faces))
        if first_face == last_face:
            return
        for view in range(2):
            look_at_faces(views[view], layout, first_face, last_face, colours[view], weights[view])
            _take_light_off(
                layout, vertex_gains[view], first_face, last_face, colours[view], weights[view]
            )
        first, last = layout.starts[first_face], layout.starts[last_face]
        _blend_views(colours, weights, last - first, outlier_step)
        _average(atlas, first, last, colours[0], weights[0], most_confidence, outlier_step)
        _show(atlas, first, last, weights[0], most_confidence, layout.texels)


@numba.njit(nogil=True, cache=True)
def smooth_exponentially(layout, views, rate, atlas, counter_address):  # type: ignore[no-untyped-def]
    """
    Move all texels towards the mean of both ``views`` by ``rate`` (paper, section 3.2).

    A texel that was never seen takes the colour at once.
    """
    colours, weights = _space_for_a_task(layout.starts)
    while True:
        first_face, last_face = _next_faces(counter_address, len(layout.faces))
        if first_face == last_face:
            return
        for view in range(2):
            look_at_faces(views[view], layout, first_face, last_face, colours[view], weights[view])
        first, last = layout.starts[first_face], layout.starts[last_face]
        _blend_views(colours, weights, last - first, np.float32(np.inf))
        _smooth(atlas, first, last, colours[0], weights[0], rate)
        _show(atlas, first, last, weights[0], _ONE, layout.texels)


@numba.njit(nogil=True, cache=True)
def _next_faces(counter_address, count):  # type: ignore[no-untyped-def]
    """Return the first and the last face (exclusive) of the next task; the same at the end."""
    first = min(next_task(counter_address) * _FACES_A_TASK, count)
    return first, min(first + _FACES_A_TASK, count)


@numba.njit(nogil=True, cache=True)
def _space_for_a_task(starts):  # type: ignore[no-untyped-def]
    """Return colours (2, M, 3) and weights (2, M) for the texels of any task in two views."""
    num_faces = len(starts) - 1
    most = 0
    for f in range(0, num_faces, _FACES_A_TASK):
        most = max(most, starts[min(f + _FACES_A_TASK, num_faces)] - starts[f])
    return np.empty((2, most, 3), np.float32), np.empty((2, most), np.float32)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _take_light_off(layout, gains, first_face, last_face, colours, weights):  # type: ignore[no-untyped-def]
    """Divide one view's colours by the gains (V, 3) at its vertices, and between them."""
    faces, starts, barycentric, _ = layout
    first = starts[first_face]
    for f in range(first_face, last_face):
        p, q, r = faces[f, 0], faces[f, 1], faces[f, 2]
        for n in range(starts[f], starts[f + 1]):
            if weights[n - first] > _ZERO:
                for channel in range(3):
                    colours[n - first, channel] /= (
                        barycentric[n, 0] * gains[p, channel]
                        + barycentric[n, 1] * gains[q, channel]
                        + barycentric[n, 2] * gains[r, channel]
                    )


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _blend_views(colours, weights, count, outlier_step):  # type: ignore[no-untyped-def]
    """Put the mean of both views' colours, and the weight of it, in place of the left's."""
    for i in range(count):
        left, right = weights[0, i], weights[1, i]
        if right <= _ZERO:
            continue
        spread = _ZERO
        for channel in range(3):
            spread = max(spread, abs(colours[1, i, channel] - colours[0, i, channel]))
        total = left + right
        share = right / total
        # Two views that contradict one another: a highlight, or one shows something else.
        if spread > outlier_step:
            total = _HALF * max(left, right)
            share = _ONE if right > left else _ZERO
        if left <= _ZERO:
            total, share = right, _ONE
        for channel in range(3):
            difference = colours[1, i, channel] - colours[0, i, channel]
            colours[0, i, channel] += share * difference
        weights[0, i] = total


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _average(atlas, first, last, colours, weights, most_confidence, outlier_step):  # type: ignore[no-untyped-def]
    """Average colours (M, 3) that weigh more than 0 into the texels [first, last)."""
    mean, confidence, _, _ = atlas
    for n in range(first, last):
        weight = weights[n - first]
        if weight <= _ZERO:
            continue
        known = confidence[n]
        if known > _ZERO:
            away = _ZERO
            for channel in range(3):
                away = max(away, abs(colours[n - first, channel] - mean[n, channel]))
            ratio = away / outlier_step
            believed = weight / (_ONE + ratio * ratio)
            known = max(known - _DOUBT * (weight - believed), _ZERO)
            weight = believed
        share = weight / (known + weight)
        for channel in range(3):
            mean[n, channel] += share * (colours[n - first, channel] - mean[n, channel])
        confidence[n] = min(known + weight, most_confidence)


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _smooth(atlas, first, last, colours, weights, rate):  # type: ignore[no-untyped-def]
    """Move the texels [first, last) towards the colours (M, 3) that weigh more than 0."""
    mean, confidence, _, _ = atlas
    for n in range(first, last):
        if weights[n - first] > _ZERO:
            share = rate if confidence[n] > _ZERO else _ONE
            for channel in range(3):
                mean[n, channel] += share * (colours[n - first, channel] - mean[n, channel])
            confidence[n] = _ONE


@numba.njit(nogil=True, cache=True, fastmath=_FASTMATH)
def _show(atlas, first, last, weights, most_confidence, texels):  # type: ignore[no-untyped-def]
    """Write those of the texels [first, last) that weigh more than 0 into picture and map."""
    mean, confidence, picture, coverage_map = atlas
    for n in range(first, last):
        if weights[n - first] > _ZERO:
            for channel in range(3):
                level = min(max(mean[n, channel] + _HALF, _ZERO), np.float32(255.0))
                picture[texels[n], channel] = np.uint8(level)
            sure = min(confidence[n] / most_confidence, _ONE)
            coverage_map[texels[n]] = np.uint8(_ONE + np.float32(254.0) * sure)


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
    see texture/light.py. Pictures of earlier frames stay as they were.
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
            run_shared(smooth_exponentially, self._layout, views, rate, state)
        else:
            self.shading = self._light_meter(
                views, normals, self._colours, self._confidence, self.shading
            )
            run_shared(
                average_into,
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
