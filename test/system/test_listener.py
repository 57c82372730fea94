"""The listener notes stamps of packed messages that another node publishes."""

import threading
import time

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

import rclpy
from sensor_msgs.msg import CameraInfo

from realhands.msg import HandMeshArray
from realhands_ros.system.listener import listen


def test_stamps_and_order_are_noted():
    sent = []
    stop = threading.Event()

    def publish():
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('live_listener_source', context=context)
        infos = node.create_publisher(CameraInfo, '/test_live/camera_info', 10)
        meshes = node.create_publisher(HandMeshArray, '/test_live/hands/mesh', 10)
        for number in range(1000):
            if stop.is_set():
                break
            for publisher, message in ((infos, CameraInfo()), (meshes, HandMeshArray())):
                message.header.stamp.sec, message.header.stamp.nanosec = 5, number
                publisher.publish(message)
            sent.append(5_000_000_000 + number)
            time.sleep(0.02)
        node.destroy_node()
        context.shutdown()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        arrivals, _ = listen('/test_live/camera_info', ['/test_live/hands/mesh'], 4.0)
    finally:
        stop.set()
        thread.join()
    by_topic = {
        topic: [stamp for name, stamp, _ in arrivals if name == topic]
        for topic in ('/test_live/camera_info', '/test_live/hands/mesh')
    }
    for stamps in by_topic.values():
        assert len(stamps) > 10
        assert stamps == sorted(stamps) and set(stamps) <= set(sent)
