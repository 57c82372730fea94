"""GeoRT's frame of the palm: z along the middle finger's metacarpal, y across the palm."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.teleoperation.geort import canonical_keypoints


@pytest.mark.parametrize('turn', [(0.0, 0.0, 0.0), (1.2, -0.4, 0.3)], ids=str)
def test_the_frame(mesh_of, turn):
    mesh = mesh_of('right', 'open', turn)
    found = canonical_keypoints(mesh)
    np.testing.assert_allclose(found[0], 0.0, atol=1e-12)
    # The middle finger's base is on the z axis, at the length of its metacarpal.
    length = np.linalg.norm(np.subtract(mesh.keypoints_cam[9], mesh.keypoints_cam[0]))
    np.testing.assert_allclose(found[9], [0.0, 0.0, length], atol=1e-6)
    # From ring to index finger is +y, with no part along x.
    across = found[5] - found[13]
    assert across[1] > 0.02 and abs(across[0]) < 1e-9
    # A right-handed frame: the back of a right hand is at +x... and its thumb at +y.
    assert found[4, 1] > 0.03


def test_bent_fingers_go_towards_the_palm(mesh_of):
    flat = canonical_keypoints(mesh_of('right', 'open'))
    fist = canonical_keypoints(mesh_of('right', 'fist'))
    assert (fist[[8, 12, 16], 0] - flat[[8, 12, 16], 0] > 0.02).all()
