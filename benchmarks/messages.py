"""
Cost of one HandMesh with 778 vertices: build, serialise, deserialise.

    python benchmarks/messages.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from realhands.msg import HandMesh as HandMeshMsg
from realhands_ros.data.hands import HandMesh, HandView
from realhands_ros.messages.decode import mesh_from_msg
from realhands_ros.messages.encode import mesh_to_msg
from realhands_ros.messages.validation import validate


def milliseconds(function: Callable[[], object]) -> str:
    runs = np.array(timeit.repeat(function, number=100, repeat=20)) / 100 * 1e3
    return f'median {np.median(runs):.3f} ms   best {runs.min():.3f} ms'


def example(views: tuple[HandView, ...]) -> HandMesh:
    rng = np.random.default_rng(0)
    return HandMesh(
        id='3f2a9c',
        handedness='right',
        vertices_cam=rng.normal(size=(778, 3)).astype(np.float32),
        keypoints_cam=rng.normal(size=(21, 3)).astype(np.float32),
        pose_aa=rng.normal(size=48).astype(np.float32),
        translation=rng.normal(size=3).astype(np.float32),
        topology_key='key',
        views=views,
    )


def main() -> None:
    view = HandView(np.zeros((21, 2), np.float32), np.ones(21, np.float32))
    header = Header(frame_id='zed_left_camera_frame_optical')
    for title, mesh in (('no views', example(())), ('two views', example((view, view)))):
        msg = mesh_to_msg(mesh, header)
        data = serialize_message(msg)
        print(f'HandMesh, 778 vertices, {title}: {len(data)} bytes')
        steps: dict[str, Callable[[], object]] = {
            'build': lambda mesh=mesh: mesh_to_msg(mesh, header),
            'serialise': lambda msg=msg: serialize_message(msg),
            'deserialise': lambda data=data: deserialize_message(data, HandMeshMsg),
            'validate': lambda msg=msg: validate(msg),
            'read back': lambda msg=msg: mesh_from_msg(msg),
            'build + serialise + deserialise': lambda mesh=mesh: deserialize_message(
                serialize_message(mesh_to_msg(mesh, header)), HandMeshMsg
            ),
        }
        for name, step in steps.items():
            print(f'  {name:34}{milliseconds(step)}')


if __name__ == '__main__':
    main()
