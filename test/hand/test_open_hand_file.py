"""The committed open hand keeps its promises, without the network."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from realhands_ros.data.topology import FINGER_NAMES, JOINT_NAMES, NUM_SHAPE, TIP_VERTEX_IDS
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import (
    HandModelData,
    default_model_folder,
    load_hand_model_data,
)
from realhands_ros.hand.skeleton import HandSkeleton
from tools.open_hand.report import (
    HINGES,
    measure_hand,
    mesh_table,
    section_ratio,
    section_table,
    size_table,
    without_correctives,
)
from tools.open_hand.shape_space import SHAPE_DIRECTIONS, build_shape_space
from tools.open_hand.source import RiggedHand

NO_SHAPE = np.zeros(NUM_SHAPE)


@pytest.fixture(scope='module')
def right() -> HandModelData:
    return load_hand_model_data(default_model_folder(), 'right')


@pytest.fixture(scope='module')
def left() -> HandModelData:
    return load_hand_model_data(default_model_folder(), 'left')


@pytest.fixture(scope='module')
def joints(right) -> np.ndarray:
    return right.joint_regressor @ right.v_template


def _posed(data: HandModelData, pose: np.ndarray, shape: np.ndarray) -> np.ndarray:
    model = HandModel(data, dtype=torch.float64)
    full = np.concatenate([np.zeros((len(pose), 3)), pose], axis=1)
    return model(torch.tensor(full), torch.tensor(shape)).vertices.numpy()


def _directed_edges(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _crossing_faces(vertices: np.ndarray, faces: np.ndarray) -> int:
    """Count the pairs of faces without a common vertex of which one's edge pierces the other."""
    triangles = vertices[faces]
    middles = triangles.mean(axis=1)
    radius = np.linalg.norm(triangles - middles[:, None], axis=2).max()
    first, second = cKDTree(middles).query_pairs(2 * radius, output_type='ndarray').T
    low, high = triangles.min(axis=1), triangles.max(axis=1)
    near = ((low[first] <= high[second]) & (low[second] <= high[first])).all(axis=1)
    near &= ~(faces[first][:, :, None] == faces[second][:, None, :]).any(axis=(1, 2))
    this, other = triangles[first[near]], triangles[second[near]]
    return int((_pierces(this, other) | _pierces(other, this)).sum())


def _pierces(edged: np.ndarray, faced: np.ndarray) -> np.ndarray:
    """Tell for pairs of triangles (K, 3, 3) whether an edge of the first meets the second."""
    normal = np.cross(faced[:, 1] - faced[:, 0], faced[:, 2] - faced[:, 0])
    meets = np.zeros(len(edged), dtype=bool)
    for k in range(3):
        start, end = edged[:, k], edged[:, (k + 1) % 3]
        above = ((start - faced[:, 0]) * normal).sum(axis=1)
        below = ((end - faced[:, 0]) * normal).sum(axis=1)
        crosses = above * below < 0.0
        share = above / np.where(crosses, above - below, np.inf)
        point = start + share[:, None] * (end - start)
        for m in range(3):
            side = np.cross(faced[:, (m + 1) % 3] - faced[:, m], point - faced[:, m])
            crosses = crosses & ((side * normal).sum(axis=1) >= 0.0)
        meets |= crosses
    return meets


# --- mesh --------------------------------------------------------------------------------------


def test_surface_is_a_closed_manifold_but_for_the_wrist_rim(right) -> None:
    edges = _directed_edges(right.faces)
    assert len(np.unique(edges, axis=0)) == len(edges), 'an edge runs twice the same way'
    undirected, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert set(uses) == {1, 2}
    rim_edges = undirected[uses == 1]
    rim, rim_uses = np.unique(rim_edges, return_counts=True)
    assert len(rim) == len(rim_edges) == 16
    assert (rim_uses == 2).all()
    # Euler's formula of a disc: one connected piece with one hole, no handles.
    assert 778 - len(undirected) + len(right.faces) == 1
    assert len(np.unique(right.faces)) == 778


