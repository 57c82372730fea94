"""Textured hands are drawn where the cameras see them."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data, load_uv_atlas
from realhands_ros.hand.sheets import HandPoser
from realhands_ros.texture.display import AtlasFiller
from realhands_ros.texture.stage import TextureStage, texel_table


def test_overlay_covers_the_hand_and_nothing_else(studio) -> None:
    mesh, camera = studio.hand(), studio.cameras[0]
    textures = TextureStage()([mesh], studio.cameras)
    image = np.full((camera.height, camera.width, 3), 7, np.uint8)
    overlaid = studio.renderer.overlay(image, [mesh], textures, camera)
    drawn = (overlaid != 7).any(axis=2)
    expected = studio.renderer.render(mesh.vertices_cam, 'right', studio.skin, camera)
    assert (drawn == expected.mask).mean() > 0.999
    # BGR, as the camera's image.
    difference = np.abs(overlaid[..., ::-1] - expected.colours)[expected.mask]
    assert np.median(difference) < 6
    assert (image == 7).all()


def test_of_two_hands_the_nearer_one_is_seen(studio) -> None:
    far = studio.hand('right', place=(0.0, 0.0, 0.5), skin=np.full((64, 64, 3), 90, np.uint8))
    near = studio.hand('left', place=(0.0, 0.0, 0.3), skin=np.full((64, 64, 3), 200, np.uint8))
    camera = studio.cameras[0]
    stage = TextureStage()
    textures = [stage([mesh], studio.cameras)[0] for mesh in (far, near)]
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    overlaid = studio.renderer.overlay(image, [far, near], textures, camera)
    in_front = studio.renderer.render(near.vertices_cam, 'left', near.views[0].crop, camera).mask
    assert np.median(overlaid[in_front]) > 170


def test_novel_views_show_the_skin_from_all_sides(studio) -> None:
    vertices = HandPoser(default_model_folder(), 'right').vertices(gesture_angles('open'))
    for view in ('palm', 'back', 'side'):
        picture = studio.renderer.novel_view(vertices, 'right', studio.skin, view, 128)
        skin = np.abs(picture.astype(int) - picture[0, 0]).max(axis=2) > 20
        assert 0.03 < skin.mean() < 0.6
        red, green, blue = picture[skin].mean(axis=0)
        assert red > green > blue


# Unseen skin is made up of what is around it, and of the other hand.

SIZE = 256


@pytest.fixture(scope='module')
def table():
    return texel_table(load_uv_atlas(default_model_folder()), SIZE)


@pytest.fixture(scope='module')
def filler(table):
    return AtlasFiller(table, load_hand_model_data(default_model_folder()).faces)


def used_mask(table):
    mask = np.zeros(SIZE * SIZE, dtype=bool)
    mask[table.texels] = True
    return mask.reshape(SIZE, SIZE)


def test_one_tone_fills_everything(table, filler) -> None:
    colours = np.zeros((SIZE, SIZE, 3), np.uint8)
    coverage = np.zeros((SIZE, SIZE), np.uint8)
    seen = used_mask(table)
    seen[: SIZE // 2] = False
    colours[seen], coverage[seen] = (180, 130, 110), 255
    atlas = filler.fill(colours, coverage)
    assert np.abs(atlas.astype(int) - (180, 130, 110)).max() <= 2


def test_what_was_seen_stays(table, filler) -> None:
    rng = np.random.default_rng(1)
    colours = rng.integers(60, 220, (SIZE, SIZE, 3), dtype=np.uint8)
    coverage = np.where(used_mask(table), 255, 0).astype(np.uint8)
    atlas = filler.fill(colours, coverage)
    np.testing.assert_array_equal(atlas[used_mask(table)], colours[used_mask(table)])


def test_gutters_continue_the_skin(table, filler) -> None:
    colours = np.full((SIZE, SIZE, 3), 77, np.uint8)
    coverage = np.where(used_mask(table), 255, 0).astype(np.uint8)
    atlas = filler.fill(colours, coverage).reshape(-1, 3)
    assert (atlas[table.gutter] == 77).all()


def test_detail_comes_from_the_other_hand(table, filler) -> None:
    used = used_mask(table)
    tone = np.full((SIZE, SIZE, 3), 150, np.uint8)
    other = tone.copy()
    other[::8] = 110
    half = used.copy()
    half[: SIZE // 2] = False
    full = np.where(used, 255, 0).astype(np.uint8)
    atlas = filler.fill(tone, np.where(half, 255, 0).astype(np.uint8), (other, full))
    lines = np.zeros_like(used)
    lines[: SIZE // 2 : 8] = True
    between = np.zeros_like(used)
    between[4 : SIZE // 2 : 8] = True
    # Crisp lines where the hand itself was not seen.
    assert atlas[lines & used].mean() < atlas[between & used].mean() - 25


def test_nothing_seen_gives_a_skin_tone(filler) -> None:
    nothing = np.zeros((SIZE, SIZE), np.uint8)
    atlas = filler.fill(np.zeros((SIZE, SIZE, 3), np.uint8), nothing).reshape(-1, 3)
    red, green, blue = atlas.mean(axis=0)
    assert red > green > blue > 80
    assert atlas.std(axis=0).max() < 2
