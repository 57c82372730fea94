"""A bench for a node in this process: its inputs are published to it, its outputs and log read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

import rclpy
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from realhands.msg import HandMeshArray, HandObservationArray, HandTexture
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.nodes.health import Health
from realhands_ros.nodes.overlay import image_message
from realhands_ros.nodes.stage_node import StageNode

PATIENCE_S = 20.0
FRAME = 'zed_left_camera_frame_optical'
TYPES = {
    'left/image': Image,
    'right/image': Image,
    'left/camera_info': CameraInfo,
    'right/camera_info': CameraInfo,
    'hands/observations': HandObservationArray,
    'hands/mesh_regressed': HandMeshArray,
    'hands/mesh': HandMeshArray,
    'hands/texture': HandTexture,
}
_RELIABLE = QoSProfile(depth=20)
_ROSOUT = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Bench:
    """
    One node, spun by whoever waits for something.

    Complaints are repeated after a minute only, so a test sees each of them once; ``fresh``
    forgets what was counted and said before.
    """

    def __init__(
        self,
        kind: type[StageNode],
        domain: int,
        outputs: tuple[str, ...],
        parameters: Mapping[str, Any],
    ) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        # /diagnostics takes the counts away when it is published: not within a test.
        values = {'diagnostics_period': 60.0, **parameters}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = kind(context=self._context, parameter_overrides=overrides)
        self.helper = rclpy.create_node('bench', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        for node in (self.node, self.helper):
            self._executor.add_node(node)
        self._senders: dict[str, Any] = {}
        self.results: dict[str, list[Any]] = defaultdict(list)
        self.logs: list[str] = []
        for topic in outputs:
            keep = self.results[topic].append
            self.helper.create_subscription(TYPES[topic], topic, keep, _RELIABLE)
        self.helper.create_subscription(Log, '/rosout', self._on_log, _ROSOUT)
        self.fresh()

    def start(self) -> None:
        assert self.node.trigger_configure() == rclpy.lifecycle.TransitionCallbackReturn.SUCCESS
        assert self.node.trigger_activate() == rclpy.lifecycle.TransitionCallbackReturn.SUCCESS

    def fresh(self) -> None:
        self.node.health = Health(60.0)
        self.logs.clear()
        for results in self.results.values():
            results.clear()

    def send(self, topic: str, message: Any) -> None:
        """Publish to the node; wait first until it is connected."""
        if topic not in self._senders:
            kind = TYPES[topic]
            self._senders[topic] = self.helper.create_publisher(kind, topic, _RELIABLE)
            sender = self._senders[topic]
            self.wait(lambda: sender.get_subscription_count() > 0, f'a subscriber of {topic}')
        self._senders[topic].publish(message)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def wait(self, is_true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < end, f'waited {PATIENCE_S:g} s in vain for {what}'
            self._executor.spin_once(timeout_sec=0.02)

    def result(self, topic: str, stamp_ns: int) -> Any:
        """Return the message of a topic with a stamp, once it is there."""

        def found() -> list[Any]:
            return [m for m in self.results[topic] if stamp_of(m.header) == stamp_ns]

        self.wait(lambda: bool(found()), f'{topic} of {stamp_ns}')
        return found()[-1]

    def said(self, words: str) -> int:
        """Return how often something was logged, once it was at all."""
        self.wait(lambda: any(words in text for text in self.logs), f'the log to say {words!r}')
        self.spin(0.1)
        return sum(words in text for text in self.logs)

    def counted(self, words: str) -> int:
        """Return how often a problem was counted since ``fresh``."""
        problems = self.node.health.report().problems
        return sum(count for reason, count in problems.items() if words in reason)

    def close(self) -> None:
        self.node.end()
        self._executor.shutdown()
        self.node.destroy_node()
        self.helper.destroy_node()
        self._context.shutdown()

    def _on_log(self, message: Log) -> None:
        if message.name == self.node.get_logger().name:
            self.logs.append(message.msg)


@pytest.fixture(scope='module')
def bench_of(ros_domain: int) -> Iterator[Callable[..., Bench]]:
    """Return a function that makes benches: of a node class, its outputs and parameters."""
    benches: list[Bench] = []

    def make(kind: type[StageNode], *outputs: str, **parameters: Any) -> Bench:
        benches.append(Bench(kind, ros_domain, outputs, parameters))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


class Shots:
    """Messages of the film's frames, each with a stamp of its own, later than all before."""

    def __init__(self, film: Any) -> None:
        self._film = film
        self._next_ns = film.stamp_ns(0)

    def stamp_ns(self) -> int:
        self._next_ns += 33_000_000
        return self._next_ns

    def pair(self, stamp_ns: int, index: int = 0) -> tuple[Image, Image]:
        left, right = (
            image(pixels, stamp_ns) for pixels in np.ascontiguousarray(self._film.images(index))
        )
        return left, right

    def infos(self) -> tuple[CameraInfo, CameraInfo]:
        left, right = (camera_info(camera) for camera in self._film.rig.views)
        return left, right


@pytest.fixture(scope='session')
def shots(hand_film: Any) -> Shots:
    return Shots(hand_film)


@pytest.fixture(scope='session')
def header_of() -> Callable[[int], Header]:
    return header


@pytest.fixture(scope='session')
def frame_result(hand_film: Any) -> Any:
    """What the pipeline makes of the film's first frame: observations and meshes."""
    from realhands_ros.data.frames import StereoFrame
    from realhands_ros.pipeline import HandPipeline

    with HandPipeline() as pipeline:
        frame = StereoFrame(
            hand_film.stamp_ns(0), FRAME, tuple(hand_film.images(0)), hand_film.rig.views
        )
        result = pipeline(frame)
    assert len(result.refined) == 1
    return result


def header(stamp_ns: int) -> Header:
    message = Header(frame_id=FRAME)
    message.stamp.sec, message.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return message


def stamp_of(message: Header) -> int:
    return message.stamp.sec * 1_000_000_000 + message.stamp.nanosec


def image(pixels: Any, stamp_ns: int) -> Image:
    message = image_message(header(stamp_ns), pixels)
    message.encoding = 'bgra8'
    return message


def camera_info(camera: PinholeCamera) -> CameraInfo:
    projection = camera.intrinsics @ np.column_stack([camera.rotation, camera.translation])
    return CameraInfo(
        header=header(0),
        width=camera.width,
        height=camera.height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=camera.intrinsics.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
    )
