import numpy as np
import pytest

from realhands_ros.geometry.rasterizer import NO_FACE, rasterize
from realhands_ros.refinement.contour_matching import ContourPairs, match_contours
from realhands_ros.refinement.contours import contour_confidence, contour_of, nearest
from realhands_ros.refinement.sharp_silhouette import draw_faces


def _disk(radius: float, centre: tuple[float, float] = (40.0, 45.0)) -> np.ndarray:
    y, x = np.mgrid[:90, :80]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2


def test_a_disk_has_a_round_contour():
    pixels, normals = contour_of(_disk(20.0))
    outward = pixels - np.array([40.0, 45.0])
    assert np.abs(np.linalg.norm(outward, axis=1) - 19.5).max() < 0.7
    cosine = (normals * outward).sum(axis=1) / np.linalg.norm(outward, axis=1)
    assert cosine.min() > 0.97


def test_the_border_of_the_image_is_no_contour():
    mask = np.zeros((30, 40), bool)
    mask[10:, :25] = True
    pixels, _ = contour_of(mask)
    assert set(map(tuple, pixels)) == {(x, 10) for x in range(25)} | {
        (24, y) for y in range(10, 30)
    }
    assert len(contour_of(np.ones((5, 5), bool))[0]) == 0
    assert len(contour_of(np.zeros((5, 5), bool))[0]) == 0


def test_nearest_points_are_the_nearest():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 224, (50, 2)).astype(np.int32)
    among = rng.integers(0, 224, (70, 2)).astype(np.int32)
    distance = np.linalg.norm(points[:, None] - among, axis=2)
    found = nearest(points, among)
    np.testing.assert_array_equal(found, distance.argmin(axis=1))
    far = np.array([[0, 0], [32767, 32767]], np.int32)
    np.testing.assert_array_equal(nearest(far[::-1], far), [1, 0])
    assert nearest(far[:1], far[1:]).tolist() == [0]


def test_confidence_is_that_of_the_area_behind_the_contour():
    target = np.where(_disk(20.0), 0.6, 0.05).astype(np.float32)
    pixels, _ = contour_of(target > 0.5)
    np.testing.assert_allclose(contour_confidence(target, pixels), 0.2, atol=1e-6)
    sharp = _disk(20.0).astype(np.float32)
    assert contour_confidence(sharp, pixels).min() == 1.0


def test_sharp_silhouettes_are_those_of_the_rasteriser(model, sampler):
    for seed in range(4):
        sample = sampler.draw(seed)
        for view in sample.estimate.views:
            camera = view.camera
            vertices_cam = camera.to_camera(sample.vertices)
            expected = rasterize(vertices_cam, model.faces, camera).face_id
            found = draw_faces(
                camera.project(sample.vertices), vertices_cam[:, 2], model.faces,
                camera.height, camera.width,
            )  # fmt: skip
            assert ((found == NO_FACE) != (expected == NO_FACE)).sum() == 0
            assert (found != expected).mean() < 1e-3


def test_pixels_on_the_sides_of_a_triangle_belong_to_it():
    """Corners on pixels: flat tops and bottoms, and sides that run through many of them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :17]
    for _ in range(200):
        a, b, c = corners = rng.integers(-2, 18, (3, 2)).astype(float)
        sides = [
            (q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        inside = np.all(np.stack(sides) >= 0, axis=0) | np.all(np.stack(sides) <= 0, axis=0)
        double_area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        found = draw_faces(corners, np.ones(3), np.array([[0, 1, 2]], np.int32), 16, 17)
        np.testing.assert_array_equal(found == 0, inside & (double_area != 0.0))


@pytest.mark.parametrize('wrong', [np.nan, np.inf, -np.inf, 1e300, -1e12])
@pytest.mark.parametrize('corner', range(6))
def test_triangles_with_a_wild_corner_are_skipped(wrong, corner):
    good = np.array([[5.0, 5.0], [20.0, 6.0], [8.0, 25.0]])
    bad = good + [30.0, 0.0]
    bad.flat[corner] = wrong
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    found = draw_faces(np.vstack([bad, good]), np.ones(6), faces, 60, 60)
    assert set(np.unique(found)) == {NO_FACE, 1}
    depth = np.ones(6)
    depth[0] = wrong
    assert (draw_faces(np.vstack([good, good]), depth, faces, 60, 60) != NO_FACE).any()


def _pairs(mesh: np.ndarray, target: np.ndarray, far: float = 30.0) -> ContourPairs:
    """Match a mask drawn as two large triangles' pixels with a target."""
    corners = np.array([[-100.0, -100.0], [300.0, -100.0], [300.0, 300.0], [-100.0, 300.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    y, x = np.mgrid[: mesh.shape[0], : mesh.shape[1]]
    face_id = np.where(mesh, (y > x).astype(np.int32), np.int32(NO_FACE)).astype(np.int32)
    slopes = np.zeros((4, 2, 3))
    slopes[:, 0, 0] = slopes[:, 1, 1] = 100.0
    pixels, normals = contour_of(target)
    sure = np.ones(len(pixels))
    return ContourPairs(
        *match_contours(face_id, faces, corners, slopes, pixels, normals, sure, 1.0, 0.5, far)
    )


def test_pairs_of_equal_masks_have_no_distance():
    pairs = _pairs(_disk(20.0), _disk(20.0))
    assert len(pairs.distance) > 100
    assert np.abs(pairs.distance).max() == 0.0
    assert pairs.reliability.min() == 1.0


@pytest.mark.parametrize(('radius', 'distance'), [(24.0, 4.0), (16.0, -4.0)])
def test_distances_are_positive_where_the_mesh_sticks_out(radius, distance):
    pairs = _pairs(_disk(radius), _disk(20.0))
    assert np.abs(pairs.distance - distance).mean() < 0.5
    # A shift of the mesh along the normal changes the distance by as much.
    slope = pairs.slopes.sum(axis=1)
    np.testing.assert_allclose(np.linalg.norm(slope, axis=1), 100.0, rtol=1e-6)


def test_the_pairs_add_up_to_the_wrong_area():
    """Sum |d| ds over contours that are apart is the area between them (weights are 1 / |d|)."""
    mesh, target = _disk(22.0), _disk(20.0)
    pairs = _pairs(mesh, target, far=1e6)
    area = (pairs.weight * pairs.distance**2).sum() * 1.1
    assert area == pytest.approx((mesh ^ target).sum(), rel=0.15)


def test_contours_that_face_away_do_not_pair():
    """A disk inside of a ring's hole touches the ring's inner contour, which faces inwards."""
    ring = _disk(38.0) & ~_disk(24.0)
    pairs = _pairs(_disk(20.0), ring)
    inner = pairs.reliability[pairs.distance < 0.0]
    assert (pairs.reliability == 0.0).mean() > 0.5
    assert inner.max(initial=0.0) < 1.0
