"""Packing of two islands."""

import numpy as np

from realhands_ros.geometry.packing import pack_pair

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
