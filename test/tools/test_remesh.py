"""Remeshing a flat patch: exact count, edge lengths, boundary and winding kept."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from realhands_ros.errors import ModelFileError
from tools.open_hand.remesh import PatchMesh, boundary_loops, bridged, remeshed

SIDE = 14


def _flat(points: np.ndarray) -> np.ndarray:
    return points * [1.0, 1.0, 0.0]


def _height(points: np.ndarray) -> np.ndarray:
    return np.abs(points[:, 2])


def _grid() -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Return a square of 1 mm cells whose boundary vertices are fixed."""
    x, y = np.meshgrid(np.arange(SIDE + 1), np.arange(SIDE + 1), indexing='ij')
    vertices = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3) * 1e-3
    ids = np.arange(len(vertices)).reshape(SIDE + 1, SIDE + 1)
    a, b, c, d = ids[:-1, :-1], ids[1:, :-1], ids[1:, 1:], ids[:-1, 1:]
    faces = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    on_edge = (x == 0) | (x == SIDE) | (y == 0) | (y == SIDE)
    return vertices, faces, set(ids[on_edge].tolist())


@cache
def _remeshed(num_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces, fixed = _grid()
    patch = PatchMesh(vertices, faces, fixed, _height)
    return remeshed(patch, lambda points: np.full(len(points), 2e-3), _flat, num_vertices)


@pytest.mark.parametrize('num_vertices', [100, 101])
def test_patch_has_the_wanted_number_of_vertices_and_covers_the_square(num_vertices) -> None:
    vertices, faces = _remeshed(num_vertices)
    assert len(vertices) == num_vertices
    # Euler's formula of a disc with 4 * SIDE boundary edges.
    assert len(faces) == 2 * num_vertices - 2 - 4 * SIDE
    corners = vertices[faces]
    areas = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert (areas > 0).all(), 'a face turned over'
    assert areas.sum() == pytest.approx((SIDE * 1e-3) ** 2, rel=1e-9)


def test_fixed_vertices_stay() -> None:
    vertices, _, fixed = _grid()
    result, _ = _remeshed(100)
    for vertex in fixed:
        assert np.linalg.norm(result - vertices[vertex], axis=1).min() == 0.0


def test_faces_are_well_shaped() -> None:
    vertices, faces = _remeshed(100)
    corners = vertices[faces]
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    assert edges.max() / edges.min() < 4.0


def test_same_input_gives_the_same_mesh() -> None:
    first, second = _remeshed(100), _remeshed.__wrapped__(100)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_a_number_below_the_fixed_vertices_is_refused() -> None:
    with pytest.raises(ModelFileError, match='cannot be brought'):
        _remeshed(4 * SIDE - 2)


# Joining a boundary loop to a coarser one.


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
