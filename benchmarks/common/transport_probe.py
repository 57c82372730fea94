"""
Measure what a topic delivers between two processes: loss and latency.

``measure_transport`` starts a publisher and a receiver as processes of their own, as nodes run in
the live system, and returns what arrived. Used by ``realhands demo`` and benchmarks/transport.py.
"""

from __future__ import annotations

import argparse
import array
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import rclpy
import torch
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from realhands.msg import HandMeshArray
from realhands_ros.data.hands import HandMesh, MeshStage
from realhands_ros.data.topology import NUM_POSE, NUM_SHAPE
from realhands_ros.errors import RealhandsError
from realhands_ros.hand.layer import HandModel
from realhands_ros.messages.encode import mesh_to_msg

# What the transport probe sends: hand meshes in motion, and camera images.

_FRAME_ID = 'zed_left_camera_frame_optical'


class Payload(Protocol):
    """A kind of message to send; ``messages`` gives one message per topic, all with one stamp."""

    topics: tuple[tuple[str, type], ...]

    def messages(self, stamp: Time) -> list[Any]:
        """Return the messages of one frame."""


class HandMeshPayload:
    """The shipped hand, opening and closing in front of the camera."""

    topics = (('probe/hands', HandMeshArray),)

    def __init__(self) -> None:
        # Prepared beforehand: the probe measures the transport, not the hand model.
        self._motion = _opening_and_closing_hand(frames=32)
        self._frame = 0

    def messages(self, stamp: Time) -> list[Any]:
        """Return the HandMeshArray of the next frame of the motion."""
        header = Header(stamp=stamp, frame_id=_FRAME_ID)
        mesh = self._motion[self._frame % len(self._motion)]
        self._frame += 1
        return [HandMeshArray(header=header, hands=[mesh_to_msg(mesh, header)])]


class StereoPairPayload:
    """A pair of 1280x720 bgra8 images, as a ZED publishes them at HD720."""

    topics = (('probe/left/image', Image), ('probe/right/image', Image))
    _WIDTH, _HEIGHT = 1280, 720

    def __init__(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, self._WIDTH * self._HEIGHT * 4)
        self._data = array.array('B', pixels.astype(np.uint8).tobytes())

    def messages(self, stamp: Time) -> list[Any]:
        """Return the left and the right image."""
        return [self._image(stamp), self._image(stamp)]

    def _image(self, stamp: Time) -> Image:
        return Image(
            header=Header(stamp=stamp, frame_id=_FRAME_ID),
            height=self._HEIGHT,
            width=self._WIDTH,
            encoding='bgra8',
            step=self._WIDTH * 4,
            data=self._data,
        )


def _opening_and_closing_hand(frames: int) -> list[HandMesh]:
    # In MANO's flat pose a finger bends about +z; all fingers bend together, the thumb rests.
    phase = torch.linspace(0.0, 2.0 * torch.pi, frames + 1)[:-1]
    pose_aa = torch.zeros(frames, NUM_POSE)
    pose_aa[:, 3:39].view(frames, 12, 3)[:, :, 2] = (0.6 * (1.0 - torch.cos(phase)))[:, None]
    translation = torch.tensor([[0.0, 0.0, 0.5]]).expand(frames, 3)
    with torch.no_grad():
        output = HandModel.load()(pose_aa, torch.zeros(frames, NUM_SHAPE), translation)
    return [
        HandMesh(
            id='probe',
            handedness='right',
            vertices_cam=output.vertices[frame].numpy(),
            keypoints_cam=output.keypoints[frame].numpy(),
            pose_aa=pose_aa[frame].numpy(),
            translation=translation[frame].numpy(),
            topology_key='probe',
            stage=MeshStage.GROUND_TRUTH,
        )
        for frame in range(frames)
    ]


PAYLOADS: dict[str, Callable[[], Payload]] = {
    'hand_mesh': HandMeshPayload,
    'stereo_pair_720p': StereoPairPayload,
}


_MATCH_TIMEOUT_S = 15.0
_IDLE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class ProbeSettings:
    """What to send: ``payload`` is a key of PAYLOADS; a stereo pair counts as one message."""

    payload: str
    rate_hz: float = 30.0
    count: int = 150
    reliable: bool = True


@dataclass(frozen=True)
class ProbeResult:
    """Messages sent and received, and the latency in milliseconds of each that arrived."""

    sent: int
    latencies_ms: tuple[float, ...]

    @property
    def received(self) -> int:
        """Return how many messages arrived."""
        return len(self.latencies_ms)

    def latency_ms(self, percentile: float) -> float:
        """Return a percentile of the latency in milliseconds; NaN when nothing arrived."""
        return float(np.percentile(self.latencies_ms, percentile)) if self.received else np.nan


