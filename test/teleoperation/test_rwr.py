"""rwr_system: 21 x 3 float32, and the palm frame that its retargeter derives is a sound one."""

from __future__ import annotations

import numpy as np

from realhands_ros.teleoperation.rwr import ingress_mano


def test_layout(mesh_of):
    mesh = mesh_of(gesture='rest')
    points = ingress_mano(mesh)
    assert points.dtype == np.float32 and points.shape == (21, 3)
    assert points.flags.c_contiguous
    np.testing.assert_allclose(points, mesh.keypoints_cam, atol=1e-7)


def test_the_retargeters_palm_frame(mesh_of):
    """
    It takes y from the wrist to the middle finger's base and x from ring to index finger's base.

    In that frame a flat hand's fingers point along y, and its z leaves a right hand's back.
    """
    points = ingress_mano(mesh_of(root_aa=(0.3, 1.0, -0.4))).astype(float)
    y = points[9] - points[0]
    y /= np.linalg.norm(y)
    x = points[5] - points[13]
    x -= (x @ y) * y
    x /= np.linalg.norm(x)
    local = (points - points[0]) @ np.stack([x, y, np.cross(x, y)], axis=1)
    tips = local[[8, 12, 16, 20]]
    assert (tips[:, 1] > 0.1).all()
    assert (np.diff(tips[:, 0]) < 0).all()
    assert np.abs(tips[:, 2]).max() < 0.04
