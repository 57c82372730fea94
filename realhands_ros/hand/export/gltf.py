"""
Rigged hands as binary glTF 2.0 (.glb).

Each hand is a skinned mesh with a base-colour texture and one morph target for each shape
direction. Its skeleton hangs below a node that turns the model's frame into glTF's (y up): fingers
up, palm towards the viewer. MANO's pose correctives have no counterpart in glTF and are left out,
and a morph target moves the skin, not the joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS, Handedness
from realhands_ros.errors import ConfigError
from realhands_ros.geometry.mirror import POINT_SIGNS
from realhands_ros.hand.export.rig import HandAnimation, HandRig, Image, webxr_joints

# Rows: glTF's x (right), y (up) and z (towards the viewer) in the right model's frame.
_UPRIGHT = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_FROM_OPTICAL = np.diag([1.0, -1.0, -1.0])
# Two hands in one file stand side by side.
_BESIDE_M = 0.13

# What engines support for sure; less than 0.5 % of any vertex's weight is lost.
_BONES_A_VERTEX = 4
_ROUGHNESS = 0.65

_COMPONENTS = {
    np.dtype(np.uint8): gltf.UNSIGNED_BYTE,
    np.dtype(np.uint16): gltf.UNSIGNED_SHORT,
    np.dtype(np.float32): gltf.FLOAT,
}
_TYPES = {(): 'SCALAR', (2,): 'VEC2', (3,): 'VEC3', (4,): 'VEC4', (4, 4): 'MAT4'}


def write_glb(
    rigs: Sequence[HandRig],
    path: Path | str,
    *,
    with_webxr_joints: bool = False,
    animations: Mapping[Handedness, HandAnimation] | None = None,
) -> None:
    """
    Write one or two hands.

    ``with_webxr_joints`` adds nodes with the 25 names of WebXR below the joints. ``animations``
    move the hands as they moved before the camera, whose place is the origin. Raises ConfigError
    when the file cannot be written.
    """
    builder = _Builder()
    for rig in rigs:
        animation = (animations or {}).get(rig.handedness)
        _add_hand(builder, rig, with_webxr_joints, animation, is_alone=len(rigs) == 1)
    try:
        Path(path).write_bytes(builder.binary())
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ConfigError(message) from error


class _Builder:
    """A glTF file in the making: its JSON and its one buffer."""

    def __init__(self) -> None:
        self.file = gltf.GLTF2(
            asset=gltf.Asset(version='2.0', generator='realhands'),
            scene=0,
            scenes=[gltf.Scene(nodes=[])],
        )
        self._blob = bytearray()

    def add(self, collection: str, item: Any) -> int:
        """Append to one of the file's lists; return the index."""
        items = getattr(self.file, collection)
        items.append(item)
        return len(items) - 1

    def accessor(
        self, values: NDArray[Any], *, target: int | None = None, with_bounds: bool = False
    ) -> int:
        """Store an array, one element a row; return the accessor's index."""
        values = np.ascontiguousarray(values)
        bounds: dict[str, list[float]] = {}
        if with_bounds:
            flat = values.reshape(len(values), -1)
            bounds = {'min': flat.min(axis=0).tolist(), 'max': flat.max(axis=0).tolist()}
        return self.add(
            'accessors',
            gltf.Accessor(
                bufferView=self.view(values.tobytes(), target),
                componentType=_COMPONENTS[values.dtype],
                count=len(values),
                type=_TYPES[values.shape[1:]],
                **bounds,
            ),
        )

    def view(self, data: bytes, target: int | None = None) -> int:
        """Store bytes; return the index of their buffer view."""
        self._blob.extend(b'\0' * (-len(self._blob) % 4))
        offset = len(self._blob)
        self._blob.extend(data)
        return self.add(
            'bufferViews',
            gltf.BufferView(buffer=0, byteOffset=offset, byteLength=len(data), target=target),
        )

    def binary(self) -> bytes:
        """Return the file."""
        self.file.buffers = [gltf.Buffer(byteLength=len(self._blob))]
        self.file.set_binary_blob(bytes(self._blob))
        return b''.join(self.file.save_to_bytes())


