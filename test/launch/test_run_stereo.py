"""`realhands run stereo`: four processes on a ZED's topics, from their start to Ctrl-C."""

from __future__ import annotations

import array
import importlib.util
import os
import re
import signal

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseArray, PoseStamped, TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image, JointState, PointCloud2
from std_msgs.msg import Float32MultiArray
from visualization_msgs.msg import MarkerArray

from realhands.msg import HandMeshArray, HandObservationArray, HandTexture, HandTopology
from realhands_ros.system.graph import GRAPH

pytestmark = pytest.mark.slow

FRAME = 'zed_left_camera_frame_optical'
LEFT, RIGHT = '/zed/zed_node/left/color/rect', '/zed/zed_node/right/color/rect'
MESHES, OBSERVATIONS = '/cell/meshes', '/cell/hands/observations'
ADAPTERS = ('rwr', 'dex_retargeting', 'geort', 'openxr', 'joint_states')
HAS_TF = importlib.util.find_spec('tf2_msgs') is not None


@pytest.fixture(scope='module')
def system(realhands_run, play, listener, zed_bag):
    """Four nodes in a namespace, one of their topics renamed, and a bag played over and over."""
    listener.listen(HandMeshArray, MESHES)
    listener.listen(HandObservationArray, OBSERVATIONS)
    listener.listen(DiagnosticArray, '/diagnostics')
    switches = [word for name in ADAPTERS for word in ('--param', f'publish_{name}=true')]
    system = realhands_run(
        'stereo', '--namespace', 'cell', '--remap', 'hands/mesh=meshes', *switches
    )
    awaited = [
        f'{LEFT}/image=keypoint_node',
        f'{RIGHT}/image=keypoint_node',
        f'{LEFT}/camera_info=keypoint_node',
        f'{RIGHT}/camera_info=keypoint_node',
        '/cell/hands/observations=handnet_node',
        '/cell/hands/mesh_regressed=refinement_node',
        f'{MESHES}=texture_node',
    ]
    play(zed_bag, *awaited)
    return system


def stamp_of(header):
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


def with_hands(messages):
    return [message for message in messages if message.hands]


def latest_values(listener, node):
    """Return what the last diagnosis of a node says."""
    for message in reversed(listener.got['/diagnostics']):
        for status in message.status:
            if status.name == node:
                return status, {value.key: value.value for value in status.values}
    return None, {}


def test_meshes_come_with_the_stamps_and_the_frame_of_the_images(system, listener, hand_film):
    meshes = listener.got[MESHES]
    listener.wait(lambda: len(with_hands(meshes)) >= 10, 'meshes')
    stamps = {hand_film.stamp_ns(index) for index in range(hand_film.num_frames)}
    for message in meshes:
        assert stamp_of(message.header) in stamps
        assert message.header.frame_id == FRAME
        for mesh in message.hands:
            assert mesh.header == message.header
            assert mesh.handedness == mesh.HANDEDNESS_RIGHT
    best = max((m for message in meshes for m in message.hands), key=lambda m: m.silhouette_iou)
    assert best.stage == best.STAGE_REFINED and best.flags & best.FLAG_STEREO
    assert best.silhouette_iou > 0.7
    assert 0.2 < best.wrist.pose.position.z < 1.2


def test_a_hand_keeps_its_identity_while_the_bag_lasts(system, listener):
    """And the bag starts anew again and again: stamps go back, and hands still come."""
    meshes = listener.got[MESHES]

    def passes():
        found, last = [[]], 0
        for message in meshes:
            if stamp_of(message.header) < last:
                found.append([])
            last = stamp_of(message.header)
            found[-1].append(message)
        return [each for each in found if len(with_hands(each)) >= 3]

    listener.wait(lambda: len(passes()) >= 3, 'three times the bag')
    ids = [{mesh.id for message in each for mesh in message.hands} for each in passes()]
    assert min(len(each) for each in ids) == 1
    # Another one each time: nobody knows that the film is the same.
    assert len(set.union(*ids)) >= 2


def test_wrists_and_their_transforms_come(system, listener):
    meshes = listener.got[MESHES]
    wrists = listener.listen(PoseStamped, '/cell/hands/right/wrist')
    if HAS_TF:
        from tf2_msgs.msg import TFMessage

        messages = listener.listen(TFMessage, '/tf', 100)
        transforms = lambda: [each for message in messages for each in message.transforms]  # noqa: E731
    else:
        found = listener.listen(TransformStamped, '/cell/hands/right/wrist_transform')
        transforms = lambda: found  # noqa: E731

    def matching():
        by_stamp = {stamp_of(message.header): message for message in with_hands(meshes)[-20:]}
        poses = {stamp_of(wrist.header): wrist for wrist in wrists}
        return [
            (by_stamp[stamp], poses[stamp], each)
            for each in transforms()
            if (stamp := stamp_of(each.header)) in by_stamp and stamp in poses
        ]

    mesh, wrist, transform = listener.wait(matching, 'a wrist')[-1]
    assert wrist.header.frame_id == transform.header.frame_id == FRAME
    assert transform.child_frame_id == 'right_wrist'
    places = {
        (round(m.wrist.pose.position.x, 4), round(m.wrist.pose.position.z, 4))
        for message in meshes
        if stamp_of(message.header) == stamp_of(wrist.header)
        for m in message.hands
    }
    assert (round(wrist.pose.position.x, 4), round(wrist.pose.position.z, 4)) in places
    rotation = transform.transform.rotation
    assert np.linalg.norm([rotation.x, rotation.y, rotation.z, rotation.w]) == pytest.approx(1)


