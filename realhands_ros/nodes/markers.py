"""Hands for RViz: the mesh in the colours of its texture, and the skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from realhands_ros.data.hands import SIDE_COLOURS, HandMesh, MeshTopology
from realhands_ros.data.topology import KEYPOINT_PARENTS, Handedness
from realhands_ros.hand.drawing import sample_texture

Image = NDArray[np.uint8]

# A hand that is no longer published disappears.
_LIFETIME = Duration(sec=0, nanosec=500_000_000)
_BONE_WIDTH_M = 0.003
_MESH, _SKELETON = 0, 1


def markers(
    header: Header,
    meshes: Sequence[HandMesh],
    atlases: Mapping[str, Image],
    topologies: Mapping[Handedness, MeshTopology],
) -> MarkerArray:
    """
    Return a mesh and a skeleton a hand; ``atlases`` (T, T, 3), RGB, by the hands' ids.

    It takes more than ten milliseconds a hand: the message has thousands of small objects.
    """
    result = []
    for mesh in meshes:
        topology = topologies[mesh.handedness]
        colours = _corner_colours(mesh, topology, atlases.get(mesh.id))
        result.append(_mesh_marker(header, mesh, topology, colours))
        result.append(_skeleton_marker(header, mesh))
    return MarkerArray(markers=result)


def _mesh_marker(
    header: Header, mesh: HandMesh, topology: MeshTopology, colours: NDArray[np.floating[Any]]
) -> Marker:
    corners = topology.faces.reshape(-1).tolist()
    points = _points(mesh.vertices_cam)
    marker = _marker(header, mesh, _MESH, Marker.TRIANGLE_LIST, 1.0)
    # Each vertex is the same object in all of its triangles: that is allowed, and quicker.
    marker.points = [points[corner] for corner in corners]
    marker.colors = [ColorRGBA(r=r, g=g, b=b, a=1.0) for r, g, b in (colours / 255.0).tolist()]
    return marker


def _skeleton_marker(header: Header, mesh: HandMesh) -> Marker:
    points = _points(mesh.keypoints_cam)
    marker = _marker(header, mesh, _SKELETON, Marker.LINE_LIST, _BONE_WIDTH_M)
    bones = [(child, parent) for child, parent in enumerate(KEYPOINT_PARENTS) if parent >= 0]
    marker.points = [points[end] for bone in bones for end in bone]
    marker.color = ColorRGBA(r=0.2, g=0.85, b=0.3, a=1.0)
    return marker


def _marker(header: Header, mesh: HandMesh, number: int, kind: int, scale: float) -> Marker:
    return Marker(
        header=header,
        ns=f'{mesh.handedness} {mesh.id}',
        id=number,
        type=kind,
        action=Marker.ADD,
        pose=Pose(orientation=Quaternion(w=1.0)),
        scale=Vector3(x=scale, y=scale, z=scale),
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        lifetime=_LIFETIME,
    )


def _points(places: NDArray[np.floating[Any]]) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in np.asarray(places, np.float64).tolist()]


def _corner_colours(
    mesh: HandMesh, topology: MeshTopology, atlas: Image | None
) -> NDArray[np.floating[Any]]:
    """Return the colour (N, 3), 0..255, of each triangle's corner."""
    if atlas is None:
        return np.tile(
            np.array(SIDE_COLOURS[mesh.handedness], np.float64), (topology.faces.size, 1)
        )
    uv = topology.uv[topology.face_uv.reshape(-1)].astype(np.float64)
    return sample_texture(atlas, uv[None])[0]
