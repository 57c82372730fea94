"""The URDF's twenty joints move the fingers as the hand model does."""

from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import JOINT_NAMES, JOINT_PARENTS
from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.urdf import write_urdf
from realhands_ros.hand.joint_angles import HINGES, hinge_names, pose_of_hinges


def numbers(text):
    return np.array([float(part) for part in text.split()])


def link_poses(path, angles):
    """Return each link's pose (4, 4) below the base for joint angles by name."""
    root = ElementTree.parse(path).getroot()
    children = {joint.find('child').get('link') for joint in root.iter('joint')}
    base = next(link.get('name') for link in root.iter('link') if link.get('name') not in children)
    poses, waiting = {base: np.eye(4)}, list(root.iter('joint'))
    while waiting:
        joint = next(j for j in waiting if j.find('parent').get('link') in poses)
        waiting.remove(joint)
        local = np.eye(4)
        local[:3, 3] = numbers(joint.find('origin').get('xyz'))
        turn = angles[joint.get('name')] * numbers(joint.find('axis').get('xyz'))
        local[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        poses[joint.find('child').get('link')] = poses[joint.find('parent').get('link')] @ local
    return poses


@pytest.fixture(scope='module')
def urdfs(rigs, tmp_path_factory):
    folder = tmp_path_factory.mktemp('urdf')
    for side, rig in rigs.items():
        write_urdf(rig, folder / f'{side}.urdf')
    return {side: folder / f'{side}.urdf' for side in rigs}


def random_angles(side, seed=0):
    rng = np.random.default_rng(seed)
    values = np.array([rng.uniform(hinge.lower, hinge.upper) for hinge in HINGES])
    return values, dict(zip(hinge_names(side), values, strict=True))


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('seed', range(4))
def test_links_are_where_the_models_bones_are(rigs, urdfs, side, seed) -> None:
    rig = rigs[side]
    values, named = random_angles(side, seed)
    poses = link_poses(urdfs[side], named)
    fingers = pose_of_hinges(rig.skeleton, values, side).reshape(15, 3)
    local = np.concatenate([np.eye(3)[None], Rotation.from_rotvec(fingers).as_matrix()])
    turned, placed = [np.eye(3)], [np.zeros(3)]
    for joint in range(1, 16):
        parent = JOINT_PARENTS[joint]
        turned.append(turned[parent] @ local[joint])
        bone = rig.joints[joint] - rig.joints[parent]
        placed.append(placed[parent] + turned[parent] @ bone)
    for joint, name in enumerate(JOINT_NAMES):
        pose = poses[f'{side}_{name}']
        np.testing.assert_allclose(pose[:3, 3], placed[joint], atol=1e-7)
        np.testing.assert_allclose(pose[:3, :3], turned[joint], atol=1e-6)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_positive_flexion_closes_the_hand(urdfs, side) -> None:
    straight = dict.fromkeys(hinge_names(side), 0.0)
    open_hand = link_poses(urdfs[side], straight)
    for finger in ('index', 'middle', 'ring', 'little'):
        bent = link_poses(urdfs[side], straight | {f'{side}_{finger}_mcp_flexion': 1.0})
        moved = bent[f'{side}_{finger}3'][:3, 3] - open_hand[f'{side}_{finger}3'][:3, 3]
        # The palm faces -y.
        assert moved[1] < -0.02
        spread = link_poses(urdfs[side], straight | {f'{side}_{finger}_mcp_abduction': 0.3})
        moved = spread[f'{side}_{finger}3'][:3, 3] - open_hand[f'{side}_{finger}3'][:3, 3]
        # The thumb is at +z.
        assert moved[2] > 0.008


@pytest.mark.parametrize('side', ['right', 'left'])
def test_joints_have_names_and_limits_of_the_hinges(urdfs, side) -> None:
    root = ElementTree.parse(urdfs[side]).getroot()
    joints = {joint.get('name'): joint for joint in root.iter('joint')}
    assert set(joints) == set(hinge_names(side))
    for name, hinge in zip(hinge_names(side), HINGES, strict=True):
        assert joints[name].get('type') == 'revolute'
        limit = joints[name].find('limit')
        assert float(limit.get('lower')) == pytest.approx(hinge.lower, abs=1e-5)
        assert float(limit.get('upper')) == pytest.approx(hinge.upper, abs=1e-5)
        assert np.linalg.norm(numbers(joints[name].find('axis').get('xyz'))) == pytest.approx(1.0)


def test_links_have_masses_and_meshes(rigs, urdfs) -> None:
    root = ElementTree.parse(urdfs['right']).getroot()
    total = 0.0
    for link in root.iter('link'):
        mass = float(link.find('inertial/mass').get('value'))
        entries = {k: float(v) for k, v in link.find('inertial/inertia').attrib.items()}
        inertia = np.array([
            [entries['ixx'], entries['ixy'], entries['ixz']],
            [entries['ixy'], entries['iyy'], entries['iyz']],
            [entries['ixz'], entries['iyz'], entries['izz']],
        ])  # fmt: skip
        assert mass > 0
        assert np.linalg.eigvalsh(inertia).min() > 0
        total += mass
    # A hand weighs about half a kilogram.
    assert 0.2 < total < 0.8
    corners = []
    for link in root.iter('link'):
        visual = link.find('visual/geometry/mesh')
        if visual is not None:
            mesh = trimesh.load(urdfs['right'].parent / visual.get('filename'))
            assert np.linalg.norm(mesh.vertices, axis=1).max() < 0.15
            corners.append(len(mesh.faces))
    assert len(corners) == 16
    assert sum(corners) >= len(rigs['right'].faces)


def test_a_standard_parser_reads_it(urdfs) -> None:
    yourdfpy = pytest.importorskip('yourdfpy', reason='yourdfpy is not installed')
    values, named = random_angles('left')
    robot = yourdfpy.URDF.load(str(urdfs['left']))
    assert robot.validate()
    robot.update_cfg(named)
    expected = link_poses(urdfs['left'], named)
    for name in JOINT_NAMES:
        found = robot.get_transform(f'left_{name}', 'left_wrist')
        np.testing.assert_allclose(found, expected[f'left_{name}'], atol=1e-6)


def test_unwritable_places_are_named(rigs, tmp_path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match='cannot be written'):
        write_urdf(rigs['right'], tmp_path / 'file' / 'hand.urdf')
