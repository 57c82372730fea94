"""The rig is the person's hand in the rest pose."""

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.hand.export.hand_rig import HandRig
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
