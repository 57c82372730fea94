"""
Fixtures shared by all tests; see also the report of what was skipped at the end of a run.

A short film of a right hand before a ZED, drawn once a session and only as far as it is needed.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from realhands_ros.geometry.camera import StereoRig
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)

FILM_START_S = 1_700_000_000
FILM_RATE_HZ = 10


class HandFilm:
    """A film of 15 frames at 10 Hz; a right hand is in view of both cameras in each of them."""

    num_frames = 15

    def __init__(self) -> None:
        self._frames: dict[int, NDArray[np.uint8]] = {}

    @cached_property
    def _film(self):
        from realhands_ros.synthesis.config import FilmSettings
        from realhands_ros.synthesis.film import Film

        return Film(FilmSettings(seconds=1.5, rate=FILM_RATE_HZ, seed=11))

    @cached_property
    def _renderer(self):
        from realhands_ros.synthesis.fast.renderer import FastRenderer

        return FastRenderer()

    @property
    def rig(self) -> StereoRig:
        return self._film.rig

    def images(self, index: int) -> NDArray[np.uint8]:
        """Return the left and the right image (2, 376, 672, 4) in BGRA of a frame."""
        from realhands_ros.synthesis.film_rendering import render_frame

        if index not in self._frames:
            self._frames[index] = render_frame(self._film, index, self._renderer).images
        return self._frames[index]

    def stamp_ns(self, index: int) -> int:
        return FILM_START_S * 1_000_000_000 + index * (1_000_000_000 // FILM_RATE_HZ)


@pytest.fixture(scope='session')
def models() -> dict[str, HandModelData]:
    """The shipped open hand, by its sides."""
    folder = default_model_folder()
    return {side: load_hand_model_data(folder, side) for side in ('left', 'right')}


@pytest.fixture(scope='session')
def hand_film() -> HandFilm:
    return HandFilm()


@pytest.fixture(scope='session')
def zed_bag(hand_film: HandFilm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film as a ZED's bag, 1.5 seconds long."""
    from realhands_ros.messages.topics import ZedNames
    from realhands_ros.synthesis.zed_bag.writer import ZedBagWriter

    bag = tmp_path_factory.mktemp('film') / 'zed'
    with ZedBagWriter(bag, [ZedNames('5.1')], hand_film.rig, 'zed2i', {}) as writer:
        for index in range(hand_film.num_frames):
            writer.write_frame(hand_film.stamp_ns(index), hand_film.images(index), [])
    return bag


@pytest.fixture(scope='session')
def ros_domain() -> int:
    """A ROS domain of this test run's own, so that runs at the same time do not meet."""
    return 100 + os.getpid() % 100


@pytest.fixture(scope='session', autouse=True)
def roomy_signal_stack() -> None:
    """Let tests that send themselves a signal survive it beside pytest's faulthandler."""
    from realhands_ros.openvino_runtime import widen_signal_stack

    widen_signal_stack()
