"""The running system, frame by frame, as something that a viewer can show."""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image

from realhands.msg import HandMeshArray, HandObservationArray, HandTexture
from realhands_ros.data.frames import to_bgr
from realhands_ros.data.hands import with_silhouettes
from realhands_ros.errors import RealhandsError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.messages.cameras import decode_cameras
from realhands_ros.messages.decode import atlas_from_msg, read_mesh, read_observation
from realhands_ros.messages.images import decode_image
from realhands_ros.messages.topics import (
    MESH,
    OBSERVATIONS,
    REGRESSED,
    TEXTURE,
    WrapperVersion,
    ZedNames,
)
from realhands_ros.messages.types import serialised_stamp_ns
from realhands_ros.nodes.quality_of_service import CALIBRATION, images
from realhands_ros.system.dds_profile import environment_with_profile
from realhands_ros.system.executor import create_executor
from realhands_ros.system.supervisor import stop_on_signals
from realhands_ros.viewing.scene_frame import SceneFrame, quality_plots

_POLL_S = 0.1
# Images and results of so many frames are kept until their meshes come.
_KEPT = 45
# A mesh waits so long for its images, and what comes so soon after its frame has been shown is
# late; later it is a recording that starts anew.
_PATIENCE_NS = 300_000_000
# Results are looked at, not computed with: a late one is not worth waiting for.
_RESULTS = QoSProfile(depth=30, reliability=ReliabilityPolicy.BEST_EFFORT)
# What is plotted: the time from one topic to the next, as it arrives here.
_STEPS = {'handnet': (OBSERVATIONS, REGRESSED), 'refinement': (REGRESSED, MESH)}
_LEFT = 'image/0'


class Scene(Protocol):
    """What frames are shown in."""

    def log(self, frame: SceneFrame) -> None:
        """Show one frame."""


@dataclass(frozen=True)
class LiveTopics:
    """Topics of the images, the left one first, and the namespace of the nodes."""

    images: tuple[str, ...]
    namespace: str = ''

    @classmethod
    def of_zed(
        cls,
        version: WrapperVersion,
        camera: str,
        *,
        left: str | None = None,
        right: str | None = None,
        mono: bool = False,
        namespace: str = '',
    ) -> LiveTopics:
        """Return the topics of a ZED, or of the images named; ``left`` alone is one camera."""
        names = ZedNames(version, camera)
        first = left or names.image('left')
        second = right or (None if left else names.image('right'))
        both = (first, second) if second else (first,)
        return cls(both[:1] if mono else both, namespace)

    @property
    def infos(self) -> tuple[str, ...]:
        """Return the camera_info topics, which lie beside the images."""
        return tuple(f'{topic.rpartition("/")[0]}/camera_info' for topic in self.images)

    def hands(self, end: str) -> str:
        """Return the full name of a topic of the nodes."""
        return '/'.join(('', *filter(None, (self.namespace.strip('/'), end))))