def _add_hand(
    builder: _Builder,
    rig: HandRig,
    with_webxr_joints: bool,
    animation: HandAnimation | None,
    *,
    is_alone: bool,
) -> None:
    upright = _upright(rig.handedness)
    place = np.zeros(3) if is_alone else np.array([_BESIDE_M, 0.0, 0.0])
    place = (place if rig.handedness == 'right' else -place) - upright @ rig.joints[0]
    first_joint = len(builder.file.nodes)
    _add_joint_nodes(builder, rig)
    if with_webxr_joints:
        _add_webxr_nodes(builder, rig, first_joint, '' if is_alone else f'{rig.handedness}_')
    mesh = _add_mesh(builder, rig)
    skin = _add_skin(builder, rig, first_joint)
    name = f'{rig.handedness}_hand'
    roots = builder.file.scenes[0].nodes
    roots.append(builder.add('nodes', gltf.Node(name=name, mesh=mesh, skin=skin)))
    stand = gltf.Node(
        name=f'{name}_skeleton',
        translation=place.tolist(),
        rotation=Rotation.from_matrix(upright).as_quat().tolist(),
        children=[first_joint],
    )
    roots.append(builder.add('nodes', stand))
    if animation is not None:
        _add_animation(builder, rig, animation, first_joint, upright, place)


def _upright(handedness: Handedness) -> FloatArray:
    """Return the rotation (3, 3) from the model's frame to glTF's."""
    if handedness == 'right':
        return _UPRIGHT
    # The left model is the right one with x negated; upright it is mirrored from left to right.
    mirror = np.diag(POINT_SIGNS)
    return np.asarray(mirror @ _UPRIGHT @ mirror)


def _add_joint_nodes(builder: _Builder, rig: HandRig) -> None:
    first = len(builder.file.nodes)
    for joint in range(NUM_JOINTS):
        parent = JOINT_PARENTS[joint]
        offset = rig.joints[joint] - (rig.joints[parent] if parent >= 0 else 0.0)
        children = [first + child for child in range(NUM_JOINTS) if JOINT_PARENTS[child] == joint]
        builder.add(
            'nodes',
            gltf.Node(
                name=f'{rig.handedness}_{JOINT_NAMES[joint]}',
                translation=offset.tolist(),
                children=children,
            ),
        )


def _add_webxr_nodes(builder: _Builder, rig: HandRig, first_joint: int, prefix: str) -> None:
    for joint in webxr_joints(rig):
        node = gltf.Node(
            name=f'{prefix}{joint.name}',
            translation=(joint.position - rig.joints[joint.parent]).tolist(),
            rotation=Rotation.from_matrix(joint.rotation).as_quat().tolist(),
        )
        builder.file.nodes[first_joint + joint.parent].children.append(builder.add('nodes', node))


def _add_mesh(builder: _Builder, rig: HandRig) -> int:
    vertex, uv, faces = rig.split_at_seams()
    bones, weights = strongest_bones(rig.skin_weights)
    # glTF's v points down.
    coordinates = rig.uv[uv] * [1.0, -1.0] + [0.0, 1.0]

    def attribute(values: NDArray[Any], dtype: type, *, with_bounds: bool = False) -> int:
        return builder.accessor(
            values.astype(dtype), target=gltf.ARRAY_BUFFER, with_bounds=with_bounds
        )

    attributes = gltf.Attributes(
        POSITION=attribute(rig.vertices[vertex], np.float32, with_bounds=True),
        NORMAL=attribute(rig.normals[vertex], np.float32),
        TEXCOORD_0=attribute(coordinates, np.float32),
        JOINTS_0=attribute(bones[vertex], np.uint8),
        WEIGHTS_0=attribute(weights[vertex], np.float32),
    )
    targets = [
        {'POSITION': attribute(direction[vertex], np.float32, with_bounds=True)}
        for direction in rig.shape_directions
    ]
    indices = builder.accessor(
        faces.ravel().astype(np.uint16), target=gltf.ELEMENT_ARRAY_BUFFER, with_bounds=True
    )
    primitive = gltf.Primitive(
        attributes=attributes,
        indices=indices,
        material=_add_material(builder, rig),
        targets=targets,
    )
    names = [f'shape_{number}' for number in range(len(targets))]
    return builder.add(
        'meshes',
        gltf.Mesh(
            name=f'{rig.handedness}_hand',
            primitives=[primitive],
            weights=[0.0] * len(targets),
            extras={'targetNames': names},
        ),
    )


