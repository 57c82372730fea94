"""dex-retargeting's operator frame, by what its documentation says of it."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.teleoperation.dex_retargeting import operator_keypoints, palm_frame

TURNS = [(0.0, 0.0, 0.0), (1.2, -0.4, 0.3), (-0.5, 2.0, 1.0)]
# Rows of the published OPERATOR2MANO matrices: axes of the palm's frame in the operator's.
RIGHT = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]])
LEFT = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])


@pytest.mark.parametrize('handedness', ['right', 'left'])
@pytest.mark.parametrize('turn', TURNS, ids=str)
def test_it_does_not_matter_where_the_hand_is(mesh_of, handedness, turn):
    there = operator_keypoints(mesh_of(handedness, 'grasp', turn, (0.3, 0.2, 0.7)))
    here = operator_keypoints(mesh_of(handedness, 'grasp'))
    np.testing.assert_allclose(there, here, atol=1e-6)
    np.testing.assert_allclose(here[0], 0.0, atol=1e-12)


def test_metres_stay_metres(mesh_of):
    mesh = mesh_of(gesture='point')
    found = np.linalg.norm(np.diff(operator_keypoints(mesh), axis=0), axis=1)
    true = np.linalg.norm(np.diff(np.asarray(mesh.keypoints_cam, float), axis=0), axis=1)
    np.testing.assert_allclose(found, true, atol=1e-9)


def test_fingers_of_a_flat_hand_point_up_in_the_operators_frame(mesh_of):
    """x from middle finger to wrist becomes -z: the fingers point along z, for either hand."""
    for handedness in ('right', 'left'):
        found = operator_keypoints(mesh_of(handedness))
        assert (found[[8, 12, 16], 2] > 0.14).all()
        assert np.abs(found[12, :2]).max() < 0.03


def test_left_and_right_are_mirror_images(mesh_of):
    """Across y, the operator's sideways axis."""
    right = operator_keypoints(mesh_of('right', 'grasp'))
    left = operator_keypoints(mesh_of('left', 'grasp'))
    np.testing.assert_allclose(left, right * [1.0, -1.0, 1.0], atol=1e-6)
    # A right thumb is on the side of +y.
    assert right[4, 1] > 0.03


@pytest.mark.parametrize('handedness', ['right', 'left'])
def test_the_palms_frame_is_the_published_one(mesh_of, handedness):
    """
    x from the middle finger's base to the wrist within the plane of wrist, index and middle base.

    y is the plane's normal, z = x cross y points from the middle finger to the index finger.
    """
    keypoints = np.asarray(mesh_of(handedness, 'rest', (0.5, 0.1, 1.0)).keypoints_cam, float)
    keypoints = keypoints - keypoints[0]
    frame = palm_frame(keypoints)
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1.0)
    assert frame[:, 0] @ (keypoints[0] - keypoints[9]) > 0.08
    for point in keypoints[[5, 9]]:
        assert abs(frame[:, 1] @ point) < 1e-9
    assert frame[:, 2] @ (keypoints[5] - keypoints[9]) > 0.01
    expected = keypoints @ frame @ (RIGHT if handedness == 'right' else LEFT)
    found = operator_keypoints(mesh_of(handedness, 'rest', (0.5, 0.1, 1.0)))
    np.testing.assert_allclose(found, expected, atol=1e-9)
