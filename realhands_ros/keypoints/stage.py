"""The keypoint stage: the images of one instant in, the hands in them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realhands_ros.errors import ConfigError
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.hand_observation import HandObservation
from realhands_ros.keypoints.frame import StereoFrame

KeypointFilter = Literal['none', 'one_euro']


@dataclass(frozen=True)
class KeypointStageConfig:
    """
    How hands are found and followed.

    ``max_hands``: how many are looked for. ``detection_confidence`` and ``tracking_confidence``
    (0..1): from which score on a new hand is believed, and a known one kept.
    ``model_complexity``: 0 for MediaPipe's lite models, 1 for the full ones. ``task_file``: a
    ``hand_landmarker.task`` of MediaPipe's Tasks API in place of the models in its wheel.
    ``keep_lost_s``: how long a lost hand keeps its identity, seconds. ``crop_size`` (pixels) and
    ``crop_margin`` (relative to the keypoints' box) of the crops: those that the network expects.
    ``filter``: smoothing of the keypoints; ``filter_cutoff_hz`` and ``filter_beta`` are the
    One-Euro filter's. ``parallel_views``: one thread a view.
    Raises ConfigError for values out of range.
    """

    max_hands: int = 2
    detection_confidence: float = 0.5
    tracking_confidence: float = 0.5
    model_complexity: Literal[0, 1] = 1
    task_file: Path | None = None
    keep_lost_s: float = 0.5
    crop_size: int = 128
    crop_margin: float = 1.5
    filter: KeypointFilter = 'none'
    filter_cutoff_hz: float = 3.0
    filter_beta: float = 0.05
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


class KeypointStage:
    """Finds hands in images and follows them; one object follows one camera."""

    def __init__(self, config: KeypointStageConfig | None = None) -> None:
        """Load the models; ConfigError when they cannot be loaded."""
        self.config = config or KeypointStageConfig()

    def __call__(self, frame: StereoFrame) -> tuple[HandObservation, ...]:
        """
        Return the hands of a frame, with a view for each of its images.

        A view that lost the hand has scores of 0, and a crop where the hand is expected. Stamps
        that go backwards (a bag that starts anew) start anew here too. Raises nothing for what an
        image may show.
        """
        raise NotImplementedError

    def remember(self, meshes: Iterable[HandMesh]) -> None:
        """
        Take in meshes made of earlier observations: they say where to look for a lost hand.

        May be called from another thread; doing without it is possible.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all hands."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the models and the threads."""
        raise NotImplementedError
