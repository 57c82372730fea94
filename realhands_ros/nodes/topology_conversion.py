"""HandTopology messages from the MeshTopology dataclass."""

from __future__ import annotations

import array

import numpy as np

from realhands.msg import HandTopology
from realhands_ros.hand.mesh_topology import MeshTopology
from realhands_ros.hand.topology import JOINT_NAMES, JOINT_PARENTS


def topology_to_msg(topology: MeshTopology) -> HandTopology:
    """Build the message of one hand model and handedness."""
    return HandTopology(
        key=topology.key,
        faces=_buffer('I', topology.faces.astype(np.uint32)),
        uv=_buffer('f', topology.uv.astype(np.float32)),
        face_uv=_buffer('I', topology.face_uv.astype(np.uint32)),
        joint_names=list(JOINT_NAMES),
        joint_parents=list(JOINT_PARENTS),
    )


def _buffer(typecode: str, values: np.ndarray) -> array.array:
    buffer = array.array(typecode)
    buffer.frombytes(np.ascontiguousarray(values).tobytes())
    return buffer
