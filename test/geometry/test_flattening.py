"""Flattening of triangle discs."""

import numpy as np
import pytest

from realhands_ros.geometry.flattening import flatten, stretches


def _grid(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return np.stack([u.ravel(), v.ravel()], axis=1), faces


def test_half_a_tube_unrolls_without_stretch() -> None:
    flat, faces = _grid(9, 13)
    angle = np.pi * flat[:, 0]
    tube = np.stack([-0.01 * np.cos(angle), 0.05 * flat[:, 1], 0.01 * np.sin(angle)], axis=1)
    seen_from_above = tube[:, :2]
    plane = flatten(tube, faces, seen_from_above, pull=np.zeros(len(tube)))
    assert np.abs(stretches(tube, faces, plane) - 1).max() < 0.01
    width = plane[flat[:, 0] == 1, 0].mean() - plane[flat[:, 0] == 0, 0].mean()
    assert width == pytest.approx(0.01 * np.pi, rel=0.01)
    # What it began with was squeezed at the edges.
    assert stretches(tube, faces, seen_from_above).min() < 0.3


def test_pull_decides_where_the_drawing_lies() -> None:
    flat, faces = _grid(5, 5)
    vertices = np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    start = flat @ turn + [3.0, 1.0]
    plane = flatten(vertices, faces, start, pull=np.full(len(flat), 0.1))
    assert np.allclose(plane, start, atol=1e-6)


def test_stretches_of_a_stretched_and_a_turned_over_triangle() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2]])
    stretched = stretches(vertices, faces, np.array([[0.0, 0], [3, 0], [0, 0.5]]))
    assert np.allclose(stretched, [[3, 0.5]])
    turned_over = stretches(vertices, faces, np.array([[0.0, 0], [-1, 0], [0, 1]]))
    assert np.allclose(turned_over, [[1, -1]])