class LiveView(Node):
    """
    Gathers what belongs to one stamp and shows it when its meshes have come.

    Images stay packed until they are shown, so that those that are not cost little.
    """

    def __init__(self, scene: Scene, topics: LiveTopics, every: int) -> None:
        """Subscribe to everything."""
        super().__init__('live_view')
        self.shown = self.meshes = 0
        self._scene, self._topics, self._every = scene, topics, every
        self._seen = 0
        # By stamp and source: the packed message, and the moment of its arrival (monotonic, ns).
        self._waiting: OrderedDict[int, dict[str, tuple[bytes, int]]] = OrderedDict()
        self._due: set[int] = set()
        self._done: OrderedDict[int, int] = OrderedDict()
        self._infos: dict[int, CameraInfo] = {}
        self._atlases: dict[str, Any] = {}
        self._complained: set[str] = set()
        for number, (topic, info) in enumerate(zip(topics.images, topics.infos, strict=True)):
            self._listen(Image, topic, f'image/{number}', images('best_effort'))
            keep = partial(self._infos.__setitem__, number)
            self.create_subscription(CameraInfo, info, keep, CALIBRATION)
        self._listen(HandMeshArray, topics.hands(MESH), MESH, _RESULTS)
        self._listen(HandMeshArray, topics.hands(REGRESSED), REGRESSED, _RESULTS)
        self._listen(HandObservationArray, topics.hands(OBSERVATIONS), OBSERVATIONS, _RESULTS)
        self.create_subscription(HandTexture, topics.hands(TEXTURE), self._on_texture, _RESULTS)

    def show_due(self) -> None:
        """Show the frames that are complete, or have waited long enough."""
        now = time.monotonic_ns()
        for stamp in sorted(self._due):
            parts = self._waiting.get(stamp, {})
            begin = max((arrival for _, arrival in parts.values()), default=0)
            complete = all(
                f'image/{number}' in parts for number in range(len(self._topics.images))
            )
            if complete or now - begin > _PATIENCE_NS:
                self._due.remove(stamp)
                self._done[stamp] = now
                self._seen += 1
                if parts and (self._seen - 1) % self._every == 0:
                    self._survive(partial(self._show, stamp, parts))
                self._forget(stamp)

    def _listen(self, kind: type, topic: str, source: str, quality: QoSProfile) -> None:
        callback = partial(self._on_message, source)
        self.create_subscription(kind, topic, callback, quality, raw=True)

    def _on_message(self, source: str, data: bytes) -> None:
        stamp = serialised_stamp_ns(data)
        now = time.monotonic_ns()
        if now - self._done.get(stamp, -_PATIENCE_NS) < _PATIENCE_NS:
            return
        self._waiting.setdefault(stamp, {})[source] = (data, now)
        while len(self._waiting) > _KEPT:
            self._waiting.popitem(last=False)
        if source == MESH or (source == REGRESSED and not self._is_refined()):
            self._due.add(stamp)

    def _is_refined(self) -> bool:
        return self.count_publishers(self._topics.hands(MESH)) > 0

    def _on_texture(self, message: HandTexture) -> None:
        def keep() -> None:
            self._atlases = {**self._atlases, message.id: atlas_from_msg(message)}

        self._survive(keep)

    def _show(self, stamp: int, parts: dict[str, tuple[bytes, int]]) -> None:
        def hands(end: str, kind: type, convert: Callable[[Any], Any]) -> tuple[Any, ...]:
            if end not in parts:
                return ()
            return tuple(map(convert, deserialize_message(parts[end][0], kind).hands))

        regressed = hands(REGRESSED, HandMeshArray, read_mesh)
        meshes = hands(MESH, HandMeshArray, read_mesh) if MESH in parts else regressed
        meshes = with_silhouettes(meshes, regressed)
        pictures = []
        for number in range(len(self._topics.images)):
            if f'image/{number}' not in parts:
                break
            message = deserialize_message(parts[f'image/{number}'][0], Image)
            pictures.append(to_bgr(decode_image(message)))
        frame = SceneFrame(
            stamp_ns=stamp,
            images=tuple(pictures),
            cameras=self._cameras(),
            meshes=meshes,
            regressed=regressed if MESH in parts else (),
            observations=hands(OBSERVATIONS, HandObservationArray, read_observation),
            atlases=self._atlases,
            plots=_latencies(parts) | quality_plots(meshes, ()),
        )
        self._scene.log(frame)
        self.shown += 1
        self.meshes += len(meshes)

    def _cameras(self) -> tuple[PinholeCamera, ...]:
        if not self._infos or set(self._infos) != set(range(len(self._topics.images))):
            return ()
        return decode_cameras([self._infos[number] for number in sorted(self._infos)])[0]

    def _forget(self, stamp: int) -> None:
        """Drop a frame and all before it."""
        while len(self._done) > _KEPT:
            self._done.popitem(last=False)
        for earlier in [known for known in self._waiting if known <= stamp]:
            if earlier not in self._due:
                del self._waiting[earlier]

    def _survive(self, work: Callable[[], None]) -> None:
        """Do something that messages may make impossible; say so once for each reason."""
        try:
            work()
        except RealhandsError as error:
            if str(error) not in self._complained:
                self._complained.add(str(error))
                print(f'live view: {error}', file=sys.stderr)


def show_live(
    scene: Scene, topics: LiveTopics, *, every: int = 1, frames: int | None = None
) -> tuple[int, int]:
    """
    Show the running system until Ctrl-C, or for ``frames`` frames; return frames and meshes shown.

    ``every``: each such frame is shown.
    """
    os.environ.update(environment_with_profile())
    # Not rclpy's own handler: the recording is to be finished after Ctrl-C.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    view, executor = LiveView(scene, topics, every), create_executor()
    executor.add_node(view)
    try:
        with stop_on_signals() as stop:
            while not stop.is_set() and (frames is None or view.shown < frames):
                executor.spin_once(timeout_sec=_POLL_S)
                view.show_due()
    finally:
        view.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()
    return view.shown, view.meshes


def _latencies(parts: dict[str, tuple[bytes, int]]) -> dict[str, float]:
    """Return the times between topics, milliseconds, as they arrived here."""
    steps = {'keypoints': (_LEFT, OBSERVATIONS), **_STEPS, 'all_stages': (_LEFT, MESH)}
    return {
        f'latency/{stage}': 1e-6 * (parts[end][1] - parts[begin][1])
        for stage, (begin, end) in steps.items()
        if begin in parts and end in parts
    }