def test_fans_around_vertices_are_whole(right) -> None:
    """Each vertex's faces form a single fan: no two cones that touch in a point."""
    edges = _directed_edges(right.faces)
    _, first, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    rim = np.unique(edges[first[uses == 1]])
    for vertex in range(778):
        fan = right.faces[(right.faces == vertex).any(axis=1)]
        around = {}
        for face in fan.tolist():
            at = face.index(vertex)
            around[face[(at + 1) % 3]] = face[(at + 2) % 3]
        start = next(iter(set(around) - set(around.values())), fan[0][fan[0] != vertex][0])
        steps, walker = 0, int(start)
        while walker in around and steps < len(fan):
            walker = around[walker]
            steps += 1
        assert steps == len(fan)
        assert (walker == start) == (vertex not in rim)


def test_rim_is_proximal_of_the_wrist(right, joints) -> None:
    edges = _directed_edges(right.faces)
    _, first, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    rim = right.v_template[np.unique(edges[first[uses == 1]])]
    beyond = rim[:, 0] - joints[0, 0]
    assert beyond.min() > 0.005
    assert beyond.max() < 0.03
    assert np.ptp(rim[:, 0]) < 1e-3


def test_faces_look_outwards(right) -> None:
    corners = right.v_template[right.faces]
    rim_plane = corners - [corners[:, :, 0].max(), 0.0, 0.0]
    volume = np.einsum('fc,fc->', rim_plane[:, 0], np.cross(rim_plane[:, 1], rim_plane[:, 2])) / 6
    # An average adult hand has about a third of a litre.
    assert 0.25e-3 < volume < 0.55e-3


def test_faces_are_well_shaped(right) -> None:
    corners = right.v_template[right.faces]
    edges = np.roll(corners, -1, axis=1) - corners
    lengths = np.linalg.norm(edges, axis=2)
    cosines = -(edges * np.roll(edges, 1, axis=1)).sum(axis=2) / (
        lengths * np.roll(lengths, 1, axis=1)
    )
    angles = np.rad2deg(np.arccos(cosines))
    assert angles.min() > 20
    assert angles.max() < 125
    assert lengths.max() / lengths.min() < 6
    assert lengths.min() > 0.003
    assert lengths.max() < 0.018


def test_rest_pose_does_not_meet_itself(right) -> None:
    assert _crossing_faces(right.v_template, right.faces) == 0


# --- frame, tips, joints -----------------------------------------------------------------------


def test_hand_lies_in_manos_frame(right, joints) -> None:
    np.testing.assert_allclose(joints[0], [0.0957, 0.0064, 0.0062], atol=5e-4)
    tips = right.v_template[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]]
    assert (tips[1:, 0] < -0.03).all(), 'fingers point along -x'
    assert tips[0, 2] > 0.07, 'the thumb points to +z'
    assert (np.diff(tips[1:, 2]) < 0).all(), 'index to little finger run towards -z'
    # The palm's side, where the thumb and the fingers' pads are, is -y.
    assert tips[0, 1] < joints[0, 1]


@pytest.mark.parametrize('finger', ['index', 'middle', 'ring', 'little'])
def test_fingers_are_flat_and_straight(joints, finger) -> None:
    first = JOINT_NAMES.index(f'{finger}1')
    proximal, middle = np.diff(joints[first : first + 3], axis=0)
    assert abs(proximal[1]) < 0.001
    assert np.cross(proximal, middle) == pytest.approx(0.0, abs=2e-5)


@pytest.mark.parametrize('finger', FINGER_NAMES)
def test_tip_ids_are_the_foremost_vertices_of_the_fingers(right, joints, finger) -> None:
    last = JOINT_NAMES.index(f'{finger}3')
    tip = right.v_template[TIP_VERTEX_IDS[finger]]
    axis = (tip - joints[last]) / np.linalg.norm(tip - joints[last])
    on_finger = right.v_template[right.skin_weights[:, last] > 0.5]
    reach = (on_finger - joints[last]) @ axis
    assert (tip - joints[last]) @ axis > reach.max() - 5e-4


