"""Plots of a result, and the mean error of each vertex as colours on the hand."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import KEYPOINT_NAMES
from realhands_ros.errors import ConfigError
from realhands_ros.evaluation.metrics import FREIHAND_PCK_THRESHOLDS
from realhands_ros.evaluation.result import EvaluationResult
from realhands_ros.evaluation.scores import ALL_METRICS
from realhands_ros.hand.drawing import grid, label, portrait
from realhands_ros.hand.model_file import HandModelData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Plots of a result, drawn by matplotlib into PNG.

_COLOURS = ('#4269d0', '#efb118', '#ff725c', '#6cc5b0', '#3ca951', '#9c6b4e', '#a463f2')
_GREY = '#666666'
_DPI = 110
_MM = 1000.0
_PERCENTILES = (5, 25, 50, 75, 95)
_CURVES = {
    'pck_vertices_aligned': 'vertices, aligned',
    'pck_keypoints_aligned': 'keypoints, aligned',
    'pck_vertices_relative': 'vertices, relative to the wrist',
}
_OVER_TIME = ('pa_mpvpe', 'wrist', 'silhouette_iou', 'reprojection')


def draw_figures(result: EvaluationResult) -> dict[str, bytes]:
    """
    Return PNG files by name; those for which the result has nothing to show are left out.

    Raises ConfigError when matplotlib is not installed.
    """
    figures = {
        'pck': pck_figure({title: result.maps[s] for s, title in result.stages.items()}),
        'time': _time_figure(result),
        'joints': _joint_figure(result),
        'latency': _latency_figure(result),
    }
    return {name: as_png(figure) for name, figure in figures.items() if figure is not None}


def pck_figure(maps: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """Return the PCK curves of several results or stages, by their titles."""
    if not any('pck_vertices_aligned' in arrays for arrays in maps.values()):
        return None
    figure, axes = _figure(1, len(_CURVES), height=3.4)
    for axis, (name, title) in zip(axes, _CURVES.items(), strict=True):
        for colour, (stage, arrays) in zip(_cycle(), maps.items(), strict=False):
            if name in arrays:
                axis.plot(_MM * FREIHAND_PCK_THRESHOLDS, arrays[name], color=colour, label=stage)
        axis.set(title=title, xlabel='threshold, mm', xlim=(0, 50), ylim=(0, 1))
    axes[0].set_ylabel('share of points')
    axes[0].legend(fontsize=8, loc='lower right')
    return figure


def _time_figure(result: EvaluationResult) -> Figure | None:
    stage = result.final_stage
    columns = result.scores[stage]
    names = [n for n in _OVER_TIME if n in columns and np.isfinite(columns[n]).any()]
    if not names:
        return None
    figure, axes = _figure(len(names), 1, height=1.9 * len(names))
    frames, tracks = result.hands['frame'], result.hands['track']
    shown = np.unique(tracks)
    for axis, name in zip(axes, names, strict=True):
        for colour, track in zip(_cycle(), shown[: len(_COLOURS)], strict=False):
            rows = tracks == track
            axis.plot(frames[rows], columns[name][rows], '.', ms=5, color=colour)
        axis.set_ylabel(ALL_METRICS[name].heading)
    axes[-1].set_xlabel('frame (one colour a track)')
    return figure


def _joint_figure(result: EvaluationResult) -> Figure | None:
    maps = {
        title: result.maps[stage]
        for stage, title in result.stages.items()
        if 'keypoints_mm' in result.maps[stage]
    }
    if not maps:
        return None
    figure, (axis,) = _figure(1, 1, height=3.2)
    width = 0.8 / len(maps)
    places = np.arange(len(KEYPOINT_NAMES))
    for row, (colour, (title, arrays)) in enumerate(zip(_cycle(), maps.items(), strict=False)):
        shift = (row - (len(maps) - 1) / 2) * width
        axis.bar(places + shift, arrays['keypoints_mm'], width, color=colour, label=title)
    axis.set_xticks(places, [name.replace('_', ' ') for name in KEYPOINT_NAMES], rotation=60)
    axis.tick_params(axis='x', labelsize=8)
    axis.set_ylabel('mm, aligned by a rotation')
    axis.legend(fontsize=8)
    return figure


def _latency_figure(result: EvaluationResult) -> Figure | None:
    if not result.timing:
        return None
    figure, (axis,) = _figure(1, 1, height=0.6 + 0.5 * len(result.timing))
    names = list(result.timing)
    for row, name in enumerate(names):
        low, first, median, third, high = np.percentile(result.timing[name], _PERCENTILES)
        axis.hlines(row, low, high, color=_GREY)
        axis.barh(row, third - first, 0.5, left=first, color=_COLOURS[0])
        axis.plot(median, row, '|', color='black', ms=14)
    axis.set_yticks(np.arange(len(names)), names)
    axis.set_xlabel('ms a frame: median, quartiles, 5 to 95 %')
    axis.set_xlim(left=0)
    return figure


def _figure(rows: int, columns: int, *, height: float) -> tuple[Figure, list[Axes]]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        message = "plots need matplotlib: `pip install 'realhands[report]'`, or matplotlib itself"
        raise ConfigError(message) from error
    figure = Figure(figsize=(9.5, height), dpi=_DPI, layout='constrained')
    axes: list[Axes] = list(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    for axis in axes:
        axis.grid(color='#dddddd', lw=0.6)
        axis.set_axisbelow(True)
        axis.spines[['top', 'right']].set_visible(False)
        axis.tick_params(colors=_GREY)
        axis.title.set_fontsize(10)
    return figure, axes


def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG, without the time of its making."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', metadata={'Software': None})
    return buffer.getvalue()


def _cycle() -> list[str]:
    return list(_COLOURS) * 3


# The mean error of each vertex, as colours on the hand.

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