def test_teleoperation_gets_its_formats_when_switched_on(system, listener):
    side = '/cell/hands/right'
    points = [
        listener.listen(Float32MultiArray, f'{side}/{topic}')
        for topic in ('rwr_mano', 'dex_retargeting', 'geort')
    ]
    joints = listener.listen(PoseArray, f'{side}/openxr_joints')
    states = listener.listen(JointState, f'{side}/joint_states')
    listener.wait(lambda: all([*points, joints, states]), 'all formats')
    for matrix, *_ in points:
        assert [dimension.size for dimension in matrix.layout.dim] == [21, 3]
        assert np.isfinite(matrix.data).all() and len(matrix.data) == 63
    assert len(joints[-1].poses) == 25
    assert joints[-1].header.frame_id == FRAME
    assert len(states[-1].name) == len(states[-1].position) >= 15
    assert np.isfinite(states[-1].position).all()


def test_who_comes_late_learns_what_the_meshes_are_made_of(system, listener):
    latched = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    topologies = listener.listen(HandTopology, '/cell/hands/topology', latched)
    listener.wait(lambda: len(topologies) == 2, 'both topologies')
    mesh = with_hands(listener.got[MESHES])[-1].hands[0]
    (topology,) = [each for each in topologies if each.key == mesh.topology_key]
    assert len(topology.faces) == 3 * 1538
    assert max(topology.faces) < len(mesh.vertices) // 3


def test_pictures_clouds_and_markers_come_while_somebody_listens(system, listener):
    kinds = {
        '/cell/hands/overlay': Image,
        '/cell/hands/points': PointCloud2,
        '/cell/hands/markers': MarkerArray,
        '/cell/hands/texture': HandTexture,
    }
    got = {topic: listener.listen(kind, topic) for topic, kind in kinds.items()}
    listener.wait(
        lambda: (
            all(got.values())
            and any(cloud.width for cloud in got['/cell/hands/points'])
            and any(message.markers for message in got['/cell/hands/markers'])
        ),
        'all of them',
    )
    overlay = got['/cell/hands/overlay'][-1]
    assert (overlay.width, overlay.height, overlay.encoding) == (672, 376, 'bgr8')
    assert overlay.header.frame_id == FRAME
    assert 778 in {cloud.width for cloud in got['/cell/hands/points']}
    kinds_of_markers = {m.type for each in got['/cell/hands/markers'] for m in each.markers}
    assert kinds_of_markers == {11, 5}  # TRIANGLE_LIST, LINE_LIST
    assert 0.0 < got['/cell/hands/texture'][-1].coverage < 1.0
    for topic in kinds:
        listener.forget(topic)


def test_all_nodes_report_in_diagnostics(system, listener):
    names = {f'/cell/{spec.name}' for spec in GRAPH}

    def active():
        found = {name: latest_values(listener, name)[1] for name in names}
        return all(
            values.get('state') == 'active' and values.get('calibration') == 'valid'
            for values in found.values()
        )

    listener.wait(active, 'four healthy nodes')
    assert set(system.nodes()) == {spec.name for spec in GRAPH}


def test_a_bad_camera_beside_the_good_one_is_reported_and_survived(system, listener):
    """As in test/faults, with real processes: reported, said once a period, and survived."""
    bad = Image(height=376, width=672, encoding='16UC1', step=1344)
    bad.data = array.array('B', bytes(1344 * 376))
    bad.header.frame_id = FRAME
    senders = [listener.node.create_publisher(Image, f'{eye}/image', 10) for eye in (LEFT, RIGHT)]
    listener.wait(lambda: all(s.get_subscription_count() for s in senders), 'a connection')

    def is_reported():
        for sender in senders:
            sender.publish(bad)
        listener.spin(0.05)
        bad.header.stamp.sec += 1
        status, values = latest_values(listener, '/cell/keypoint_node')
        return (
            any(key.startswith('problem: ') and '16UC1' in key for key in values)
            and status.level in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
            and bad.header.stamp.sec > 20
        )

    listener.wait(is_reported, 'the report')
    for sender in senders:
        listener.node.destroy_publisher(sender)
    said = [float(stamp) for stamp in re.findall(r'\[WARN\] \[([\d.]+)\].*16UC1', system.said)]
    assert said and all(np.diff(said) > 0.99)
    before = len(with_hands(listener.got[MESHES]))
    listener.wait(lambda: len(with_hands(listener.got[MESHES])) > before + 3, 'good frames')
    listener.wait(lambda: latest_values(listener, '/cell/keypoint_node')[0].level < b'\x02', 'ok')


@pytest.mark.parametrize('name', ['handnet_node', 'keypoint_node'])
def test_a_killed_node_comes_back_and_the_others_go_on(system, listener, name):
    listener.wait(lambda: with_hands(listener.got[MESHES]), 'meshes')
    before = system.nodes()
    os.kill(before[name], signal.SIGKILL)
    # It may be back between two looks, under another process number.
    listener.wait(lambda: system.nodes().get(name) != before[name], 'its death')
    arrived = len(listener.got[OBSERVATIONS])
    if name != 'keypoint_node':
        listener.wait(lambda: len(listener.got[OBSERVATIONS]) > arrived, 'observations meanwhile')
    listener.wait(lambda: name in system.nodes(), 'its return')
    listener.got[MESHES].clear()
    listener.wait(lambda: len(with_hands(listener.got[MESHES])) >= 3, 'meshes again')
    after = system.nodes()
    assert after.pop(name) != before.pop(name)
    assert after == before
    assert f'{name} has ended with code -9' in system.said


def test_ctrl_c_ends_all_in_order(system, listener):
    assert set(system.nodes()) == {spec.name for spec in GRAPH}
    assert system.interrupt() == 0
    assert system.left_over() == []
    assert 'Traceback' not in system.said
    assert 'is killed' not in system.said
