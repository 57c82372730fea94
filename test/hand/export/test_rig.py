"""The rig is the person's hand in the rest pose."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.rig import HandRig, webxr_joints
from realhands_ros.hand.model_file import default_model_folder


def test_splitting_at_seams_changes_no_triangle(rigs) -> None:
    rig = rigs['right']
    vertex, uv, faces = rig.split_at_seams()
    np.testing.assert_array_equal(vertex[faces], rig.faces)
    np.testing.assert_array_equal(uv[faces], rig.face_uv)
    assert 778 < len(vertex) < 1200


def test_left_is_the_mirror_image_in_all_but_offsets(rigs) -> None:
    right, left = rigs['right'], rigs['left']
    np.testing.assert_allclose(left.joints, right.joints * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(
        left.shape_directions, right.shape_directions * [-1, 1, 1], atol=1e-9
    )


def test_other_sizes_are_refused() -> None:
    atlas = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ConfigError, match='shape'):
        HandRig.of(
            default_model_folder(),
            'right',
            shape=np.zeros(9),
            offsets=np.zeros((778, 3)),
            atlas=atlas,
        )


# The 25 joints of WebXR lie in the hand and point along its fingers.


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
