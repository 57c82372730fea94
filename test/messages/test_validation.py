"""Messages that contradict their definition are refused with field, expected and found."""

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from geometry_msgs.msg import Point
from sensor_msgs.msg import CompressedImage, Image

from realhands.msg import (
    HandMesh,
    HandMeshArray,
    HandObservation,
    HandTexture,
    HandTopology,
    HandView,
)
from realhands_ros.errors import MessageError
from realhands_ros.messages.validation import validate


def valid_mesh() -> HandMesh:
    return HandMesh(
        id='3f2a', handedness=2, vertices=np.zeros(2334, np.float32).tolist(), topology_key='k'
    )


def test_valid_mesh_passes():
    validate(valid_mesh())
    validate(HandMeshArray(hands=[valid_mesh()]))
    validate(HandMeshArray())


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ({'vertices': [0.0] * 2331}, 'vertices: expected 2334 values, found 2331'),
        ({'vertices': []}, 'vertices: expected 2334 values, found 0'),
        ({'pose': np.zeros(47, np.float32)}, 'pose: expected 48 values, found 47'),
        ({'keypoints': np.zeros(64, np.float32)}, 'keypoints: expected 63 values, found 64'),
        ({'views': [HandView()] * 3}, 'views: expected at most 2 values, found 3'),
        ({'vertex_offsets': [0.0] * 3}, 'vertex_offsets: expected 2334 values, found 3'),
        ({'vertices': [0.0] * 2333 + [np.nan]}, 'expected finite values, found nan at index 2333'),
        ({'keypoint_scores': [2.0] + [0.0] * 20}, 'expected values in [0, 1], found 2 at index 0'),
        ({'handedness': 3}, 'expected 0 (unknown), 1 (left) or 2 (right), found 3'),
        ({'stage': 9}, 'stage: expected 0 to 3'),
        ({'id': ''}, 'id: expected the identity of a track'),
        ({'topology_key': ''}, 'topology_key: expected the key of a HandTopology'),
    ],
)
def test_bad_mesh_is_named(change, expected):
    mesh = valid_mesh()
    for name, value in change.items():
        setattr(mesh, name, value)
    with pytest.raises(MessageError) as caught:
        validate(HandMeshArray(hands=[valid_mesh(), mesh]))
    assert expected in str(caught.value)
    assert 'HandMeshArray.hands[1]' in str(caught.value)


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        (Image(width=4, height=2, encoding='rgb8', step=12, data=[0] * 24), 'encoding: expected'),
        (Image(width=4, height=2, encoding='bgr8', step=11, data=[0] * 22), 'step: expected at'),
        (Image(width=4, height=2, encoding='bgr8', step=12, data=[0] * 20), 'expected 24 values'),
    ],
)
def test_bad_crop_is_named(image, expected):
    observation = HandObservation(id='3f2a', views=[HandView(crop=image)])
    with pytest.raises(MessageError, match=expected):
        validate(observation)


def test_bad_topology_is_named():
    topology = HandTopology(key='k', faces=[0, 1, 2], uv=[0.0, 0.0], face_uv=[0, 0, 1])
    with pytest.raises(MessageError, match='face_uv: expected values in .0, 0., found 1'):
        validate(topology)


def test_bad_texture_is_named():
    texture = HandTexture(atlas=CompressedImage(format='webp'))
    with pytest.raises(MessageError, match='expected png or jpeg'):
        validate(texture)


def test_foreign_message_is_refused():
    with pytest.raises(MessageError, match='cannot validate a geometry_msgs'):
        validate(Point())
