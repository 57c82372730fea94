"""The vertices of a frame's hands as a coloured PointCloud2."""

from __future__ import annotations

import array
import importlib.util
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.side_colours import SIDE_COLOURS

# x, y, z in metres, and the colour as the bits 0x00RRGGBB of a float, as RViz and PCL read it.
_POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4')])
_FIELDS = [
    PointField(name=name, offset=_POINT.fields[name][1], datatype=PointField.FLOAT32, count=1)
    for name in _POINT.names
]


def point_cloud(header: Header, meshes: Sequence[HandMesh]) -> PointCloud2:
    """Return one cloud of all hands' vertices; a hand's colour tells its side."""
    points = np.concatenate([np.zeros(0, _POINT), *(_points(mesh) for mesh in meshes)])
    if importlib.util.find_spec('sensor_msgs_py'):
        from sensor_msgs_py.point_cloud2 import create_cloud

        return create_cloud(header, _FIELDS, points.view(_AS_FLOATS))
    return plain_cloud(header, points)


_AS_FLOATS = np.dtype([(name, '<f4') for name in _POINT.names])


def plain_cloud(header: Header, points: NDArray[np.void]) -> PointCloud2:
    """Return the message without help of sensor_msgs_py; ``points`` (N,) of the type above."""
    data = array.array('B', points.tobytes())
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=_FIELDS,
        is_bigendian=False,
        point_step=_POINT.itemsize,
        row_step=_POINT.itemsize * len(points),
        data=data,
        is_dense=True,
    )


def _points(mesh: HandMesh) -> NDArray[np.void]:
    red, green, blue = SIDE_COLOURS[mesh.handedness]
    points = np.zeros(len(mesh.vertices_cam), _POINT)
    for axis, name in enumerate('xyz'):
        points[name] = mesh.vertices_cam[:, axis]
    points['rgb'] = red << 16 | green << 8 | blue
    return points