def measure_transport(settings: ProbeSettings, environment: Mapping[str, str]) -> ProbeResult:
    """
    Send messages from one new process to another and return what arrived.

    ``environment`` is that of both processes (RMW, Fast DDS profile, domain). Raises
    RealhandsError with the process's own words when either of them fails.
    """
    receiver = _start('receive', settings, environment)
    publisher = _start('publish', settings, environment)
    try:
        deadline = 2 * _MATCH_TIMEOUT_S + settings.count / settings.rate_hz + _IDLE_TIMEOUT_S
        outputs = [_result_of(process, deadline) for process in (publisher, receiver)]
    finally:
        for process in (publisher, receiver):
            process.kill()
            process.wait()
    return ProbeResult(
        sent=json.loads(outputs[0])['sent'],
        latencies_ms=tuple(json.loads(outputs[1])['latencies_ms']),
    )


def _start(
    role: str, settings: ProbeSettings, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    command = [sys.executable, '-m', __name__, role, json.dumps(asdict(settings))]
    return subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _result_of(process: subprocess.Popen[str], timeout_s: float) -> str:
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as expired:
        message = f'the probe process did not end within {timeout_s:.0f} s: check the RMW set-up'
        raise RealhandsError(message) from expired
    if process.returncode != 0:
        message = f'the probe process ended with code {process.returncode}: {errors.strip()}'
        raise RealhandsError(message)
    return output


class _Publisher(Node):
    def __init__(self, settings: ProbeSettings) -> None:
        super().__init__('probe_publisher')
        self._payload = PAYLOADS[settings.payload]()
        self._senders = [
            self.create_publisher(message_type, topic, _qos(settings))
            for topic, message_type in self._payload.topics
        ]

    def wait_for_receiver(self) -> None:
        deadline = time.monotonic() + _MATCH_TIMEOUT_S
        while any(sender.get_subscription_count() == 0 for sender in self._senders):
            if time.monotonic() > deadline:
                message = f'no subscriber appeared within {_MATCH_TIMEOUT_S:.0f} s'
                raise RealhandsError(message)
            time.sleep(0.02)
        time.sleep(0.5)  # the other side may match a moment later

    def send(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for sender, msg in zip(self._senders, self._payload.messages(stamp), strict=True):
            sender.publish(msg)


class _Receiver(Node):
    def __init__(self, settings: ProbeSettings) -> None:
        super().__init__('probe_receiver')
        self.latencies_ms: list[float] = []
        self.last_arrival = time.monotonic()
        self._parts: dict[int, int] = {}
        topics = PAYLOADS[settings.payload]().topics
        self._parts_per_message = len(topics)
        for topic, message_type in topics:
            self.create_subscription(message_type, topic, self._on_message, _qos(settings))

    def _on_message(self, msg) -> None:
        now = self.get_clock().now().nanoseconds
        self.last_arrival = time.monotonic()
        stamp = msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec
        self._parts[stamp] = self._parts.get(stamp, 0) + 1
        if self._parts[stamp] == self._parts_per_message:
            self.latencies_ms.append((now - stamp) * 1e-6)


def _qos(settings: ProbeSettings) -> QoSProfile:
    reliability = (
        ReliabilityPolicy.RELIABLE if settings.reliable else ReliabilityPolicy.BEST_EFFORT
    )
    return QoSProfile(depth=10, reliability=reliability)  # the ZED wrapper's queue length


def _publish(settings: ProbeSettings) -> dict[str, object]:
    node = _Publisher(settings)
    node.wait_for_receiver()
    start = time.monotonic()
    for index in range(settings.count):
        time.sleep(max(0.0, start + index / settings.rate_hz - time.monotonic()))
        node.send()
    time.sleep(_IDLE_TIMEOUT_S)  # a reliable writer must live until the last message arrived
    return {'sent': settings.count}


def _receive(settings: ProbeSettings) -> dict[str, object]:
    node = _Receiver(settings)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    started = time.monotonic()
    while len(node.latencies_ms) < settings.count:
        executor.spin_once(timeout_sec=0.1)
        waited = time.monotonic() - max(node.last_arrival, started)
        if waited > (_IDLE_TIMEOUT_S if node.latencies_ms else 2 * _MATCH_TIMEOUT_S):
            break
    return {'latencies_ms': node.latencies_ms}


def main() -> None:
    """Run one of the two processes; its result goes to standard output as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('role', choices=('publish', 'receive'))
    parser.add_argument('settings', type=json.loads)
    args = parser.parse_args()
    rclpy.init()
    try:
        run = _publish if args.role == 'publish' else _receive
        print(json.dumps(run(ProbeSettings(**args.settings))))
    finally:
        rclpy.shutdown()


if __name__ == '__main__':
    main()