def test_joints_lie_inside(right, joints) -> None:
    """The winding number of the surface around each joint is one (wrist rim capped)."""
    edges = _directed_edges(right.faces)
    _, first, uses = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    rim_edges = edges[first[uses == 1]]
    middle = right.v_template[np.unique(rim_edges)].mean(axis=0)
    vertices = np.vstack([right.v_template, middle])
    cap = np.column_stack([rim_edges[:, ::-1], np.full(len(rim_edges), 778)])
    triangles = vertices[np.vstack([right.faces, cap])]
    for joint in joints:
        a, b, c = (triangles - joint).transpose(1, 0, 2)
        la, lb, lc = (np.linalg.norm(corner, axis=1) for corner in (a, b, c))
        volume = (a * np.cross(b, c)).sum(axis=1)
        base = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        assert np.arctan2(volume, base).sum() / (2 * np.pi) == pytest.approx(1.0, abs=1e-6)


def test_joint_regressor_is_a_sparse_mean(right) -> None:
    assert (right.joint_regressor >= 0).all()
    np.testing.assert_allclose(right.joint_regressor.sum(axis=1), 1.0, atol=1e-9)
    used = (right.joint_regressor > 0).sum(axis=1)
    assert (used >= 6).all()
    assert (used <= 48).all()


def test_regressor_moves_the_joints_as_the_shapes_do(right, joints) -> None:
    """The skeleton under each shape direction, drawn anew, is where the regressor has it."""
    tips = right.v_template[[TIP_VERTEX_IDS[finger] for finger in FINGER_NAMES]]
    template = RiggedHand(right.v_template, right.faces, right.skin_weights, joints, tips)
    space = build_shape_space(template)
    np.testing.assert_allclose(space.vertices, right.shapedirs, atol=2e-4)
    shapes = np.random.default_rng(0).normal(size=(200, NUM_SHAPE))
    regressed = np.einsum('jv,vck->jck', right.joint_regressor, right.shapedirs) @ shapes.T
    errors = np.linalg.norm(regressed - space.joints @ shapes.T, axis=1)
    assert errors.max() < 4e-4
    assert np.median(errors) < 5e-5


def test_hinge_joints_lie_in_the_middle_of_their_fingers(right, joints) -> None:
    for name in HINGES:
        distance = np.linalg.norm(right.v_template - joints[JOINT_NAMES.index(name)], axis=1)
        # The eight or nine vertices of the ring around the joint.
        ring = np.sort(distance)[:8]
        assert ring[0] > 0.005
        assert ring[-1] / ring[0] < 2.0


# --- skin weights and correctives --------------------------------------------------------------


def test_skin_weights_are_a_partition(right) -> None:
    assert (right.skin_weights >= 0).all()
    np.testing.assert_allclose(right.skin_weights.sum(axis=1), 1.0, atol=1e-9)
    assert (right.skin_weights > 0).sum(axis=1).max() <= 8
    assert (right.skin_weights.max(axis=0) > 0.9).all(), 'some joint has no skin of its own'


def test_skin_weights_are_smooth_along_edges(right) -> None:
    edges = np.unique(np.sort(_directed_edges(right.faces), axis=1), axis=0)
    steps = np.abs(right.skin_weights[edges[:, 0]] - right.skin_weights[edges[:, 1]])
    assert steps.max() < 0.75
    assert np.percentile(steps.max(axis=1), 90) < 0.45


@pytest.mark.parametrize('joint', HINGES)
def test_correctives_keep_the_girth_of_bent_fingers(right, joint) -> None:
    plain = section_ratio(without_correctives(right), joint, 90)
    corrected = section_ratio(right, joint, 90)
    assert plain < 0.75
    assert 0.9 < corrected < 1.1


def test_correctives_keep_folds_apart(right) -> None:
    angles = np.zeros((15, 3))
    for finger in ('index', 'middle', 'ring', 'little'):
        angles[JOINT_NAMES.index(f'{finger}2') - 1, 0] = np.deg2rad(95)
    pose = HandSkeleton.from_model(right).pose_from_angles(angles)[None]
    plain = _posed(without_correctives(right), pose, NO_SHAPE[None])[0]
    corrected = _posed(right, pose, NO_SHAPE[None])[0]
    assert _crossing_faces(plain, right.faces) > 20
    assert _crossing_faces(corrected, right.faces) == 0


