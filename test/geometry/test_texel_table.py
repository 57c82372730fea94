"""Texels know the point of the mesh that they show."""

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.texel_table import TexelTable

# A square of 20 x 20 texels, made of two triangles.
CORNERS = np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_barycentrics_give_the_texels_centre() -> None:
    table = TexelTable.of(CORNERS, FACES, 32)
    rows, columns = np.unravel_index(table.texels, (32, 32))
    centres = np.einsum('nk,nkc->nc', table.barycentric, CORNERS[FACES[table.face]])
    np.testing.assert_allclose(centres, np.stack([columns, rows], axis=1), atol=1e-4)


def test_every_texel_of_the_square_comes_once() -> None:
    table = TexelTable.of(CORNERS, FACES, 32)
    used = np.zeros((32, 32), dtype=bool)
    used[5:26, 5:26] = True
    inner = np.flatnonzero(used[6:25, 6:25])
    assert len(np.unique(table.texels)) == len(table.texels)
    assert used.ravel()[table.texels].all()
    assert len(table.texels) >= len(inner)


def test_texels_are_sorted_by_face() -> None:
    table = TexelTable.of(CORNERS, FACES, 32)
    for face in range(len(FACES)):
        assert (table.face[table.starts[face] : table.starts[face + 1]] == face).all()
    assert table.starts[-1] == len(table.texels)


def test_gutters_take_the_nearest_texel() -> None:
    table = TexelTable.of(CORNERS, FACES, 32, gutter_texels=2.0)
    gutter = np.stack(np.unravel_index(table.gutter, (32, 32)), axis=1)
    source = np.stack(np.unravel_index(table.texels[table.gutter_source], (32, 32)), axis=1)
    distance = np.linalg.norm(gutter - source, axis=1)
    assert len(gutter) > 40
    assert distance.min() > 0
    assert distance.max() <= 2.0
    assert not set(table.gutter) & set(table.texels)


def test_faces_must_belong_to_the_corners() -> None:
    with pytest.raises(ConfigError, match='faces name vertices'):
        TexelTable.of(CORNERS, np.array([[0, 1, 9]]), 32)
