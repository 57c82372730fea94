import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from realhands_ros.errors import ImageError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.crop import (
    apply_affine,
    area_scale,
    crop_affine,
    crop_image,
    crop_view,
    in_plane_rotation,
    mirrored_affine,
    rotation_towards,
    turn_of,
)

SIZE = 128
INTRINSICS = np.array([[350.0, 0, 335.5], [0, 350.0, 187.5], [0, 0, 1]])
CAMERA = PinholeCamera(INTRINSICS, 672, 376)


def hand_points(rng, centre):
    return centre + rng.uniform(-0.07, 0.07, (21, 3))


@pytest.mark.parametrize('intrinsics', [None, INTRINSICS])
def test_box_of_keypoints_fills_the_crop_but_for_the_margin(intrinsics):
    pixels = np.random.default_rng(0).uniform([100, 40], [260, 300], (21, 2))
    pixels[3] = np.nan
    placed = apply_affine(crop_affine(pixels, SIZE, 1.5, intrinsics), pixels)
    low, high = np.nanmin(placed, axis=0), np.nanmax(placed, axis=0)
    np.testing.assert_allclose(0.5 * (low + high), (SIZE - 1) / 2)
    np.testing.assert_allclose((high - low).max(), SIZE / 1.5)


def test_no_known_keypoint_is_an_error():
    with pytest.raises(ImageError, match='no keypoint'):
        crop_affine(np.full((21, 2), np.nan), SIZE, 1.5)


def test_coinciding_keypoints_give_a_finite_crop():
    assert np.isfinite(crop_affine(np.full((21, 2), 50.0), SIZE, 1.5)).all()


@pytest.mark.parametrize('centre', [(0.0, 0.0, 0.5), (0.35, -0.15, 0.5), (-0.4, 0.2, 0.45)])
@pytest.mark.parametrize('turn', [0.0, 0.7])
def test_crop_shows_the_hand_as_its_virtual_camera_sees_it(centre, turn):
    points = hand_points(np.random.default_rng(1), np.array(centre))
    affine = crop_affine(CAMERA.project(points), SIZE, 1.5, INTRINSICS, turn=turn)
    cropped = CAMERA.cropped(affine, SIZE, SIZE)
    view = crop_view(cropped.intrinsics, SIZE)
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) > 0
    # Small displacements from a point on the centre's ray, at distance 0.5.
    on_ray = 0.5 * view.rotation[2]
    displacement = np.random.default_rng(2).normal(0, 1e-5, (50, 3))
    moved = cropped.project(on_ray + displacement) - cropped.project(on_ray)
    expected = view.focal_px / 0.5 * (displacement @ view.rotation.T)[:, :2]
    # The crop's centre is the box's, a little beside the point where the stretch was removed.
    np.testing.assert_allclose(moved, expected, atol=0.06 * np.abs(expected).max())


@pytest.mark.parametrize('turn', [0.0, 0.7, -3.0])
def test_turn_and_scale_of_an_affine_are_those_that_made_it(turn):
    affine = np.column_stack([1.7 * in_plane_rotation(turn)[:2, :2], [3.0, -4.0]])
    assert turn_of(affine) == pytest.approx(turn)
    assert area_scale(affine) == pytest.approx(1.7**2)
    assert area_scale(mirrored_affine(affine, SIZE)) == pytest.approx(-(1.7**2))
    expected = Rotation.from_rotvec([0.0, 0.0, turn]).as_matrix()
    np.testing.assert_allclose(in_plane_rotation(turn), expected, atol=1e-15)


def test_without_intrinsics_an_off_axis_hand_stays_stretched():
    points = hand_points(np.random.default_rng(1), np.array([0.4, 0.0, 0.45]))
    pixels = CAMERA.project(points)
    linear = crop_affine(pixels, SIZE, 1.5)[:, :2]
    stretches = np.linalg.svd(crop_affine(pixels, SIZE, 1.5, INTRINSICS)[:, :2], compute_uv=False)
    assert np.ptp(np.linalg.svd(linear, compute_uv=False)) < 1e-12
    assert stretches[0] / stretches[1] > 1.2


def test_rotation_towards_is_the_smallest():
    ray = np.array([0.3, -0.2, 0.8])
    ray /= np.linalg.norm(ray)
    rotation = rotation_towards(ray)
    np.testing.assert_allclose(rotation @ ray, [0, 0, 1], atol=1e-12)
    assert Rotation.from_matrix(rotation).magnitude() == pytest.approx(np.arccos(ray[2]))


def test_mirrored_affine_gives_the_mirrored_crop():
    image = np.random.default_rng(3).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    affine = crop_affine([[20, 20], [100, 80]], 64, 1.2)
    plain = crop_image(image, affine, 64)
    mirrored = crop_image(image, mirrored_affine(affine, 64), 64)
    assert np.abs(plain[:, ::-1].astype(int) - mirrored).max() <= 1


def test_crop_of_a_large_image_averages_and_stays_in_place():
    # A fine checkerboard averages to grey, and a bright disc keeps its place.
    y, x = np.mgrid[:512, :512]
    image = (((x + y) % 2) * 200).astype(np.uint8)
    assert crop_image(image, crop_affine([[0, 0], [511, 511]], 64, 1.0), 64)[8:56, 8:56].std() < 3
    disc = (np.hypot(x - 300, y - 200) < 40).astype(np.uint8) * 255
    affine = crop_affine([[0, 0], [511, 511]], 64, 1.0)
    crop = crop_image(disc, affine, 64).astype(float)
    rows, columns = np.mgrid[:64, :64]
    found = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(found, apply_affine(affine, [300, 200]), atol=0.15)


def test_crop_beyond_the_image_is_black():
    image = np.full((50, 50, 3), 200, np.uint8)
    crop = crop_image(image, crop_affine([[-100, -100], [-60, -60]], 32, 1.0), 32)
    assert crop.max() == 0
