"""Tests of the z-buffer rasteriser against ray casting, and of its promises at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import NO_FACE, TexelTable, rasterize


def camera_of(width: int, height: int, focal: float = 100.0) -> PinholeCamera:
    """Return a camera that looks at the middle of its image."""
    intrinsics = np.array(
        [[focal, 0, (width - 1) / 2], [0, 1.1 * focal, (height - 1) / 2], [0, 0, 1]]
    )
    return PinholeCamera(intrinsics, width, height)


def random_triangles(
    rng: np.random.Generator, count: int, z_min: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``count`` unconnected triangles around the optical axis."""
    vertices = rng.uniform([-0.5, -0.5, z_min], [0.5, 0.5, 1.5], (3 * count, 3))
    return vertices, np.arange(3 * count).reshape(-1, 3)


def cast_rays(
    vertices: np.ndarray, faces: np.ndarray, camera: PinholeCamera, near: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return face, barycentrics and depth by intersecting every pixel's ray with every face."""
    ys, xs = np.mgrid[: camera.height, : camera.width]
    pixels = np.stack([xs, ys, np.ones_like(xs)], axis=-1)
    rays = pixels @ np.linalg.inv(camera.intrinsics).T
    weights = np.einsum('fij,hwj->hwfi', np.linalg.inv(vertices[faces].transpose(0, 2, 1)), rays)
    total = weights.sum(-1)
    with np.errstate(divide='ignore', invalid='ignore'):
        z = np.where((weights >= 0).all(-1) & (1 / total >= near), 1 / total, np.inf)
    nearest = z.argmin(-1)
    depth = z.min(-1)
    chosen = np.take_along_axis(weights, nearest[..., None, None], 2)[:, :, 0]
    barycentric = np.where(
        np.isfinite(depth)[..., None], chosen / chosen.sum(-1, keepdims=True), 0.0
    )
    return np.where(np.isfinite(depth), nearest, NO_FACE), barycentric, depth


@pytest.mark.parametrize('z_min', [0.3, -0.5], ids=['in front', 'crossing the near plane'])
def test_agrees_with_ray_casting(z_min: float) -> None:
    """Faces, perspective-correct barycentrics and depth are those of a ray caster."""
    camera = camera_of(61, 47)
    vertices, faces = random_triangles(np.random.default_rng(1), 40, z_min)
    fragments = rasterize(vertices, faces, camera, near=0.05)
    face_id, barycentric, depth = cast_rays(vertices, faces, camera, 0.05)
    assert (fragments.face_id == face_id).all()
    assert 0.2 < fragments.mask.mean() <= 1.0
    np.testing.assert_allclose(fragments.depth, depth, rtol=1e-6)
    np.testing.assert_allclose(fragments.barycentric, barycentric, atol=1e-6)


def test_pixel_centres_are_at_integers() -> None:
    """A triangle just around (3, 2) lights that pixel and no other."""
    camera = PinholeCamera(np.eye(3), 8, 6)
    triangle = np.array([[2.9, 1.9, 1.0], [3.2, 1.9, 1.0], [2.9, 2.3, 1.0]])
    fragments = rasterize(triangle, [[0, 1, 2]], camera)
    assert np.argwhere(fragments.mask).tolist() == [[2, 3]]


def test_shared_edges_leave_no_gap_and_no_overlap() -> None:
    """A fan whose edges pass through pixel centres covers its square completely."""
    camera = PinholeCamera(np.eye(3), 9, 9)
    rim = [[0, 0, 1], [4, 0, 1], [8, 0, 1], [8, 8, 1], [3, 8, 1], [0, 8, 1]]
    vertices = np.array([[4, 4, 1], *rim], dtype=float)
    faces = [[0, i, i % 6 + 1] for i in range(1, 7)]
    assert rasterize(vertices, faces, camera).mask.all()
    rng = np.random.default_rng(0)
    for _ in range(20):
        depths = rng.uniform(0.5, 2.0, (7, 1))
        in_space = (vertices + [*rng.uniform(-1, 1, 2), 0] * (np.arange(7) == 0)[:, None]) * depths
        forward = rasterize(in_space, faces, camera)
        backward = rasterize(in_space, [face[::-1] for face in faces], camera)
        assert forward.mask.all()
        assert (forward.face_id == backward.face_id).all()


def test_the_nearest_face_wins_and_ties_go_to_the_first() -> None:
    """Order does not matter for depth; at equal depth the lower index is seen."""
    camera = camera_of(16, 16)
    near = np.array([[-1, -1, 1], [1, -1, 1], [0, 2, 1]], dtype=float)
    vertices = np.concatenate([2 * near, near, near])
    fragments = rasterize(vertices, [[0, 1, 2], [3, 4, 5], [6, 7, 8]], camera)
    assert fragments.face_id[8, 8] == 1
    assert fragments.depth[8, 8] == pytest.approx(1.0)


def test_threads_change_nothing() -> None:
    """One thread and many give the same arrays."""
    camera = camera_of(200, 150)
    vertices, faces = random_triangles(np.random.default_rng(2), 300, -0.2)
    one = rasterize(vertices, faces, camera, num_threads=1)
    three = rasterize(vertices, faces, camera, num_threads=3)
    for name in ('face_id', 'barycentric', 'depth'):
        assert (getattr(one, name) == getattr(three, name)).all()


def test_what_cannot_be_seen_is_not_drawn() -> None:
    """Faces behind the camera, out of the image, edge-on or non-finite leave the image empty."""
    camera = camera_of(32, 32)
    ahead = np.array([[-0.1, -0.1, 1], [0.1, -0.1, 1], [0, 0.1, 1]])
    hidden = [
        -ahead,
        ahead + [100, 0, 0],
        ahead - [0, 1e9, 0],
        ahead * [0, 1, 1],
        np.where(ahead == 0.1, np.nan, ahead),
        ahead * 0.001,
    ]
    vertices = np.concatenate(hidden)
    faces = np.arange(len(vertices)).reshape(-1, 3)
    assert not rasterize(vertices, faces, camera).mask.any()
    assert not rasterize(np.zeros((0, 3)), np.zeros((0, 3), int), camera).mask.any()


def test_interpolation_is_perspective_correct() -> None:
    """Interpolated camera coordinates lie on the pixel's ray at the pixel's depth."""
    camera = camera_of(40, 30)
    vertices, faces = random_triangles(np.random.default_rng(3), 10, 0.2)
    fragments = rasterize(vertices, faces, camera)
    points = fragments.interpolate(vertices, faces)[fragments.mask]
    rows, columns = np.nonzero(fragments.mask)
    np.testing.assert_allclose(
        camera.project(points), np.stack([columns, rows], axis=-1), atol=1e-3
    )
    np.testing.assert_allclose(points[:, 2], fragments.depth[fragments.mask], rtol=1e-5)


@pytest.mark.parametrize(
    ('vertices', 'faces', 'words'),
    [
        (np.zeros((3, 3)), [[0, 1, 3]], 'names? vertices'),
        (np.zeros((1, 3, 3)), [[0, 1, 2]], 'not a batch'),
    ],
)
def test_a_broken_mesh_is_named(vertices: np.ndarray, faces: list, words: str) -> None:
    """Indices out of range and batches raise instead of reading foreign memory."""
    with pytest.raises(ConfigError, match=words):
        rasterize(vertices, faces, camera_of(8, 8))


# Texels know the point of the mesh that they show.

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
