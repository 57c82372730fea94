"""A HandMesh survives the way through its message and through serialisation."""

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from realhands.msg import HandMesh as HandMeshMsg
from realhands_ros.data.hands import HandMesh, HandView, MeshFlag, MeshStage
from realhands_ros.errors import MessageError
from realhands_ros.messages.decode import mesh_from_msg
from realhands_ros.messages.encode import mesh_to_msg


def random_mesh(rng: np.random.Generator) -> HandMesh:
    def random(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    view = HandView(
        keypoints_px=random(21, 2),
        keypoint_scores=rng.random(21).astype(np.float32),
        crop_affine=rng.normal(size=(2, 3)),
        crop=rng.integers(0, 256, (32, 24, 3), dtype=np.uint8),
        silhouette=rng.integers(0, 256, (32, 24), dtype=np.uint8),
        weak_camera=random(3),
    )
    return HandMesh(
        id='3f2a',
        handedness='left',
        vertices_cam=random(778, 3),
        keypoints_cam=random(21, 3),
        pose_aa=random(48),
        translation=random(3),
        topology_key='key',
        shape=random(10),
        vertex_offsets=random(778, 3),
        wrist_covariance=np.eye(6),
        stage=MeshStage.REFINED,
        flags=MeshFlag.STEREO | MeshFlag.TRUNCATED,
        reprojection_error_px=1.5,
        silhouette_iou=0.9,
        views=(view, view),
    )


def assert_equal(actual: object, expected: object) -> None:
    for name in vars(expected):
        value, reference = getattr(actual, name), getattr(expected, name)
        if name == 'views':
            assert len(value) == len(reference)
            for one, other in zip(value, reference, strict=True):
                assert_equal(one, other)
        elif isinstance(reference, float):
            assert value == pytest.approx(reference, nan_ok=True)
        elif isinstance(reference, np.ndarray):
            np.testing.assert_allclose(value, reference, rtol=1e-6)
        else:
            assert value == reference, name


def test_round_trip_through_serialisation():
    mesh = random_mesh(np.random.default_rng(0))
    data = serialize_message(mesh_to_msg(mesh, Header(frame_id='left')))
    assert_equal(mesh_from_msg(deserialize_message(data, HandMeshMsg)), mesh)


def test_absent_parts_stay_absent():
    rng = np.random.default_rng(1)
    full = random_mesh(rng)
    mesh = HandMesh(
        id='3f2a',
        handedness='right',
        vertices_cam=full.vertices_cam,
        keypoints_cam=full.keypoints_cam,
        pose_aa=full.pose_aa,
        translation=full.translation,
        topology_key='key',
        views=(HandView(np.zeros((21, 2), np.float32), np.zeros(21, np.float32)),),
    )
    assert_equal(mesh_from_msg(mesh_to_msg(mesh, Header())), mesh)


def test_wrist_pose_is_the_root_rotation_at_the_wrist_keypoint():
    mesh = random_mesh(np.random.default_rng(2))
    pose = mesh_to_msg(mesh, Header()).wrist.pose
    position = [pose.position.x, pose.position.y, pose.position.z]
    np.testing.assert_allclose(position, mesh.keypoints_cam[0], rtol=1e-6)
    quaternion = [pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w]
    rotation = Rotation.from_quat(quaternion).as_matrix()
    expected = Rotation.from_rotvec(mesh.pose_aa[:3]).as_matrix()
    np.testing.assert_allclose(rotation, expected, atol=1e-6)


def test_message_without_handedness_is_refused():
    msg = mesh_to_msg(random_mesh(np.random.default_rng(3)), Header())
    msg.handedness = HandMeshMsg.HANDEDNESS_UNKNOWN
    with pytest.raises(MessageError, match=r'handedness: expected 1 \(left\) or 2'):
        mesh_from_msg(msg)


def test_enums_have_the_message_values():
    for stage in MeshStage:
        assert getattr(HandMeshMsg, f'STAGE_{stage.name}') == stage
    for flag in MeshFlag:
        if flag:
            assert getattr(HandMeshMsg, f'FLAG_{flag.name}') == flag