def strongest_bones(skin_weights: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Return the four joints (V, 4) that move each vertex most, and their weights, sum 1."""
    bones = np.argsort(-skin_weights, axis=1, kind='stable')[:, :_BONES_A_VERTEX]
    weights = np.take_along_axis(skin_weights, bones, axis=1)
    bones = np.where(weights > 0.0, bones, 0)
    return bones, weights / weights.sum(axis=1, keepdims=True)


def _add_material(builder: _Builder, rig: HandRig) -> int:
    image = gltf.Image(
        name=f'{rig.handedness}_skin',
        mimeType='image/png',
        bufferView=builder.view(png(rig.atlas)),
    )
    texture = gltf.Texture(
        source=builder.add('images', image),
        sampler=builder.add(
            'samplers',
            gltf.Sampler(
                magFilter=gltf.LINEAR,
                minFilter=gltf.LINEAR_MIPMAP_LINEAR,
                wrapS=gltf.CLAMP_TO_EDGE,
                wrapT=gltf.CLAMP_TO_EDGE,
            ),
        ),
    )
    look = gltf.PbrMetallicRoughness(
        baseColorTexture=gltf.TextureInfo(index=builder.add('textures', texture)),
        metallicFactor=0.0,
        roughnessFactor=_ROUGHNESS,
    )
    # The mesh is open at the wrist.
    return builder.add(
        'materials',
        gltf.Material(
            name=f'{rig.handedness}_skin', pbrMetallicRoughness=look, doubleSided=True,
            alphaCutoff=None,
        ),
    )  # fmt: skip


def png(picture: Image) -> bytes:
    """Encode an RGB picture (H, W, 3)."""
    _, data = cv2.imencode('.png', np.ascontiguousarray(picture[..., ::-1]))
    return data.tobytes()


def _add_skin(builder: _Builder, rig: HandRig, first_joint: int) -> int:
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (NUM_JOINTS, 1, 1))
    # Column-major: the translation is the last row.
    inverse_bind[:, 3, :3] = -rig.joints
    return builder.add(
        'skins',
        gltf.Skin(
            name=f'{rig.handedness}_hand',
            joints=list(range(first_joint, first_joint + NUM_JOINTS)),
            skeleton=first_joint,
            inverseBindMatrices=builder.accessor(inverse_bind),
        ),
    )


def _add_animation(
    builder: _Builder,
    rig: HandRig,
    animation: HandAnimation,
    first_joint: int,
    upright: FloatArray,
    place: FloatArray,
) -> None:
    """Add the movement; the wrist's is taken from the optical frame to below its parent node."""
    rotations = Rotation.from_rotvec(animation.pose_aa.reshape(-1, 3)).as_matrix()
    rotations = rotations.reshape(-1, NUM_JOINTS, 3, 3)
    wrist = (animation.translation + rig.joints[0]) @ _FROM_OPTICAL.T
    rotations[:, 0] = upright.T @ _FROM_OPTICAL @ rotations[:, 0]
    quaternions = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat()
    quaternions = _continuous(quaternions.reshape(-1, NUM_JOINTS, 4))
    times = builder.accessor(animation.times.astype(np.float32), with_bounds=True)
    movement = gltf.Animation(name=f'{rig.handedness}_hand', channels=[], samplers=[])

    def move(node: int, path: str, values: FloatArray) -> None:
        movement.samplers.append(
            gltf.AnimationSampler(
                input=times,
                output=builder.accessor(values.astype(np.float32)),
                interpolation='LINEAR',
            )
        )
        target = gltf.AnimationChannelTarget(node=node, path=path)
        channel = gltf.AnimationChannel(sampler=len(movement.samplers) - 1, target=target)
        movement.channels.append(channel)

    move(first_joint, 'translation', (wrist - place) @ upright)
    for joint in range(NUM_JOINTS):
        move(first_joint + joint, 'rotation', quaternions[:, joint])
    builder.add('animations', movement)


def _continuous(quaternions: FloatArray) -> FloatArray:
    """Choose signs so that neighbours in time (K, 16, 4) lie on one side: no detours."""
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(axis=2))
    flips = np.cumprod(np.where(flips < 0, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * flips[..., None]])
