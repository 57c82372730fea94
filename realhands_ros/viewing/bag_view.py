"""Recordings as scenes for the viewer: images, cameras and hands of a bag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from realhands_ros.data.frames import StereoFrame, to_bgr
from realhands_ros.data.truth import TrackedTruth
from realhands_ros.errors import ConfigError, DatasetError
from realhands_ros.messages.topics import IMAGE_TYPES, MESH, REGRESSED
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.frames import FrameStream
from realhands_ros.recordings.hands import RecordedHands, find_hands
from realhands_ros.recordings.topics import find_camera, find_truth
from realhands_ros.recordings.truth import TruthStream
from realhands_ros.texture.stage import TextureStageConfig
from realhands_ros.viewing.rerun_scene import Destination, RerunScene, SceneConfig
from realhands_ros.viewing.scene_frame import SceneFrame, frame_of_result, quality_plots

T = TypeVar('T')


@dataclass(frozen=True)
class BagView:
    """
    Which recordings are shown, and which of their frames; iterating gives the scenes.

    ``bag`` has the images; ``hands`` is the bag of the recorded hands, None for ``bag`` itself.
    Where neither holds hands, the pipeline reconstructs them: ``pipeline``, None for all four
    stages. ``left`` and ``right``: image topics, None for those of a ZED. ``mono``: the left
    camera alone. ``every``: frames 0, every, 2 every, ... are shown. ``frames``: only that many
    frames of the recording are read. Raises ConfigError for values out of range.
    """

    bag: Path
    hands: Path | None = None
    pipeline: PipelineConfig | None = None
    left: str | None = None
    right: str | None = None
    mono: bool = False
    every: int = 1
    frames: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ('every', 'frames'):
            value = getattr(self, name)
            if value is not None and value < 1:
                message = f'{name} is {value}; give 1 or more'
                raise ConfigError(message)

    @property
    def expected(self) -> int:
        """Return the largest number of frames that can be shown."""
        with BagFile(self.bag) as bag:
            counts = [bag.count(t) for t, kind in bag.topics.items() if kind in IMAGE_TYPES]
            found = find_hands(bag.topics)
            counts = counts or [bag.count(found[t]) for t in (MESH, REGRESSED) if t in found]
        total = min([max(counts, default=0), *([self.frames] if self.frames else [])])
        return -(-total // self.every)

    def __iter__(self) -> Iterator[SceneFrame]:
        """
        Read the recordings.

        Raises DatasetError when they cannot be read or show nothing, MessageError for damaged
        hands, and what the pipeline raises when it cannot be built.
        """
        with ExitStack() as stack:
            bag = stack.enter_context(BagFile(self.bag))
            hands = self._recorded(bag, stack)
            if hands is not None and not any(k in IMAGE_TYPES for k in bag.topics.values()):
                yield from self._limited(_without_images(hands))
                return
            topics = find_camera(bag.topics, left=self.left, right=self.right, mono=self.mono)
            stream = FrameStream(bag, topics)
            truth = self._truth(topics.images[0], stack)
            if hands is not None:
                yield from _with_hands(self._limited(stream), hands, truth)
                return
            texture = TextureStageConfig()
            config = self.pipeline or PipelineConfig(texture=texture)
            pipeline = stack.enter_context(HandPipeline(config))
            # Tracking needs every frame, also those that are not shown.
            for number, frame in enumerate(islice(stream, self.frames)):
                result = pipeline(frame)
                if number % self.every == 0:
                    images = tuple(map(to_bgr, frame.images))
                    known = _at(truth, frame)
                    yield frame_of_result(result, images, frame.cameras, known)

    def _limited(self, frames: Iterable[T]) -> Iterator[T]:
        return islice(frames, 0, self.frames, self.every)

    def _recorded(self, bag: BagFile, stack: ExitStack) -> RecordedHands | None:
        if self.hands is not None:
            return RecordedHands(self.hands, stack)
        found = find_hands(bag.topics)
        return RecordedHands(self.bag, stack) if MESH in found or REGRESSED in found else None

    def _truth(self, image_topic: str, stack: ExitStack) -> TruthStream | None:
        # Opened a second time, since a damaged file can be read at one place at a time only.
        bag = stack.enter_context(BagFile(self.bag))
        topic = find_truth(bag.topics, None)
        return None if topic is None else TruthStream(bag, topic, image_topic)


def save_rrd(
    bag: Path,
    recorded_hands_bag: Path | None,
    path: Path,
    *,
    every: int = 3,
    jpeg_quality: int = 75,
    overwrite: bool = False,
) -> int:
    """
    Write a recording as a Rerun file; return how many frames it shows.

    ``bag`` has the images of the cameras, ``recorded_hands_bag`` the nodes' results
    (``realhands run --record``); None takes the hands of ``bag``, or runs the pipeline on it.
    ``every``: every third frame keeps the file small. Raises ConfigError when Rerun is missing or
    the file cannot be written, and what BagView raises.
    """
    view = BagView(bag, recorded_hands_bag, every=every)
    stream = Destination(save=path, overwrite=overwrite).open()
    scene = RerunScene(stream, SceneConfig(jpeg_quality=jpeg_quality))
    shown = 0
    try:
        for frame in view:
            scene.log(frame)
            shown += 1
    finally:
        stream.flush()
        stream.disconnect()
    return shown


def _with_hands(
    frames: Iterator[StereoFrame], hands: RecordedHands, truth: TruthStream | None
) -> Iterator[SceneFrame]:
    for frame in frames:
        meshes, regressed, observations = hands.at(frame.stamp_ns)
        known = _at(truth, frame)
        yield SceneFrame(
            stamp_ns=frame.stamp_ns,
            images=tuple(map(to_bgr, frame.images)),
            cameras=frame.cameras,
            meshes=meshes,
            regressed=regressed,
            observations=observations,
            atlases=hands.atlases,
            truth=known,
            plots=hands.latency_ms(frame.stamp_ns) | quality_plots(meshes, known),
        )


def _without_images(hands: RecordedHands) -> Iterator[SceneFrame]:
    stamps = hands.stamps()
    if not stamps:
        message = 'the recording has no meshes and no images: there is nothing to show'
        raise DatasetError(message)
    for stamp in stamps:
        meshes, regressed, observations = hands.at(stamp)
        plots = hands.latency_ms(stamp) | quality_plots(meshes, ())
        yield SceneFrame(
            stamp_ns=stamp,
            meshes=meshes,
            regressed=regressed,
            observations=observations,
            atlases=hands.atlases,
            plots=plots,
        )


def _at(truth: TruthStream | None, frame: StereoFrame) -> tuple[TrackedTruth, ...]:
    return () if truth is None else truth.at(frame.stamp_ns, frame.frame_id) or ()