def test_correctives_are_local(right, joints) -> None:
    for joint in range(1, 16):
        block = right.posedirs[:, :, 9 * (joint - 1) : 9 * joint]
        moved = np.abs(block).max(axis=(1, 2)) > 0
        assert moved.any()
        distance = np.linalg.norm(right.v_template[moved] - joints[joint], axis=1)
        assert distance.max() < 0.035
    assert np.abs(right.posedirs).max() < 0.01


# --- shapes and sizes --------------------------------------------------------------------------


def test_shape_directions_are_orthogonal_and_named(right) -> None:
    assert len(SHAPE_DIRECTIONS) == NUM_SHAPE
    flat = right.shapedirs.reshape(-1, NUM_SHAPE)
    lengths = np.linalg.norm(flat, axis=0)
    np.testing.assert_allclose((flat / lengths).T @ (flat / lengths), np.eye(10), atol=1e-6)


def test_extreme_shapes_are_sound(right) -> None:
    for direction in range(NUM_SHAPE):
        for coefficient in (-3.0, 3.0):
            vertices = right.v_template + coefficient * right.shapedirs[:, :, direction]
            assert _crossing_faces(vertices, right.faces) == 0


def test_sizes_are_an_average_adults(right) -> None:
    """ANSUR II, men and women in equal parts: 187, 83, 199 and 165 mm."""
    sizes = measure_hand(right, NO_SHAPE)
    assert sizes.length == pytest.approx(0.1873, abs=0.002)
    assert sizes.breadth == pytest.approx(0.0832, abs=0.002)
    assert sizes.circumference == pytest.approx(0.1994, abs=0.004)
    assert sizes.wrist == pytest.approx(0.1654, abs=0.004)
    assert sizes.span == pytest.approx(0.21, abs=0.01)


def test_first_direction_spans_adult_sizes(right) -> None:
    """From about the 1st percentile of women (160 mm) to the 99th of men (218 mm) at +-2.5."""
    unit = np.eye(NUM_SHAPE)[0]
    lengths = [measure_hand(right, b * unit).length for b in (-3, -2, 0, 2, 3)]
    assert (np.diff(lengths) > 0.005).all()
    assert 0.145 < lengths[0] < 0.160
    assert 0.218 < lengths[-1] < 0.230


def test_documented_tables_are_those_of_the_committed_file(right) -> None:
    document = (default_model_folder().parents[1] / 'docs' / 'hand_shape.md').read_text()
    documented = set(document.splitlines())
    for table in (mesh_table(right), size_table(right), section_table(right)):
        missing = [row for row in table.splitlines()[2:] if row not in documented]
        assert not missing, 'run tools.open_hand.report and update docs/hand_shape.md'


# --- left hand, smplx --------------------------------------------------------------------------


def test_left_hand_is_the_mirror_image_in_pose_and_shape(right, left) -> None:
    rng = np.random.default_rng(1)
    pose = rng.normal(scale=0.4, size=(6, 45))
    shape = rng.normal(size=(6, NUM_SHAPE))
    mirrored_pose = pose * np.tile([1.0, -1.0, -1.0], 15)
    expected = _posed(right, pose, shape) * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(_posed(left, mirrored_pose, shape), expected, atol=1e-9)
    np.testing.assert_allclose(left.hands_mean, right.hands_mean * np.tile([1, -1, -1], 15))
    normals = [
        np.cross(*np.diff(model.v_template[model.faces], axis=1).transpose(1, 0, 2))
        for model in (right, left)
    ]
    np.testing.assert_allclose(normals[1], normals[0] * [-1.0, 1.0, 1.0], atol=1e-12)


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_smplx_loads_the_file(handedness) -> None:
    smplx = pytest.importorskip('smplx')
    model = smplx.create(
        str(default_model_folder().parent), 'mano', ext='npz', is_rhand=handedness == 'right',
        use_pca=False, flat_hand_mean=True,
    )  # fmt: skip
    pose = torch.tensor(np.random.default_rng(2).normal(scale=0.3, size=(1, 45))).float()
    output = model(hand_pose=pose)
    assert output.vertices.shape == (1, 778, 3)
    data = load_hand_model_data(default_model_folder(), handedness)
    ours = _posed(data, pose.double().numpy(), NO_SHAPE[None])
    np.testing.assert_allclose(output.vertices.detach().numpy(), ours, atol=1e-5)
