"""The best and the worst frames of an evaluation, as pictures, a few of each at any time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.all_metrics import ALL_METRICS
from realhands_ros.evaluation.overlay import Overlay, as_jpeg
from realhands_ros.evaluation.result import Picture
from realhands_ros.evaluation.tracked_truth import TrackedTruth
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.topology import Handedness
from realhands_ros.keypoints.frame import StereoFrame, to_bgr

_KEPT = 4

# How good, (negated) number of the frame, which no two share, what is shown.
_Entry = tuple[float, int, Overlay]


class Showcase:
    """Keeps overlays of the frames with the smallest and the largest errors."""

    def __init__(self, faces: Mapping[Handedness, NDArray[np.int64]]) -> None:
        self._faces = faces
        self._best: list[_Entry] = []
        self._worst: list[_Entry] = []

    def offer(
        self,
        number: int,
        frame: StereoFrame,
        meshes: Sequence[HandMesh],
        truth: Sequence[TrackedTruth],
        errors: Sequence[float],
    ) -> None:
        """Keep a frame if it belongs to either end; ``errors`` has one number a mesh."""
        if not errors:
            return
        error = float(np.mean(errors))
        is_best = len(self._best) < _KEPT or -error > self._best[0][0]
        is_worst = len(self._worst) < _KEPT or error > self._worst[0][0]
        if not (is_best or is_worst):
            return
        camera, image = frame.cameras[0], to_bgr(frame.images[0])
        true_px = [hand.keypoints_px(0, camera) for hand in truth]
        overlay = Overlay.cut(image, camera, [_without_views(mesh) for mesh in meshes], true_px)
        if is_best:
            _keep(self._best, (-error, -number, overlay))
        if is_worst:
            _keep(self._worst, (error, -number, overlay))

    def pictures(self, metric: str | None) -> tuple[Picture, ...]:
        """Return the best frames, then the worst; ``metric`` names what the errors are."""
        shown: list[Picture] = []
        if metric is None:
            return ()
        heading = ALL_METRICS[metric].heading
        for name, entries in (('best', self._best), ('worst', self._worst)):
            for rank, (value, number, overlay) in enumerate(
                sorted(entries, reverse=True), start=1
            ):
                figure = ALL_METRICS[metric].text(abs(value))
                caption = f'{name} {rank}: frame {-number}, {heading} {figure}'
                jpeg = as_jpeg(overlay.drawn(self._faces))
                shown.append(Picture(f'{name}_{rank}.jpg', caption, jpeg))
        return tuple(shown)


def _without_views(mesh: HandMesh) -> HandMesh:
    """Return a mesh without its crops, which need not be kept."""
    return replace(mesh, views=())


def _keep(entries: list[_Entry], entry: _Entry) -> None:
    heapq.heappush(entries, entry)
    if len(entries) > _KEPT:
        heapq.heappop(entries)
