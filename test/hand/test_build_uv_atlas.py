"""Packing of two islands."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.hand.build_uv_atlas import flatten, pack_pair, stretches

MARGIN = 0.02
FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
# An L: its partner fits into the corner it leaves free.
ELL = np.array([[0.0, 0], [4, 0], [4, 1], [1, 1], [1, 4], [0, 4]])


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least distance between points strewn over two polygons' edges."""
    steps = np.linspace(0, 1, 50)[:, None]
    outlines = [
        np.concatenate([a + steps * (b - a) for a, b in zip(p, np.roll(p, -1, 0), strict=True)])
        for p in (first, second)
    ]
    return np.linalg.norm(outlines[0][:, None] - outlines[1], axis=2).min()


def test_two_ells_interlock_with_a_margin() -> None:
    first, second = pack_pair((ELL, ELL), (FACES, FACES), margin=MARGIN)
    both = np.concatenate([first, second])
    assert both.min() >= MARGIN - 1e-9
    assert both.max() <= 1 - MARGIN + 1e-9
    assert _distance(first, second) >= MARGIN * 0.95
    # Side by side they would need a square of side 8.
    side = 4 / np.ptp(first, axis=0).max()
    assert side < 6


def test_islands_keep_their_shape_and_common_scale() -> None:
    first, second = pack_pair((ELL, 2 * ELL), (FACES, FACES), margin=MARGIN)
    lengths = [np.linalg.norm(np.diff(p, axis=0), axis=1) for p in (first, second)]
    assert np.allclose(lengths[1], 2 * lengths[0])
    area = [np.cross(p[1] - p[0], p[2] - p[0]) for p in (first, second)]
    assert min(area) > 0


# Flattening of triangle discs.


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
