"""The 25 joints of WebXR lie in the hand and point along its fingers."""

import numpy as np
import pytest

from realhands_ros.hand.export.webxr_joints import webxr_joints


@pytest.mark.parametrize('side', ['right', 'left'])
def test_names_and_axes(rigs, side) -> None:
    joints = webxr_joints(rigs[side])
    assert len({joint.name for joint in joints}) == 25
    by_name = {joint.name: joint for joint in joints}
    assert joints[0].name == 'wrist'
    for joint in joints:
        np.testing.assert_allclose(joint.rotation.T @ joint.rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(joint.rotation) > 0
        # Out of the back of the hand; the thumb is rolled.
        if 'thumb' not in joint.name:
            assert joint.rotation[1, 1] > 0.9
    for finger in ('index-finger', 'middle-finger', 'ring-finger', 'pinky-finger'):
        chain = ('metacarpal', 'phalanx-proximal', 'phalanx-intermediate', 'phalanx-distal', 'tip')
        for part, following in zip(chain, chain[1:], strict=False):
            joint, end = by_name[f'{finger}-{part}'], by_name[f'{finger}-{following}']
            along = end.position - joint.position
            assert -joint.rotation[:, 2] @ along > 0.99 * np.linalg.norm(along)


def test_thumb_has_four_and_x_points_right(rigs) -> None:
    thumbs = [joint.name for joint in webxr_joints(rigs['right']) if 'thumb' in joint.name]
    assert thumbs == [
        'thumb-metacarpal', 'thumb-phalanx-proximal', 'thumb-phalanx-distal', 'thumb-tip',
    ]  # fmt: skip
    # Palm down, fingers away from the viewer: a right hand's thumb is on the left, so x points
    # away from it; a left hand's thumb is on the right.
    for side, sign in (('right', -1), ('left', 1)):
        by_name = {joint.name: joint for joint in webxr_joints(rigs[side])}
        knuckle = by_name['middle-finger-phalanx-proximal']
        towards_thumb = by_name['thumb-tip'].position - knuckle.position
        assert sign * (knuckle.rotation[:, 0] @ towards_thumb) > 0
