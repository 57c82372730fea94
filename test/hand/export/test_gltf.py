"""A glTF file is read back and skinned; it must move as the hand model does."""

import numpy as np
import pygltflib
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS
from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.gltf import strongest_bones, write_glb
from realhands_ros.hand.export.rig import HandAnimation

TYPES = {
    pygltflib.FLOAT: np.float32, pygltflib.UNSIGNED_BYTE: np.uint8,
    pygltflib.UNSIGNED_SHORT: np.uint16,
}  # fmt: skip
WIDTHS = {'SCALAR': 1, 'VEC2': 2, 'VEC3': 3, 'VEC4': 4, 'MAT4': 16}


class ReadBack:
    """A glTF file with its arrays."""

    def __init__(self, path) -> None:
        self.file = pygltflib.GLTF2().load(str(path))

    def array(self, index):
        accessor = self.file.accessors[index]
        view = self.file.bufferViews[accessor.bufferView]
        width = WIDTHS[accessor.type]
        values = np.frombuffer(
            self.file.binary_blob(),
            TYPES[accessor.componentType],
            accessor.count * width,
            view.byteOffset,
        )
        return values.reshape(-1, width) if width > 1 else values

    def node(self, name):
        return next(i for i, node in enumerate(self.file.nodes) if node.name == name)

    def global_matrices(self, rotations=None, translations=None):
        """Return the matrices (nodes, 4, 4) for local rotations and translations by node."""
        matrices = [None] * len(self.file.nodes)

        def visit(index, parent):
            node, local = self.file.nodes[index], np.eye(4)
            rotation = (rotations or {}).get(index, node.rotation or [0, 0, 0, 1])
            local[:3, :3] = Rotation.from_quat(rotation).as_matrix()
            local[:3, 3] = (translations or {}).get(index, node.translation or [0, 0, 0])
            matrices[index] = parent @ local
            for child in node.children:
                visit(child, matrices[index])

        for root in self.file.scenes[0].nodes:
            visit(root, np.eye(4))
        return matrices

    def skinned(self, hand, matrices):
        """Return the vertices of the mesh of node ``hand``."""
        node = self.file.nodes[self.node(hand)]
        skin, attributes = self.file.skins[node.skin], self.primitive(hand).attributes
        inverse = self.array(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        bones = np.stack([matrices[j] for j in skin.joints]) @ inverse
        position = self.array(attributes.POSITION)
        homogeneous = np.concatenate([position, np.ones((len(position), 1))], axis=1)
        return np.einsum(
            'vk,vkij,vj->vi',
            self.array(attributes.WEIGHTS_0),
            bones[self.array(attributes.JOINTS_0)],
            homogeneous,
        )[:, :3]

    def primitive(self, hand):
        return self.file.meshes[self.file.nodes[self.node(hand)].mesh].primitives[0]


def linear_blend(rig, rotations):
    """Skin a rig by all its weights, in the model's frame; ``rotations`` (16, 3, 3) are local."""
    turned, placed = np.zeros((16, 3, 3)), np.zeros((16, 3))
    for joint, parent in enumerate(JOINT_PARENTS):
        above = np.eye(3) if parent < 0 else turned[parent]
        turned[joint] = above @ rotations[joint]
        placed[joint] = rig.joints[joint]
        if parent >= 0:
            placed[joint] = placed[parent] + above @ (rig.joints[joint] - rig.joints[parent])
    from_joint = rig.vertices[:, None] - rig.joints
    moved = np.einsum('jab,vjb->vja', turned, from_joint) + placed
    return np.einsum('vj,vja->va', rig.skin_weights, moved)


@pytest.fixture(scope='module')
def both(rigs, tmp_path_factory):
    path = tmp_path_factory.mktemp('gltf') / 'both.glb'
    write_glb([rigs['right'], rigs['left']], path)
    return ReadBack(path)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_it_bends_as_the_hand_does(rigs, both, side) -> None:
    rig, rng = rigs[side], np.random.default_rng(0)
    local = Rotation.from_rotvec(0.5 * rng.normal(size=(16, 3)))
    local = Rotation.concatenate([Rotation.identity(), local[1:]])
    turned = {
        both.node(f'{side}_{name}'): local[joint].as_quat()
        for joint, name in enumerate(JOINT_NAMES)
    }
    matrices = both.global_matrices(turned)
    vertex, _, _ = rig.split_at_seams()
    stand = both.node(f'{side}_hand_skeleton')
    upright = matrices[stand]
    expected = linear_blend(rig, local.as_matrix())[vertex] @ upright[:3, :3].T + upright[:3, 3]
    found = both.skinned(f'{side}_hand', matrices)
    # Four bones a vertex instead of five.
    assert np.linalg.norm(found - expected, axis=1).max() < 4e-4


def test_hands_stand_upright_side_by_side(both) -> None:
    matrices = both.global_matrices()
    right, left = (both.skinned(f'{side}_hand', matrices) for side in ('right', 'left'))
    for hand in (right, left):
        low, high = hand.min(axis=0), hand.max(axis=0)
        assert high[1] - low[1] > 0.15
        assert high[2] - low[2] < 0.1
    assert left[:, 0].max() < right[:, 0].min()
    # Seen from the palm, the right hand's thumb is on the right.
    tip = both.global_matrices()[both.node('right_thumb3')][0, 3]
    assert tip > both.global_matrices()[both.node('right_middle1')][0, 3]


def test_morph_targets_are_the_shape_directions(rigs, both) -> None:
    rig = rigs['left']
    vertex, _, _ = rig.split_at_seams()
    targets = both.primitive('left_hand').targets
    assert len(targets) == 10
    for direction, target in zip(rig.shape_directions, targets, strict=True):
        np.testing.assert_allclose(both.array(target['POSITION']), direction[vertex], atol=1e-7)


def test_texture_and_coordinates(rigs, both) -> None:
    rig = rigs['right']
    view = both.file.bufferViews[both.file.images[0].bufferView]
    data = both.file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
    assert data.startswith(b'\x89PNG')
    coordinates = both.array(both.primitive('right_hand').attributes.TEXCOORD_0)
    _, uv, _ = rig.split_at_seams()
    np.testing.assert_allclose(coordinates[:, 0], rig.uv[uv, 0], atol=1e-6)
    np.testing.assert_allclose(coordinates[:, 1], 1 - rig.uv[uv, 1], atol=1e-6)


def test_others_read_it(rigs, tmp_path) -> None:
    write_glb([rigs['right']], tmp_path / 'hand.glb', with_webxr_joints=True)
    scene = trimesh.load(tmp_path / 'hand.glb')
    mesh = next(iter(scene.geometry.values()))
    assert len(mesh.faces) == 1538
    material = mesh.visual.material
    np.testing.assert_array_equal(np.asarray(material.baseColorTexture), rigs['right'].atlas)


def test_webxr_joints_follow_the_fingers(rigs, tmp_path) -> None:
    write_glb([rigs['right']], tmp_path / 'hand.glb', with_webxr_joints=True)
    read = ReadBack(tmp_path / 'hand.glb')
    bent = {read.node('right_index1'): Rotation.from_rotvec([0, 0, 1.2]).as_quat()}
    rest, moved = read.global_matrices(), read.global_matrices(bent)
    tip = read.node('index-finger-tip')
    # Towards the palm, which faces z.
    assert moved[tip][2, 3] - rest[tip][2, 3] > 0.05
    other = read.node('ring-finger-tip')
    np.testing.assert_allclose(moved[other], rest[other])


@pytest.mark.parametrize('alone', [True, False])
def test_animation_is_where_the_camera_saw_the_hand(rigs, tmp_path, alone) -> None:
    rig, rng = rigs['left'], np.random.default_rng(1)
    pose, place = 0.4 * rng.normal(size=(5, 48)), rng.normal(size=(5, 3)) + [0, 0, 1.0]
    animation = HandAnimation(np.arange(5) / 30, pose, place)
    shown = [rig] if alone else [rigs['right'], rig]
    write_glb(shown, tmp_path / 'hand.glb', animations={'left': animation})
    read = ReadBack(tmp_path / 'hand.glb')
    rotations, translations = {}, {}
    movement = read.file.animations[0]
    for channel in movement.channels:
        sampler = movement.samplers[channel.sampler]
        np.testing.assert_allclose(read.array(sampler.input), animation.times, atol=1e-6)
        kept = rotations if channel.target.path == 'rotation' else translations
        kept[channel.target.node] = read.array(sampler.output)[3]
    local = Rotation.from_rotvec(pose[3].reshape(16, 3)).as_matrix()
    optical = linear_blend(rig, local) + place[3]
    vertex, _, _ = rig.split_at_seams()
    found = read.skinned('left_hand', read.global_matrices(rotations, translations))
    # glTF's camera looks along -z with y up.
    expected = (optical * [1, -1, -1])[vertex]
    assert np.linalg.norm(found - expected, axis=1).max() < 4e-4


def test_quaternions_take_no_detour(rigs, tmp_path) -> None:
    angles = np.linspace(2.0, 4.5, 20)
    pose = np.zeros((20, 48))
    pose[:, 3:6] = Rotation.from_rotvec(angles[:, None] * [0, 0, 1.0]).as_rotvec()
    animation = HandAnimation(np.arange(20) / 30, pose, np.zeros((20, 3)))
    write_glb([rigs['right']], tmp_path / 'hand.glb', animations={'right': animation})
    read = ReadBack(tmp_path / 'hand.glb')
    movement = read.file.animations[0]
    for channel in movement.channels:
        if channel.target.path == 'rotation':
            values = read.array(movement.samplers[channel.sampler].output)
            assert ((values[1:] * values[:-1]).sum(axis=1) > 0.9).all()


def test_four_bones_lose_next_to_nothing(rigs) -> None:
    bones, weights = strongest_bones(rigs['right'].skin_weights)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    dense = np.zeros((778, 16))
    np.add.at(dense, (np.arange(778)[:, None], bones), weights)
    assert np.abs(dense - rigs['right'].skin_weights).max() < 5e-3


def test_unwritable_places_are_named(rigs, tmp_path) -> None:
    with pytest.raises(ConfigError, match='cannot be written'):
        write_glb([rigs['right']], tmp_path / 'missing' / 'hand.glb')
