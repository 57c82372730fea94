"""The calibration is awaited once, for a moment: a camera's first image comes before it."""

import threading

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo

from realhands_ros.errors import CalibrationError
from realhands_ros.nodes import camera_feed
from realhands_ros.nodes.camera_feed import CameraFeed


class Camera:
    """Stands for a node, and says what its cameras are."""

    def __init__(self) -> None:
        self.values = {'stereo': True, 'rectified': True}
        self._callbacks = {}
        self.feed = CameraFeed(self)
        self.feed.listen()

    def add_input(self, kind, topic, callback, *_, **__) -> None:
        self._callbacks[topic] = callback

    def say(self, eye: str, baseline_m: float) -> None:
        p = [300.0, 0, 336, -300.0 * baseline_m, 0, 300.0, 188, 0, 0, 0, 1, 0]
        info = CameraInfo(width=672, height=376, p=p)
        self._callbacks[f'{eye}/camera_info'](serialize_message(info))


def test_images_that_are_first_get_the_calibration_that_follows(monkeypatch):
    monkeypatch.setattr(camera_feed, '_PATIENCE_S', 30.0)
    camera = Camera()
    camera.say('left', 0.0)
    later = threading.Timer(0.1, camera.say, ('right', 0.12))
    later.start()
    cameras = camera.feed.cameras
    later.join()
    assert [c.centre[0] for c in cameras] == pytest.approx([0.0, 0.12])


def test_what_does_not_come_is_awaited_once(monkeypatch):
    waited = []
    condition = threading.Condition()
    monkeypatch.setattr(
        condition, 'wait_for', lambda predicate, timeout: waited.append((predicate(), timeout))
    )
    monkeypatch.setattr(camera_feed.threading, 'Condition', lambda: condition)
    camera = Camera()
    camera.say('left', 0.0)
    for _ in range(2):
        with pytest.raises(CalibrationError, match='no camera_info of the right camera yet'):
            camera.feed.decode()
    assert waited == [(False, camera_feed._PATIENCE_S), (False, 0.0)]
    camera.say('right', 0.12)
    assert len(camera.feed.cameras) == 2


def test_to_be_asked_for_the_state_is_not_to_wait(monkeypatch):
    monkeypatch.setattr(camera_feed, '_PATIENCE_S', 3600.0)
    camera = Camera()
    assert 'no camera_info of the left and the right camera' in camera.feed.calibration
    camera.say('left', 0.0)
    camera.say('right', 0.12)
    assert camera.feed.calibration == 'valid'


def test_a_new_calibration_replaces_the_old_one():
    camera = Camera()
    camera.say('left', 0.0)
    for baseline_m in (0.12, 0.05):
        camera.say('right', baseline_m)
        assert camera.feed.cameras[1].centre[0] == pytest.approx(baseline_m)
