"""Joining a boundary loop to a coarser one."""

import numpy as np

from realhands_ros.hand.open_hand.bridging import boundary_loops, bridged


def _disc(around: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a fan of triangles of radius 1, counter-clockwise seen from +z."""
    turns = 2 * np.pi * np.arange(around) / around
    rim = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    k = np.arange(around)
    faces = np.stack([k, (k + 1) % around, np.full(around, around)], axis=1)
    return np.vstack([rim, np.zeros(3)]), faces


def test_strip_closes_the_gap_with_the_winding_of_the_faces() -> None:
    vertices, faces = _disc(40)
    turns = 2 * np.pi * (np.arange(9) + 0.3) / 9
    # The coarse loop may run the other way round and lie outside.
    loop = 1.5 * np.stack([np.cos(-turns), np.sin(-turns), 0 * turns], axis=1)
    joined, all_faces = bridged(vertices, faces, [loop])
    np.testing.assert_array_equal(joined[:9], loop)
    assert len(all_faces) == 40 + 40 + 9
    corners = joined[all_faces]
    areas = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert (areas > 0).all()
    nonagon = 0.5 * 9 * 1.5**2 * np.sin(2 * np.pi / 9)
    np.testing.assert_allclose(areas.sum(), nonagon, rtol=1e-9)
    (rim,) = boundary_loops(all_faces)
    assert sorted(rim.tolist()) == list(range(9))


def test_boundary_runs_with_the_faces_on_its_left() -> None:
    vertices, faces = _disc(12)
    (loop,) = boundary_loops(faces)
    points = vertices[loop]
    assert (np.cross(points, np.roll(points, -1, axis=0))[:, 2] > 0).all()
