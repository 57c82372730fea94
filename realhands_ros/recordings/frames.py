"""From the messages of a recording to frames: exact pairing, nothing dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from realhands_ros.data.frames import StereoFrame
from realhands_ros.errors import CalibrationError, DatasetError, ImageError, RealhandsError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.messages.cameras import decode_cameras
from realhands_ros.messages.images import image_from_message
from realhands_ros.messages.types import stamp_ns
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.topics import CameraTopics

# Images of one grab are recorded close together; one that waits longer has lost its partner.
_MOST_WAITING = 30


@dataclass
class FrameStream:
    """
    The frames of a recording.

    ``skipped`` counts, by reason in words, what gave no frame; it is complete after the last one.
    """

    bag: BagFile
    topics: CameraTopics
    skipped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin without images and calibration."""
        self._waiting: dict[int, dict[int, Any]] = {}
        self._infos: dict[int, Any] = {}
        self._cameras: tuple[PinholeCamera, ...] | None = None
        self._frame_id: str | None = None

    @property
    def expected(self) -> int:
        """Return how many frames there are at most."""
        return min(self.bag.count(topic) for topic in self.topics.images)

    def __iter__(self) -> Iterator[StereoFrame]:
        """Read the frames; DatasetError at the end if there was none."""
        frames = 0
        images = {topic: eye for eye, topic in enumerate(self.topics.images)}
        infos = {topic: eye for eye, topic in enumerate(self.topics.infos)}
        for topic, message in self.bag.messages({*images, *infos}):
            if topic in infos:
                self._infos.setdefault(infos[topic], message)
            else:
                self._waiting.setdefault(stamp_ns(message), {})[images[topic]] = message
            for frame in self._complete():
                frames += 1
                yield frame
        self._give_up(len(self._waiting))
        if not frames:
            raise DatasetError(self._nothing())

    def _complete(self) -> Iterator[StereoFrame]:
        """Give the frames that have become complete, in the order of their stamps."""
        if len(self._infos) == len(self.topics.infos):
            ready = [
                s for s, found in self._waiting.items() if len(found) == len(self.topics.images)
            ]
            for stamp in sorted(ready):
                frame = self._frame(stamp, self._waiting.pop(stamp))
                if frame is not None:
                    yield frame
        self._give_up(len(self._waiting) - _MOST_WAITING)

    def _give_up(self, number: int) -> None:
        for stamp in sorted(self._waiting)[: max(number, 0)]:
            found = self._waiting.pop(stamp)
            if len(self._infos) < len(self.topics.infos):
                self.skipped['images without a camera_info'] += 1
            else:
                eye = 'left' if 0 in found else 'right'
                self.skipped[f'{eye} images without a partner of the same stamp'] += 1

    def _frame(self, stamp: int, messages: dict[int, Any]) -> StereoFrame | None:
        frame_id = str(messages[0].header.frame_id)
        self._frame_id = self._frame_id or frame_id
        if frame_id != self._frame_id:
            self.skipped[f'images in the frame {frame_id!r} instead of {self._frame_id!r}'] += 1
            return None
        if self._cameras is None:
            infos = [self._infos[eye] for eye in range(len(self.topics.infos))]
            self._cameras, _ = decode_cameras(infos)
        try:
            images = tuple(image_from_message(messages[eye]) for eye in range(len(messages)))
            return StereoFrame(stamp, frame_id, images, self._cameras)
        except (ImageError, CalibrationError) as error:
            self.skipped[_one_line(error)] += 1
            return None

    def _nothing(self) -> str:
        counts = ', '.join(
            f'{self.bag.count(topic)} of {topic}'
            for topic in (*self.topics.images, *self.topics.infos)
        )
        reasons = '; '.join(f'{count} {reason}' for reason, count in self.skipped.items())
        damage = f'; it is damaged ({self.bag.damage})' if self.bag.damage else ''
        return (
            f'{self.bag.path} holds no complete frame: {counts} messages; {reasons or "no images"}'
            f'{damage}'
        )


def _one_line(error: RealhandsError) -> str:
    return ' '.join(str(error).split())
