"""`realhands run replay`: a bag, its time and all nodes in one process, to the bag's end."""

from __future__ import annotations

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from diagnostic_msgs.msg import DiagnosticArray
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader

from realhands_ros.messages.types import bag_typestore
from realhands_ros.system.graph import RECORDED_TOPICS

pytestmark = pytest.mark.slow


def test_a_bag_is_replayed_and_what_comes_out_is_recorded(
    realhands_run, listener, zed_bag, hand_film, tmp_path
):
    diagnostics = listener.listen(DiagnosticArray, '/diagnostics')
    record = tmp_path / 'results'
    system = realhands_run(
        'replay', zed_bag, '--composition', '--clock', '--rate', '0.25', '--record', record
    )
    names = ' '.join(('keypoint_node', 'handnet_node', 'refinement_node', 'texture_node'))
    listener.wait(lambda: names in system.nodes(), 'one process for all nodes')
    listener.wait(lambda: not system.is_running, 'the end of the bag')
    assert system.wait() == 0
    assert system.left_over() == []
    assert 'Traceback' not in system.said

    stamps = {hand_film.stamp_ns(index) for index in range(hand_film.num_frames)}
    hands = 0
    with Reader(record) as reader:
        assert {c.topic for c in reader.connections} == {f'/{each}' for each in RECORDED_TOPICS}
        assert reader.topics['/hands/topology'].msgcount == 2
        (topology,) = (c for c in reader.connections if c.topic == '/hands/topology')
        (offered,) = topology.ext.offered_qos_profiles
        assert offered.durability is QosDurability.TRANSIENT_LOCAL
        for connection, _, data in reader.messages():
            if connection.topic == '/hands/mesh':
                message = bag_typestore().deserialize_cdr(data, connection.msgtype)
                stamp = message.header.stamp
                assert stamp.sec * 1_000_000_000 + stamp.nanosec in stamps
                hands += len(message.hands)
    assert hands >= 5

    # The nodes' clock was the bag's: their diagnoses have its time, and ages that make sense.
    of_nodes = [
        (message.header.stamp.sec, {value.key: value.value for value in message.status[0].values})
        for message in diagnostics
        if message.status[0].name == '/keypoint_node'
    ]
    ages = [values['age of results p50/p95/p99 (ms)'] for sec, values in of_nodes if sec]
    assert any('nan' not in age for age in ages)
    assert {sec for sec, _ in of_nodes} <= {0, *(stamp // 1_000_000_000 for stamp in stamps)}
