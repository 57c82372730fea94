"""Render the frames of a film in several processes, and hand them out in order."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.cores import use_one_core
from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.camera_effects import develop
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.film import Film
from realhands_ros.synthesis.rendering import Renderer
from realhands_ros.synthesis.sample import visible_keypoints
from realhands_ros.synthesis.scene import HandTruth, Label

# Frames in the making for each process: enough that none waits for another.
_FRAMES_AHEAD = 2

# Labels as they would be if the second hand were the one that the scene is about.
_OTHER_HAND_FIRST = np.array(
    [Label.BACKGROUND, Label.OTHER_HAND, Label.OTHER_ARM, Label.HAND, Label.ARM, Label.OBJECT],
    dtype=np.uint8,
)


@dataclass(frozen=True, eq=False)
class SeenHand:
    """
    The truth of a hand of which at least one camera sees a pixel.

    ``keypoints_visible`` (2, 21): in the left and the right image and not hidden; ``mask_areas``
    (2,) the pixels that show it.
    """

    truth: HandTruth
    keypoints_visible: NDArray[np.bool_]
    mask_areas: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One frame: ``images`` (2, H, W, 4) uint8 in BGRA, left and right, and the hands in it."""

    index: int
    images: NDArray[np.uint8]
    hands: tuple[SeenHand, ...]


def render_frame(film: Film, index: int, renderer: Renderer) -> RenderedFrame:
    """Render frame ``index`` as a ZED would deliver it."""
    frame = film.frame(index)
    views = renderer.render(frame.scene)
    pictures = develop(views, frame.scene.effects)
    labels = np.stack([view.labels for view in views])
    seen = []
    for number, hand in enumerate(frame.hands):
        own_labels = labels if number == 0 else _OTHER_HAND_FIRST[labels]
        areas = (own_labels == Label.HAND).sum(axis=(1, 2))
        if areas.any():
            visible = [
                visible_keypoints(hand, camera, view)
                for camera, view in zip(film.rig.views, own_labels, strict=True)
            ]
            seen.append(SeenHand(hand, np.stack(visible), areas))
    bgra = [np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2BGRA), np.uint8) for p in pictures]
    return RenderedFrame(index, np.stack(bgra), tuple(seen))


def render_film(settings: FilmSettings, *, processes: int) -> Generator[RenderedFrame, None, None]:
    """
    Yield all frames in order; they do not depend on the number of processes.

    Raises DatasetError when a process dies.
    """
    # Forked children would inherit the locks of torch's and OpenCV's threads.
    context = multiprocessing.get_context('spawn')
    executor = ProcessPoolExecutor(
        min(processes, settings.num_frames),
        mp_context=context,
        initializer=_start_worker,
        initargs=(settings,),
    )
    try:
        waiting: deque[Future[RenderedFrame]] = deque()
        for index in range(settings.num_frames):
            waiting.append(executor.submit(_render_one, index))
            if len(waiting) > _FRAMES_AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        message = (
            f'a rendering process died ({error}); if memory ran out, give fewer --processes '
            f'than {processes}'
        )
        raise DatasetError(message) from error
    finally:
        executor.shutdown(cancel_futures=True)


class _Worker:
    """What one process keeps between frames."""

    def __init__(self, settings: FilmSettings) -> None:
        use_one_core()
        self._film, self._renderer = Film(settings), FastRenderer()

    def render(self, index: int) -> RenderedFrame:
        return render_frame(self._film, index, self._renderer)


_worker: _Worker | None = None


def _start_worker(settings: FilmSettings) -> None:
    global _worker
    # Ctrl-C reaches the whole group of processes; the parent alone decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = _Worker(settings)


def _render_one(index: int) -> RenderedFrame:
    assert _worker is not None
    return _worker.render(index)
