"""
The rigged hand that the open hand is built from, read from its glb file.

The source is ``dist/profiles/generic-hand/right.glb`` of the npm package
``@webxr-input-profiles/assets`` (MIT licence): a closed triangle mesh with skin weights to the 25
joints of WebXR and OpenXR, fingers slightly relaxed.
"""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pygltflib
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import FINGER_NAMES, JOINT_NAMES, NUM_JOINTS
from realhands_ros.errors import ModelFileError

IntArray = NDArray[np.int64]

NPM_PACKAGE = '@webxr-input-profiles/assets@1.0.20'
GLB_IN_PACKAGE = 'package/dist/profiles/generic-hand/right.glb'

# Rows are MANO's axes in the glb's: the source's fingers point along -y, its palm faces -x and its
# thumb points to -z.
_MANO_FROM_GLB = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])

_PHALANGES = {
    'thumb': ('metacarpal', 'phalanx-proximal', 'phalanx-distal'),
    'finger': ('phalanx-proximal', 'phalanx-intermediate', 'phalanx-distal'),
}
_GLB_FINGER_NAMES = {
    'thumb': 'thumb',
    'index': 'index-finger',
    'middle': 'middle-finger',
    'ring': 'ring-finger',
    'little': 'pinky-finger',
}
_COMPONENTS = {'SCALAR': 1, 'VEC2': 2, 'VEC3': 3, 'VEC4': 4, 'MAT4': 16}
_DTYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}


@dataclass(frozen=True)
class RiggedHand:
    """
    A triangle mesh on MANO's 16-joint skeleton, metres, in MANO's axes.

    vertices (V, 3); faces (F, 3) counter-clockwise from outside; skin_weights (V, 16), rows sum to
    1; joints (16, 3) in JOINT_NAMES order; tip_joints (5, 3) in FINGER_NAMES order, the ends of
    the finger bones, which lie inside the fingertips.
    """

    vertices: FloatArray
    faces: IntArray
    skin_weights: FloatArray
    joints: FloatArray
    tip_joints: FloatArray


def download_glb(folder: Path) -> Path:
    """
    Fetch the source hand with ``npm pack`` into ``folder`` and return the path of its glb.

    Raises ModelFileError when npm is missing or fails, or the package does not hold the file.
    """
    try:
        packed = subprocess.run(
            ['npm', 'pack', NPM_PACKAGE, '--silent'],
            cwd=folder, check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        message = (
            f'`npm pack {NPM_PACKAGE}` failed ({error}); install npm and check the network, or '
            'name a right.glb with --glb'
        )
        raise ModelFileError(message) from error
    archive_path = folder / packed.stdout.split()[-1]
    try:
        with tarfile.open(archive_path) as archive:
            member = archive.extractfile(GLB_IN_PACKAGE)
            if member is None:
                raise KeyError(GLB_IN_PACKAGE)
            content = member.read()
    except (OSError, KeyError, tarfile.TarError) as error:
        message = f'{archive_path} does not hold {GLB_IN_PACKAGE} ({error})'
        raise ModelFileError(message) from error
    glb_path = folder / 'right.glb'
    glb_path.write_bytes(content)
    return glb_path


def read_rigged_hand(glb_path: Path) -> RiggedHand:
    """
    Read the right hand's glb, weld its seams and merge its 25 joints into MANO's 16.

    The metacarpals of the four fingers go to the wrist and the tips to the last phalanges. Raises
    ModelFileError when the file is missing or not the expected rigged hand.
    """
    try:
        gltf = pygltflib.GLTF2().load(str(glb_path))
        primitive = gltf.meshes[0].primitives[0]
        skin = gltf.skins[0]
        attributes = primitive.attributes
        corners = _read_accessor(gltf, attributes.POSITION)
        joint_ids = _read_accessor(gltf, attributes.JOINTS_0).astype(np.int64)
        joint_weights = _read_accessor(gltf, attributes.WEIGHTS_0)
        faces = _read_accessor(gltf, primitive.indices).astype(np.int64).reshape(-1, 3)
        inverse_binds = _read_accessor(gltf, skin.inverseBindMatrices).reshape(-1, 4, 4)
        joint_names = [str(gltf.nodes[node].name) for node in skin.joints]
        mano_joints, glb_joints, glb_tips = _joint_correspondence(joint_names)
    except (OSError, AttributeError, IndexError, TypeError, KeyError, ValueError) as error:
        message = f'{glb_path} is not the generic right hand of {NPM_PACKAGE} ({error!r})'
        raise ModelFileError(message) from error
    vertices, first, inverse = np.unique(
        corners.round(6), axis=0, return_index=True, return_inverse=True
    )
    weights = np.zeros((len(vertices), NUM_JOINTS))
    for slot in range(joint_ids.shape[1]):
        joints_of_slot = mano_joints[joint_ids[first, slot]]
        np.add.at(weights, (np.arange(len(vertices)), joints_of_slot), joint_weights[first, slot])
    # glTF stores matrices by columns, so the transposed inverse holds the bind position in a row.
    bind_positions = np.linalg.inv(inverse_binds)[:, 3, :3] @ _MANO_FROM_GLB.T
    return RiggedHand(
        vertices=vertices @ _MANO_FROM_GLB.T,
        faces=inverse.reshape(-1)[faces],
        skin_weights=weights / weights.sum(axis=1, keepdims=True),
        joints=bind_positions[glb_joints],
        tip_joints=bind_positions[glb_tips],
    )


def _joint_correspondence(glb_names: list[str]) -> tuple[IntArray, list[int], list[int]]:
    """
    Match joint names.

    Returns the MANO joint of each glb joint (25,), the glb joint at each MANO joint (16), and the
    glb's tip joints (5) in FINGER_NAMES order.
    """
    mano_joints = np.zeros(len(glb_names), dtype=np.int64)
    glb_joints = [glb_names.index('wrist')] * NUM_JOINTS
    glb_tips = []
    for finger in FINGER_NAMES:
        prefix = _GLB_FINGER_NAMES[finger]
        phalanges = _PHALANGES['thumb' if finger == 'thumb' else 'finger']
        for number, phalanx in enumerate(phalanges, start=1):
            joint = JOINT_NAMES.index(f'{finger}{number}')
            glb_joints[joint] = glb_names.index(f'{prefix}-{phalanx}')
            mano_joints[glb_joints[joint]] = joint
        glb_tips.append(glb_names.index(f'{prefix}-tip'))
        mano_joints[glb_tips[-1]] = JOINT_NAMES.index(f'{finger}3')
    return mano_joints, glb_joints, glb_tips


def _read_accessor(gltf: pygltflib.GLTF2, index: int) -> FloatArray:
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
    columns = _COMPONENTS[accessor.type]
    flat = np.frombuffer(
        gltf.binary_blob(), _DTYPES[accessor.componentType], accessor.count * columns, start
    )
    return flat.reshape(accessor.count, columns).astype(np.float64)
