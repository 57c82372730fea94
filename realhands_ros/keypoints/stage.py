"""The keypoint stage: the images of one instant in, the hands in them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandObservation, MeshFlag
from realhands_ros.errors import ConfigError
from realhands_ros.keypoints.detection import HandDetection, ViewDetector, ViewImage
from realhands_ros.keypoints.keypoint_marks import marks_matrix
from realhands_ros.keypoints.mediapipe_detector import MediaPipeDetector
from realhands_ros.keypoints.mediapipe_tasks import TasksDetector
from realhands_ros.keypoints.observer import CropConfig, HandObserver, OneEuroConfig
from realhands_ros.keypoints.tracking import HandTrack, HandTracker
from realhands_ros.keypoints.two_view import match_views

S = TypeVar('S')
T = TypeVar('T')
KeypointFilter = Literal['none', 'one_euro']

# While hands are followed, each view is searched for others only every so many frames; in every
# second one where there is none yet, or where a view lacks a hand that the other sees. The views
# take turns.
_SEARCH_PERIOD = 6
# A lost hand is looked for where it would be for this long.
_EXPECTED_FOR_S = 0.3
# A hand is reported when enough speaks for it: frames in which all views see it count 1, those in
# which one of two does much less, as it is often mistaken. It takes fewer when its side is sure
# (probability), and one when both views see it so.
_TO_BELIEVE, _TO_BELIEVE_SURE, _TO_BELIEVE_PAIR = 8.0, 2.0, 1.0
_SURE_OF_SIDE = 0.95
# Views are called swapped when they have looked so for this many frames in a row.
_SWAPPED_FRAMES = 5
# Stamps that go further back than this are of another recording, or of the same one played again.
_LARGEST_STEP_BACK_S = 0.5
# An image whose pixels differ by less than this (of 255) shows nothing.
_BLANK_CONTRAST = 2.0
_BLANK_STEP = 16


@dataclass(frozen=True)
class KeypointStageConfig:
    """
    How hands are found and followed.

    ``max_hands``: how many are looked for. ``detection_confidence`` and ``tracking_confidence``
    (0..1): from which score on a new hand is believed, and a known one kept.
    ``model_complexity``: 0 for MediaPipe's lite models, 1 for the full ones. ``task_file``: a
    ``hand_landmarker.task`` of MediaPipe's Tasks API in place of the models in its wheel.
    ``one_person``: the hands are those of one person, so two of them are never of the same side.
    ``keep_lost_s``: how long a lost hand keeps its identity, seconds. ``crop_size`` (pixels) and
    ``crop_margin`` (relative to the keypoints' box) of the crops, and whether they are turned
    upright: as the network expects them.
    ``filter``: smoothing of the keypoints; ``filter_cutoff_hz`` and ``filter_beta`` are the
    One-Euro filter's. ``still_images``: every frame is a picture of its own, nothing is followed
    from one to the next. ``parallel_views``: one thread a view.
    Raises ConfigError for values out of range.
    """

    max_hands: int = 2
    detection_confidence: float = 0.5
    tracking_confidence: float = 0.5
    model_complexity: Literal[0, 1] = 1
    task_file: Path | None = None
    one_person: bool = True
    keep_lost_s: float = 3.0
    crop_size: int = 224
    crop_margin: float = 1.5
    crop_upright: bool = True
    filter: KeypointFilter = 'none'
    filter_cutoff_hz: float = 3.0
    filter_beta: float = 1.5
    still_images: bool = False
    parallel_views: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        ranges = {
            'max_hands': (1, 8),
            'detection_confidence': (0.0, 1.0),
            'tracking_confidence': (0.0, 1.0),
            'model_complexity': (0, 1),
            'keep_lost_s': (0.0, 10.0),
            'crop_size': (16, 1024),
            'crop_margin': (1.0, 4.0),
            'filter_cutoff_hz': (0.01, 1000.0),
            'filter_beta': (0.0, 1000.0),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                message = f'{name} is {value}; it must be between {low} and {high}'
                raise ConfigError(message)
        if self.filter not in ('none', 'one_euro'):
            message = f'filter is {self.filter!r}; use none or one_euro'
            raise ConfigError(message)

    @property
    def smoothing(self) -> OneEuroConfig | None:
        """Return the filter of the keypoints, whose ``lag_s`` tells its delay; None for none."""
        if self.filter == 'none':
            return None
        return OneEuroConfig(self.filter_cutoff_hz, self.filter_beta)


@dataclass(frozen=True)
class KeypointReport:
    """
    What there is to say about one frame besides its hands.

    ``blank_views``: views (0 left, 1 right) whose image is uniform: covered or dead cameras.
    ``views_swapped``: for some frames now the views have fitted together only with left and right
    exchanged (negative disparity). ``mismatched``: detections that belong to no hand, since the
    views do not agree on them. ``one_sided``: hands that only one of two views sees.
    ``went_back_s``: by how much the stamp is earlier than that of the last frame, 0 if it is not.
    """

    blank_views: tuple[int, ...] = ()
    views_swapped: bool = False
    mismatched: int = 0
    one_sided: int = 0
    went_back_s: float = 0.0


class KeypointStage:
    """Finds hands in images and follows them; one object follows the hands before one rig."""

    def __init__(
        self,
        config: KeypointStageConfig | None = None,
        *,
        make_detector: Callable[[KeypointStageConfig], ViewDetector] | None = None,
    ) -> None:
        """
        Load the models; ConfigError when they cannot be loaded.

        ``make_detector`` makes another detector than MediaPipe's, one for each view.
        """
        self.config = config or KeypointStageConfig()
        self._make_detector = make_detector or _mediapipe_detector
        self._detectors = [self._make_detector(self.config)]
        self._threads: ThreadPoolExecutor | None = None
        self._tracker = HandTracker(
            max_hands=self.config.max_hands,
            keep_lost_s=self.config.keep_lost_s,
            one_person=self.config.one_person,
        )
        crops = CropConfig(
            self.config.crop_size, self.config.crop_margin, self.config.crop_upright
        )
        self._observer = HandObserver(crops, self.config.smoothing)
        self._marks = marks_matrix('mediapipe')
        self._corrections: dict[str, tuple[FloatArray, int]] = {}
        self._report = KeypointReport()
        self._frames = self._swapped_frames = 0
        self._last_stamp_ns: int | None = None
        self._to_search: list[tuple[ViewDetector, ViewImage]] = []

    @property
    def report(self) -> KeypointReport:
        """Return what there is to say about the last frame besides its hands."""
        return self._report

    def __call__(self, frame: StereoFrame) -> tuple[HandObservation, ...]:
        """
        Return the hands of a frame, with a view for each of its images.

        A view that lost the hand has scores of 0, and a crop where the hand is expected. Stamps
        that go far back (a bag that starts anew) start anew here too; after a small step (a clock
        that is set) the hands stay who they are. Raises nothing for what an image may show.

        While hands are followed the search for others is put off; see ``look_ahead``.
        """
        went_back_s = self._went_back_s(frame)
        if went_back_s > _LARGEST_STEP_BACK_S or self.config.still_images:
            self.reset()
        self._last_stamp_ns = frame.stamp_ns
        self.look_ahead()
        self._apply_corrections()
        detections, blank = self._detect(frame)
        sightings = match_views(detections, frame.cameras)
        mismatched = self._tracker.update(sightings.hands, frame.cameras, frame.stamp_ns)
        self._swapped_frames = self._swapped_frames + 1 if sightings.look_swapped else 0
        hands = [track.sighting for track in self._tracker.tracks if track.sighting is not None]
        self._report = KeypointReport(
            blank_views=blank,
            views_swapped=self._swapped_frames >= _SWAPPED_FRAMES,
            mismatched=mismatched,
            one_sided=sum(len(hand.detections) < frame.num_views for hand in hands),
            went_back_s=went_back_s,
        )
        self._observer.forget_all_but({track.id for track in self._tracker.tracks})
        self._frames += 1
        return tuple(
            self._observer.observe(track, frame)
            for track in self._tracker.tracks
            if self._is_believed(track)
        )

    def look_ahead(self) -> None:
        """
        Search the last frame for hands that are not followed yet; the next one looks at them.

        It is done at the beginning of the next call otherwise, with the same results, which then
        come later.
        """
        waiting, self._to_search = self._to_search, []
        self._map(lambda search: search[0].look_ahead(search[1]), waiting)

    def remember(self, meshes: Iterable[HandMesh], stamp_ns: int) -> None:
        """
        Take in meshes made of the observations of ``stamp_ns``: they say where the hands were.

        May be called from another thread; doing without it is possible.
        """
        for mesh in meshes:
            doubtful = mesh.flags & MeshFlag.LOW_CONFIDENCE
            if not doubtful and np.isfinite(mesh.keypoints_cam).all():
                # Tracks are of what the detector marks, not of the model's joints.
                points = self._marks @ np.asarray(mesh.keypoints_cam, dtype=np.float64)
                self._corrections[mesh.id] = (points, stamp_ns)

    def reset(self) -> None:
        """Forget all hands."""
        self._tracker.reset()
        self._observer.forget_all_but(())
        self._corrections = {}
        self._swapped_frames = self._frames = 0
        self._last_stamp_ns = None
        self._to_search = []
        for detector in self._detectors:
            detector.reset()

    def close(self) -> None:
        """Free the models and the threads."""
        if self._threads is not None:
            self._threads.shutdown()
        for detector in self._detectors:
            detector.close()

    def _went_back_s(self, frame: StereoFrame) -> float:
        if self._last_stamp_ns is None:
            return 0.0
        return max(0.0, 1e-9 * (self._last_stamp_ns - frame.stamp_ns))

    def _apply_corrections(self) -> None:
        corrections, self._corrections = self._corrections, {}
        for track in self._tracker.tracks:
            if track.id in corrections:
                track.correct(*corrections[track.id])

    def _detect(self, frame: StereoFrame) -> tuple[list[list[HandDetection]], tuple[int, ...]]:
        """Return each view's detections, and the numbers of the views that show nothing."""
        while len(self._detectors) < frame.num_views:
            self._detectors.append(self._make_detector(self.config))
        views = range(frame.num_views)
        blank = tuple(view for view in views if _is_blank(frame.images[view]))
        seeing = [view for view in views if view not in blank]
        found = self._map(lambda view: self._detect_in(frame, view), seeing)
        by_view = dict(zip(seeing, found, strict=True))
        return [by_view.get(view, []) for view in views], blank

    def _detect_in(self, frame: StereoFrame, view: int) -> list[HandDetection]:
        expected = [
            keypoints_px
            for track in self._tracker.tracks
            if _is_fresh(track, frame.stamp_ns)
            and (keypoints_px := track.expected_px(view, frame.cameras[view], frame.stamp_ns))
            is not None
        ]
        period = _SEARCH_PERIOD if expected and self._all_seen_by(view) else frame.num_views
        is_its_turn = (self._frames + view * period // 2) % period == 0
        detector, image = self._detectors[view], ViewImage(frame.images[view], frame.lenses[view])
        if is_its_turn and expected:
            self._to_search.append((detector, image))
        # A first frame, which may be the only one, is searched in full.
        search = (is_its_turn and not expected) or self._frames == 0
        return detector.detect(image, expected, search=search)

    def _all_seen_by(self, view: int) -> bool:
        """Return whether a view saw every hand of the last frame."""
        sightings = (track.sighting for track in self._tracker.tracks)
        return all(seen is None or seen.views[view] is not None for seen in sightings)

    def _is_believed(self, track: HandTrack) -> bool:
        """Return whether a hand is seen now, is no flash in the pan, and its side no guess."""
        if track.sighting is None:
            return False
        enough = _TO_BELIEVE
        if track.is_overruled or track.vote.score >= _SURE_OF_SIDE:
            enough = _TO_BELIEVE_PAIR if track.sighting.pairing else _TO_BELIEVE_SURE
        track.is_believed |= track.evidence >= enough or self.config.still_images
        return track.is_believed

    def _map(self, work: Callable[[S], T], views: Sequence[S]) -> list[T]:
        if len(views) < 2 or not self.config.parallel_views:
            return [work(view) for view in views]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(2, thread_name_prefix='keypoints')
        return list(self._threads.map(work, views))


def _mediapipe_detector(config: KeypointStageConfig) -> ViewDetector:
    if config.task_file is not None:
        return TasksDetector(
            config.task_file,
            max_hands=config.max_hands,
            detection_confidence=config.detection_confidence,
            tracking_confidence=config.tracking_confidence,
        )
    return MediaPipeDetector(
        max_hands=config.max_hands,
        complexity=config.model_complexity,
        detection_confidence=config.detection_confidence,
        tracking_confidence=config.tracking_confidence,
        still_images=config.still_images,
    )


def _is_blank(image: NDArray[np.uint8]) -> bool:
    """Return whether an image shows nothing, judged by some of its pixels."""
    some = np.ascontiguousarray(image[::_BLANK_STEP, ::_BLANK_STEP])
    _, contrast = cv2.meanStdDev(some)
    return float(contrast.max()) < _BLANK_CONTRAST


def _is_fresh(track: HandTrack, stamp_ns: int) -> bool:
    return stamp_ns - track.last_seen_ns <= 1e9 * _EXPECTED_FOR_S
