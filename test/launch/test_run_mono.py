"""`realhands run mono`: one camera, three nodes, and an end by SIGTERM."""

from __future__ import annotations

import signal

import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from realhands.msg import HandMeshArray

pytestmark = pytest.mark.slow

LEFT = '/zed/zed_node/left/color/rect'


def test_one_camera_gives_meshes_whose_size_is_a_guess(realhands_run, play, listener, zed_bag):
    meshes = listener.listen(HandMeshArray, '/hands/mesh')
    system = realhands_run(
        'mono',
        '--no-texture',
        '--image-topic',
        f'{LEFT}/image',
        '--camera-info-topic',
        f'{LEFT}/camera_info',
    )
    play(zed_bag, f'{LEFT}/image=keypoint_node', f'{LEFT}/camera_info=handnet_node')
    hands = listener.wait(lambda: [m for each in meshes for m in each.hands][2:], 'meshes')
    for mesh in hands:
        assert mesh.flags & mesh.FLAG_SCALE_PRIOR and not mesh.flags & mesh.FLAG_STEREO
        assert len(mesh.views) == 1
        assert mesh.header.frame_id == 'zed_left_camera_frame_optical'
    assert set(system.nodes()) == {'keypoint_node', 'handnet_node', 'refinement_node'}
    assert system.interrupt(signal.SIGTERM) == 0
    assert system.left_over() == []
    assert 'Traceback' not in system.said
